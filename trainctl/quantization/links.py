"""Pairs of layers between which a scale of each channel can be moved: what lies between scales with its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainctl import nn
from trainctl.nn.modules.adaptive_pooling import AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d
from trainctl.nn.modules.conv import _Conv
from trainctl.nn.modules.module import Module
from trainctl.nn.modules.pooling import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d
from trainctl.quantization.layer_inputs import calls_of, evaluating
from trainctl.quantization.neighbours import exclusive_pairs

# f(s x) = s f(x) for s > 0, element by element
_SCALING = (
    nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
)  # fmt: skip
_POOLS = (
    AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d,
)  # fmt: skip


@dataclass(frozen=True)
class Link:
    """Two layers, the second of which takes what the first puts out, and nothing else does.

    Attributes:
        first: path of a dense layer or a convolution.
        second: path of the next one.
        between: paths of the layers between them, each of which scales with its input.
        repeat: elements of the second one's input for each output of the first (places of a flattened image).
    """

    first: str
    second: str
    between: tuple[str, ...] = ()
    repeat: int = 1


@dataclass(frozen=True)
class Links:
    """What :func:`find_links` found.

    Attributes:
        links: the pairs, in the order of the calls.
        broken: why the other layers with weights stand first in none, by path.
    """

    links: tuple[Link, ...]
    broken: dict[str, str]


def find_links(model: Module, inputs: Any) -> Links:
    """Return the pairs of layers of a model between which scales can be moved.

    Args:
        model: any model; batch norms are best folded into the layers before them first.
        inputs: a batch: a tensor; a tuple or list of arguments; a dict of arguments by name.

    Example:
        >>> import trainctl
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5), nn.ReLU6(), nn.Linear(5, 2))
        >>> found = find_links(model, trainctl.ones(1, 3))
        >>> [(each.first, each.second) for each in found.links]
        [('0', '2')]
        >>> found.broken["2"]
        'ReLU6 (3) does not scale with its input'
    """
    modules = dict(model.named_modules())
    after = dict(exclusive_pairs(model, inputs))
    links, broken = [], {}
    with evaluating(model):
        for path, module in modules.items():
            if not isinstance(module, (nn.Linear, _Conv)):
                continue
            found = _follow(path, after, modules, (model, inputs))
            if isinstance(found, Link):
                links.append(found)
            else:
                broken[path] = found
    order = {path: number for number, path in enumerate(after)}
    return Links(tuple(sorted(links, key=lambda link: order[link.first])), broken)


def _follow(path: str, after: dict[str, str], modules: dict[str, Any], run: tuple[Module, Any]) -> Link | str:
    """Return the link that begins at a layer, or why there is none."""
    first, between, at = modules[path], [], path
    channels, repeat = isinstance(first, _Conv), 1  # channels: the outputs are dim 1, not the last
    while True:
        if at not in after:
            return "no single layer takes its output" if at == path else f"no single layer takes the output of {at}"
        at = after[at]
        module = modules[at]
        if isinstance(module, (nn.Linear, _Conv)):
            break
        if isinstance(module, nn.Flatten) and channels and repeat == 1:
            repeat = _flattened(first, module, run)
            if not repeat:
                return f"Flatten ({at}) does not keep each channel in one piece"
            channels = False
        elif not (isinstance(module, _SCALING) or (isinstance(module, _POOLS) and channels)):
            return f"{type(module).__name__} ({at}) does not scale with its input"
        between.append(at)
    if channels != isinstance(module, _Conv):
        return f"{type(module).__name__} ({at}) takes another dim than the outputs"
    if _sizes(module)[1] != _sizes(first)[0] * repeat:
        return f"{type(module).__name__} ({at}) takes another number of inputs"
    return Link(path, at, tuple(between), repeat)


def _flattened(first: Any, flatten: Any, run: tuple[Module, Any]) -> int:
    """Return how many elements of a flattened batch one channel makes; 0: they are not together."""
    [((x, *_), _)] = calls_of(run[0], flatten, run[1])
    whole = flatten.start_dim in (1, 1 - x.ndim) and flatten.end_dim in (-1, x.ndim - 1)
    fits = x.ndim == first.dims + 2 and x.shape[1] == first.out_channels
    return int(x[0, 0].numel()) if whole and fits and len(x) else 0


def _sizes(module: Any) -> tuple[int, int]:
    """Return how many outputs and inputs a layer has."""
    if isinstance(module, nn.Linear):
        return module.out_features, module.in_features
    return module.out_channels, module.in_channels
