"""What a layer takes while a model runs on calibration data, as rows that its weight's rows are multiplied with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy

from trainctl import nn
from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.conv import _Conv, padded_sides
from trainctl.nn.modules.module import Module
from trainctl.nn.utils.rnn import PackedSequence

Array = numpy.ndarray[Any, Any]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
_ELEMENTS = 1 << 22  # of the rows of a convolution that are made at once


def batches(data: Iterable[Any]) -> list[Any]:
    """Return calibration data as a list of a model's inputs.

    Args:
        data: batches: each a tensor, a tuple or list of arguments, or a dict of arguments by name.

    Raises:
        ValueError: there are none.
        TypeError: a single tensor, which is a batch and not several.
    """
    if isinstance(data, Tensor):
        raise TypeError("expected batches of calibration data, got a single tensor: pass [batch]")
    found = list(data)
    if not found:
        raise ValueError("expected at least one batch of calibration data, got none")
    return found


@contextmanager
def evaluating(*models: Module) -> Iterator[None]:
    """Put models into evaluation mode, without gradients, and leave them as they were."""
    modes = [(each, each.training) for model in models for each in model.modules()]
    try:
        for model in models:
            model.eval()
        with no_grad():
            yield
    finally:
        for each, mode in modes:
            each.training = mode


def call(model: Module, inputs: Any) -> Any:
    """Call a model with a batch of :func:`batches`."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)


def calls_of(model: Module, layer: Module, inputs: Any) -> list[Arguments]:
    """Return the arguments of each call of a layer while the model runs on a batch."""
    seen: list[Arguments] = []
    hook = layer.register_forward_pre_hook(lambda _, *given: seen.append(given), prepend=False, with_kwargs=True)
    try:
        call(model, inputs)
    finally:
        hook.remove()
    return seen


def call_order(model: Module, layers: Mapping[str, Module], inputs: Any) -> list[str]:
    """Return the names of layers in the order in which a batch first reaches them; those it does not reach come last."""
    seen: dict[Module, None] = {}
    hooks = [
        each.register_forward_pre_hook(lambda module, _: seen.setdefault(module))  # what it returns is None
        for each in layers.values()
    ]
    try:
        call(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    names = {each: name for name, each in layers.items()}
    return [*(names[each] for each in seen), *(name for name, each in layers.items() if each not in seen)]


def rows(layer: Module, arguments: Arguments) -> Iterator[tuple[str, int, Array]]:
    """Yield what the rows of a layer's weights are multiplied with in a call.

    Yields:
        The parameter, the first of its rows that is meant, and ``[G, n, K]``: each of G equal parts of rows from there
        on (groups of a convolution) has its own n inputs. Of a recurrent layer these are the first layer's inputs; of a
        table of embeddings there are none.

    Example:
        >>> import trainctl
        >>> layer = nn.Conv2d(4, 6, 3, groups=2)
        >>> [(name, first, each.shape) for name, first, each in rows(layer, ((trainctl.ones(1, 4, 5, 5),), {}))]
        [('weight', 0, (2, 9, 18))]
    """
    args, kwargs = arguments
    if isinstance(layer, nn.Linear):
        yield "weight", 0, _flat(_given(args, kwargs, "input"))
    elif isinstance(layer, _Conv):
        yield from _of_convolution(layer, _given(args, kwargs, "input"))
    elif isinstance(layer, nn.MultiheadAttention):
        yield from _of_attention(layer, args, kwargs)
    elif isinstance(layer, nn.RNNBase):
        given = _given(args, kwargs, "input")
        taken = _flat(given.data if isinstance(given, PackedSequence) else given)
        yield "weight_ih_l0", 0, taken
        if layer.bidirectional:
            yield "weight_ih_l0_reverse", 0, taken
    elif isinstance(layer, nn.RNNCellBase):
        yield "weight_ih", 0, _flat(_given(args, kwargs, "input"))


def _given(args: tuple[Any, ...], kwargs: dict[str, Any], name: str, place: int = 0) -> Any:
    return args[place] if len(args) > place else kwargs[name]


def _flat(x: Tensor) -> Array:
    array: Array = x.detach().float().cpu().numpy()
    return array.reshape(1, int(numpy.prod(array.shape[:-1])), array.shape[-1])


def _of_attention(
    layer: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, int, Array]]:
    alone = len(args) + len(kwargs) == 1  # a layer of a chain: one sequence is query, key and value
    for place, name in enumerate(("query", "key", "value")):
        given = _given(args, kwargs, "input") if alone else _given(args, kwargs, name, place)
        if layer.in_proj_weight is not None:
            yield "in_proj_weight", place * layer.embed_dim, _flat(given)
        else:
            yield f"{name[0]}_proj_weight", 0, _flat(given)


def _of_convolution(layer: Any, x: Tensor) -> Iterator[tuple[str, int, Array]]:
    x = x.detach().float()
    x = x if x.ndim == layer.dims + 2 else x.unsqueeze(0)
    images = int(numpy.prod(x.shape[1:])) * int(numpy.prod(layer.kernel_size))
    step = max(1, _ELEMENTS // max(1, images))
    for start in range(0, len(x), step):
        yield "weight", 0, (_transposed if layer.transposed else _plain)(layer, x[start : start + step])


def _plain(layer: Any, x: Tensor) -> Array:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    sides = padded_sides(layer.dilation, layer.kernel_size, layer.padding)
    padded = F.pad(x, sides, mode) if any(sides) else x
    return _windows(padded.cpu().numpy(), layer.kernel_size, layer.stride, layer.dilation, layer.groups)


def _transposed(layer: Any, x: Tensor) -> Array:
    """Return the windows of a convolution with turned kernels over the input with ``stride - 1`` zeros between elements."""
    array = x.cpu().numpy()
    spread: Any = numpy.zeros(
        (*array.shape[:2], *((n - 1) * s + 1 for n, s in zip(array.shape[2:], layer.stride, strict=True))), array.dtype
    )
    spread[(..., *(slice(None, None, s) for s in layer.stride))] = array
    reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    sides = [(r - p, r - p + o) for r, p, o in zip(reach, layer.padding, layer.output_padding, strict=True)]
    padded: Any = numpy.pad(spread, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in sides)])
    cut = [slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(sides, padded.shape[2:], strict=True)]
    ones = (1,) * layer.dims
    return _windows(padded[(..., *cut)], layer.kernel_size, ones, layer.dilation, layer.groups, turned=True)


def _windows(
    x: Array, kernel: tuple[int, ...], stride: Any, dilation: tuple[int, ...], groups: int, turned: bool = False
) -> Array:
    """Return ``[groups, places, C / groups * kernel elements]`` of ``[N, C, *spatial]``."""
    dims = len(kernel)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    seen: Any = numpy.lib.stride_tricks.sliding_window_view(x, reach, tuple(range(2, 2 + dims)))
    seen = seen[(..., *(slice(None, None, each) for each in dilation))]
    seen = seen[(slice(None), slice(None), *(slice(None, None, each) for each in stride))]
    if turned:
        seen = numpy.flip(seen, tuple(range(-dims, 0)))
    places = int(numpy.prod([len(x), *seen.shape[2 : 2 + dims]]))
    inputs = x.shape[1] // groups * int(numpy.prod(kernel))
    return numpy.moveaxis(seen, 1, 1 + dims).reshape(places, groups, inputs).swapaxes(0, 1)
