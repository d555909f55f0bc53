"""Which module's output goes to which module alone: what can be fused, or scaled against each other."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from trainctl import nn
from trainctl.nn.modules.module import Module
from trainctl.quantization.dataflow import Dataflow
from trainctl.quantization.fuser_methods import DEFAULT_OP_LIST_TO_FUSER_METHOD

__all__ = ["exclusive_pairs", "fusable"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_NOT_FOR_TRAINING = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_DIMS = {nn.Linear: 2, nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5} | dict(zip(_NOT_FOR_TRAINING, (3, 4, 5), strict=True))


def exclusive_pairs(model: Module, inputs: Any) -> list[tuple[str, str]]:
    """Return the pairs of modules of which the first one's output goes to the second, and nowhere else.

    The model is called once, in evaluation mode and without gradients; its own modes, and the random stream, stay as
    they were. The first of a pair returns a single tensor, which is an argument of the second one, and which no op reads
    outside that call: not a residual sum, not another module, not the caller. Containers, which only call others, stand
    in no pair; nor does a module that is called twice or not at all, that has two names, or whose weights another
    module reads.

    Args:
        model: any model.
        inputs: a tensor; a tuple or list of arguments; a dict of arguments by name.

    Returns:
        Pairs of names, as ``named_modules`` gives them, in the order of the calls.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.first, self.act, self.second = nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3)
        ...
        ...     def forward(self, x):
        ...         hidden = self.act(self.first(x))
        ...         return self.second(hidden) + hidden
        >>> exclusive_pairs(Net(), trainctl.ones(1, 3))
        [('first', 'act')]
    """
    return [(first, second) for first, second, _ in _pairs(model, inputs)]


def fusable(model: Module, inputs: Any, is_qat: bool = False) -> list[list[str]]:
    """Return the names of layers that can be fused, as :func:`trainctl.quantization.fuse_modules` takes them.

    These are convolutions and linear layers with the batch norm or ReLU after them, and batch norms with a ReLU after
    them, each followed by the next alone. Left out are norms that cannot be folded (no running statistics, or of the
    dim that a linear layer does not make), and layers with a hook on what lies between them.

    Args:
        model: any model.
        inputs: a tensor; a tuple or list of arguments; a dict of arguments by name.
        is_qat: for :func:`trainctl.quantization.fuse_modules_qat`, which takes fewer.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(2, 2))
        >>> fusable(model, trainctl.ones(1, 1, 3, 3))
        [['0', '1', '2']]
    """
    modules = dict(model.named_modules())
    pairs = _pairs(model, inputs)
    after = {first: second for first, second, _ in pairs}
    dims = {first: ndim for first, _, ndim in pairs}
    found: list[list[str]] = []
    taken: set[str] = set()
    for name in after:
        chain = [name, after[name], after.get(after[name])]
        for length in (3, 2):
            names = [each for each in chain[:length] if each is not None and each not in taken]
            if len(names) == length and _fits([modules[each] for each in names], dims[name], is_qat):
                found.append(names)
                taken.update(names)
                break
    return found


def _pairs(model: Module, inputs: Any) -> list[tuple[str, str, int]]:
    """Return the pairs, each with the dims of what goes between them."""
    names: dict[Module, list[str]] = defaultdict(list)
    for name, module in model.named_modules(remove_duplicate=False):
        names[module].append(name)
    flow = Dataflow(model)
    flow.run(model, inputs)

    def usable(module: Module) -> bool:
        return len(names[module]) == 1 and flow.calls[module] == 1 and module not in flow.borrowed

    pairs = []
    for value in flow.values:
        consumer = value.consumer()
        if value.maker is None or consumer is None or not value.alone:
            continue
        ends = value.maker.module, consumer.module
        if all(map(usable, ends)):
            pairs.append((names[ends[0]][0], names[ends[1]][0], value.ndim))
    return pairs


def _fits(modules: list[Any], ndim: int, is_qat: bool) -> bool:
    """Return whether there is a way to fuse these layers, and the result would be the same."""
    types = tuple(map(type, modules))
    if types not in DEFAULT_OP_LIST_TO_FUSER_METHOD or ndim != _DIMS.get(types[0], ndim) or _is_looked_into(modules):
        return False
    if is_qat and (types[0] in _NOT_FOR_TRAINING or types == (nn.Linear, nn.BatchNorm1d, nn.ReLU)):
        return False
    norms = [each for each in modules[1:] if isinstance(each, _NORMS)]
    if is_qat:
        return all(each.affine and each.track_running_stats for each in norms)
    return all(each.running_mean is not None and each.running_var is not None for each in norms)


def _is_looked_into(modules: list[Any]) -> bool:
    """Return whether a hook would be lost with what lies between the layers."""
    backward = any(each._backward_hooks or each._backward_pre_hooks for each in modules)
    between = any(each._forward_hooks for each in modules[:-1]) or any(each._forward_pre_hooks for each in modules[1:])
    return backward or between
