"""Cross-layer equalization (Nagel et al., 2019), and the words of ``torch.ao.quantization._equalize``.

Where the output of a layer scales with what lies between it and the next one, each channel can be made smaller before and
larger after. So all channels get to use the same part of a grid that they share, and the function stays.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from trainctl import nn
from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.conv import _Conv, padded_sides
from trainctl.nn.modules.module import Module
from trainctl.quantization.channels import by_input, by_output, response, scaled, weight_of
from trainctl.quantization.layer_inputs import batches, calls_of, evaluating
from trainctl.quantization.links import Link, Links, find_links

Array = numpy.ndarray[Any, Any]

_ROUNDS = 100  # of all pairs; long chains settle in some tens
_MOST_ROUNDS = 1000  # where a threshold is below what float32 resolves
_SETTLED = 1e-4  # a round that changes no scale by more is the last
_FARTHEST = 1e3  # a channel's scale in one layer: beyond, its bias would be larger than all other outputs


@dataclass(frozen=True)
class Equalized:
    """An equalized model.

    Attributes:
        model: it.
        links: the pairs that were equalized.
        broken: why other layers with weights are in no pair as the first, by path.
        scales: by path of the first layer, what its outputs were divided by, ``[O]``.
    """

    model: Any
    links: tuple[Link, ...]
    broken: Mapping[str, str]
    scales: Mapping[str, Array]


def equalize_layers(
    model: Module, inputs: Any, links: Sequence[Link] | None = None, inplace: bool = False
) -> Equalized:
    """Return a model that computes the same, up to rounding, from weights whose channels have equal ranges.

    Each output of the first layer of a pair is divided by ``sqrt(r1 / r2)``, its bias too, and what the second makes of
    it is multiplied by that: then the largest weights of both, r1 and r2 for that channel, are equal. In chains pairs are
    taken in turn until nothing changes.

    Args:
        model: any model; dense layers and convolutions, depthwise and transposed ones too, are equalized.
        inputs: a batch: a tensor; a tuple or list of arguments; a dict of arguments by name.
        links: the pairs; default: all of :func:`~trainctl.quantization.links.find_links`.
        inplace: change the model instead of a copy.

    Raises:
        ValueError: a weight is not finite; the layer is named.

    Example:
        >>> import trainctl
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> found = equalize_layers(model, trainctl.ones(1, 3)).model
        >>> first, second = found[0].weight.abs().amax(1), found[2].weight.abs().amax(0)
        >>> trainctl.allclose(first, second)
        True
    """
    model = model if inplace else copy.deepcopy(model)
    found = find_links(model, inputs) if links is None else Links(tuple(links), {})
    paths = dict.fromkeys(path for link in found.links for path in (link.first, link.second))
    layers = {path: model.get_submodule(path) for path in paths}
    weights = {path: weight_of(layer) for path, layer in layers.items()}
    for path, weight in weights.items():
        if not numpy.isfinite(weight).all():
            raise ValueError(f"{path}: a weight is not finite")
    scales = {each.first: numpy.ones(len(by_output(layers[each.first], weights[each.first]))) for each in found.links}
    for _ in range(_ROUNDS):
        changes = [_equalize_link(link, layers, weights, scales[link.first]) for link in found.links]
        if max(changes, default=0.0) < _SETTLED:
            break
    for path, layer in layers.items():
        _replace(layer, "weight", weights[path])
        if path in scales and layer.bias is not None:
            _replace(layer, "bias", layer.bias.detach().double().cpu().numpy() / scales[path])
    return Equalized(model, found.links, found.broken, scales)


def _equalize_link(link: Link, layers: Mapping[str, Any], weights: dict[str, Array], total: Array) -> float:
    """Equalize a pair, note by what outputs have been divided in all, and return the largest change (of a logarithm)."""
    first, second = layers[link.first], layers[link.second]
    before = abs(by_output(first, weights[link.first])).max(1, initial=0)
    after = abs(by_input(second, weights[link.second])).reshape(len(before), -1).max(1, initial=0)
    used = (before > 0) & (after > 0)
    scale = numpy.sqrt(numpy.where(used, before, 1) / numpy.where(used, after, 1))
    scale = numpy.clip(total * scale, 1 / _FARTHEST, _FARTHEST) / total
    total *= scale
    weights[link.first] = scaled(first, weights[link.first], outputs=1 / scale)
    weights[link.second] = scaled(second, weights[link.second], inputs=numpy.repeat(scale, link.repeat))
    return float(abs(numpy.log(scale)).max(initial=0))


def _replace(layer: Any, name: str, values: Array) -> None:
    own = getattr(layer, name)
    own.data = from_numpy(numpy.ascontiguousarray(values)).to(own.device, own.dtype)


def absorb_biases(model: Module, data: Iterable[Any], links: Sequence[Link], inplace: bool = False) -> Any:
    """Return a model in which what a layer always puts out has gone to the next one's bias.

    A channel whose outputs before a ReLU are at least c > 0 on all calibration data can put out c less, where the next
    bias has what its weights make of c: the outputs then span less, and on this data the model stays the same. Left out
    are pairs with another layer than ReLU, Identity or Dropout between them, and those of which the second has no bias
    or pads with zeros (which would not be c).

    Args:
        model: any model, best an equalized one.
        data: batches of its inputs.
        links: the pairs, as :class:`Equalized` has them.
        inplace: change the model instead of a copy.

    Example:
        >>> import trainctl
        >>> model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
        >>> _ = nn.init.constant_(model[0].bias, 9.0)
        >>> found = absorb_biases(model, [trainctl.tensor([[0.0], [1.0]])], [Link("0", "2", ("1",))])
        >>> bool(found[0].bias < 9)
        True
    """
    model, data = model if inplace else copy.deepcopy(model), batches(data)
    for link in links:
        first: Any = model.get_submodule(link.first)
        second: Any = model.get_submodule(link.second)
        between = [model.get_submodule(path) for path in link.between]
        if first.bias is None or not _takes_a_constant(second, between, link):
            continue
        lowest = _lowest_outputs(model, first, second, data)
        constant = from_numpy(numpy.maximum(lowest, 0)).to(first.bias.dtype)
        with no_grad():
            first.bias.sub_(constant)
            second.bias.add_(from_numpy(response(second, constant.double().numpy())).to(second.bias.dtype))
    return model


def _takes_a_constant(second: Any, between: list[Module], link: Link) -> bool:
    if isinstance(second, _Conv) and (second.transposed or second.padding_mode == "zeros"):
        sides = padded_sides(second.dilation, second.kernel_size, second.padding)
        if second.transposed or any(sides):
            return False
    plain = all(type(each) in (nn.ReLU, nn.Identity, nn.Dropout) for each in between)
    return second.bias is not None and plain and link.repeat == 1


def _lowest_outputs(model: Module, first: Any, second: Module, data: list[Any]) -> Array:
    """Return the least that each channel of a layer puts out on any data."""
    found: list[Array] = []

    def look(_module: Module, _args: Any, output: Tensor) -> None:
        channels = output.movedim(1, -1) if isinstance(first, _Conv) and output.ndim == first.dims + 2 else output
        channels = output.movedim(0, -1) if isinstance(first, _Conv) and output.ndim == first.dims + 1 else channels
        found.append(channels.reshape(-1, channels.shape[-1]).numpy().min(0, initial=numpy.inf))

    hook = first.register_forward_hook(look)
    try:
        with evaluating(model):
            for inputs in data:
                calls_of(model, second, inputs)
    finally:
        hook.remove()
    least: Array = numpy.min(found, axis=0) if found else numpy.zeros(1)
    return numpy.where(numpy.isfinite(least), least, 0).astype(numpy.float32)


# -- PyTorch's words -----------------------------------------------------------------------------------


def equalize(model: Module, paired_modules_list: Any, threshold: float = 1e-4, inplace: bool = True) -> Any:
    """Equalize pairs of layers, each with the next, until their weights no longer change; as PyTorch does.

    That nothing but what scales with its input lies between the layers of a pair is the caller's to know;
    :func:`equalize_layers` finds such pairs by itself.

    Args:
        model: the model.
        paired_modules_list: lists of two or more layers, or their names, each of which takes what the one before makes.
        threshold: the summed norm of the weights' changes in a round at which it ends.
        inplace: change the model itself, not a copy.

    Raises:
        TypeError: something else than a module or a name; layers whose channels do not fit.
        ValueError: a list of a single layer, a layer of another type, or weights that are not finite.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> equalize(model, [["0", "2"]]) is model
        True
    """
    groups = [[_name_of(model, each) for each in group] for group in paired_modules_list]
    if any(len(group) < 2 for group in groups):
        raise ValueError("Group must have at least two modules")
    model = model if inplace else copy.deepcopy(model)
    modules = dict(model.named_modules())
    names = dict.fromkeys(name for group in groups for name in group)
    unknown = [name for name in names if name not in modules]
    if unknown:
        raise ValueError(f"there is no module {unknown[0]!r} in the model")
    for name in names:
        if not numpy.isfinite(weight_of(_weighted(modules[name]))).all():
            raise ValueError(f"{name}: a weight is not finite")
    for _ in range(_MOST_ROUNDS):
        change = 0.0
        before: dict[str, Array] = {}
        for group in groups:
            for pair in itertools.pairwise(group):
                before.update((name, weight_of(_weighted(modules[name]))) for name in pair)
                cross_layer_equalization(*(modules[name] for name in pair))
        change = sum(
            float(numpy.linalg.norm(weight_of(_weighted(modules[name])) - old)) for name, old in before.items()
        )
        if change < threshold:
            break
    return model


def cross_layer_equalization(module1: Module, module2: Module, output_axis: int = 0, input_axis: int = 1) -> None:
    """Scale the channels between two layers so that their ranges, largest less smallest weight, agree.

    A channel whose weights are all equal, which PyTorch makes NaN, stays as it is.

    Args:
        module1: a linear layer or a convolution, alone or with a ReLU.
        module2: the next one.
        output_axis: the dim of the first one's weight that is scaled.
        input_axis: the dim of the second one's.

    Raises:
        TypeError: the two dims are not equally long.
        ValueError: layers of another type.
    """
    first, second = _weighted(module1), _weighted(module2)
    ranges = [_channel_range(first.weight, output_axis), _channel_range(second.weight, input_axis)]
    if len(ranges[0]) != len(ranges[1]):
        raise TypeError(
            "Number of output channels of first arg do not match number input channels of second arg: "
            f"{len(ranges[0])} and {len(ranges[1])}"
        )
    scale = numpy.sqrt(ranges[0] / (ranges[1] + numpy.float32(1e-9)))
    scale[ranges[0] == 0] = 1
    down, up = from_numpy(1 / scale).to(first.weight.device), from_numpy(scale).to(second.weight.device)
    with no_grad():
        first.weight.mul_(_along(down, first.weight.ndim, output_axis))
        second.weight.mul_(_along(up, second.weight.ndim, input_axis))
        if first.bias is not None:
            first.bias.mul_(down)


def _along(values: Tensor, ndim: int, axis: int) -> Tensor:
    shape = [1] * ndim
    shape[axis] = -1
    return values.reshape(shape)


def _channel_range(weight: Tensor, axis: int) -> Array:
    channels = numpy.moveaxis(weight.detach().float().cpu().numpy(), axis, 0)
    rows = channels.reshape(len(channels), -1)
    found: Array = rows.max(1) - rows.min(1)
    return found


def _name_of(model: Module, item: Any) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, Module):
        raise TypeError(f"item must be a nn.Module or a string, got {type(item).__name__}")
    name = next((name for name, module in model.named_modules() if module is item), None)
    if name is None:
        raise ValueError("module is not in the model")
    return name


def _weighted(module: Module) -> Any:
    """Return a layer, or the one that a fused layer begins with."""
    layer = module[0] if isinstance(module, nn.Sequential) and len(module) else module
    if not isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        raise ValueError(f"module type not supported: {type(module).__name__}")
    return layer
