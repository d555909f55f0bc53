"""Models with weights in few bits, in groups along the input; they compute in float32 with what the codes stand for.

Scales, codes and their packing are :mod:`trainctl.backend.weight_groups`, the layers
:mod:`trainctl.nn.quantized.weight_only`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from trainctl.backend.weight_groups import ROWS_OF_8_BITS as ROWS_OF_8_BITS
from trainctl.backend.weight_groups import GroupedWeight as GroupedWeight
from trainctl.backend.weight_groups import GroupFormat as GroupFormat
from trainctl.nn.modules.module import Module
from trainctl.nn.quantized.weight_only import WeightOnly, class_of, weight_names

Codes = Mapping[str, Mapping[str, GroupedWeight]]  # by layer, by parameter


def weight_layers(model: Module) -> dict[str, Module]:
    """Return the layers whose weights can be kept in few bits, by path; a layer in two places has its first path.

    Example:
        >>> from trainctl import nn
        >>> list(weight_layers(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.LSTM(3, 4))))
        ['0', '2']
    """
    return {path: module for path, module in model.named_modules() if weight_names(module)}


def quantize_weights(
    model: Module,
    form: GroupFormat | None = None,
    *,
    layers: Iterable[str] | None = None,
    given: Codes | None = None,
    inplace: bool = False,
) -> Any:
    """Return a model with its layers' weights in few bits.

    Args:
        model: with dense layers, convolutions, embeddings, recurrent layers, attention.
        form: how to keep weights; default: 4 bits, in groups of 32. :data:`ROWS_OF_8_BITS`: int8, a scale a row.
        layers: paths of the layers; default: all of :func:`weight_layers`.
        given: codes by layer and parameter, where they are not to be the nearest (from :mod:`~trainctl.quantization.adaround`).
        inplace: change the model instead of a copy; a model that is itself such a layer is returned anew all the same.

    Raises:
        KeyError: there is no such layer.
        ValueError: a weight is not finite, or not initialized yet; the layer is named.

    Example:
        >>> from trainctl import nn
        >>> list(quantize_weights(nn.Sequential(nn.Linear(2, 3))).state_dict())
        ['0.bias', '0.weight_codes', '0.weight_scale', '0.weight_zero_point']
    """
    model = model if inplace else copy.deepcopy(model)
    made = {}
    for path, module in _chosen(model, layers).items():
        try:
            made[module] = class_of(type(module)).from_float(module, form, (given or {}).get(path))
        except ValueError as error:
            raise ValueError(f"{path or type(module).__name__}: {error}") from error
    return _swapped(model, made)


def formats(model: Module) -> dict[str, dict[str, Any]]:
    """Return how each layer's weights are kept, by path, for JSON.

    Example:
        >>> from trainctl import nn
        >>> formats(quantize_weights(nn.Sequential(nn.Linear(2, 3))))
        {'0': {'bits': 4, 'group_size': 32, 'symmetric': False, 'scale_dtype': 'float16'}}
    """
    return {path: each.form.to_dict() for path, each in model.named_modules() if isinstance(each, WeightOnly)}


def make_room(model: Module, formats: Mapping[str, Mapping[str, Any]], *, inplace: bool = True) -> Any:
    """Return a float model with room for weights in few bits, for ``load_state_dict``: the inverse of :func:`formats`.

    Args:
        model: as it was before :func:`quantize_weights`, with any weights.
        formats: what :func:`formats` returned.
        inplace: change the model instead of a copy.

    Raises:
        KeyError: there is no such layer.
    """
    model = model if inplace else copy.deepcopy(model)
    chosen = _chosen(model, formats)
    made = {each: class_of(type(each)).empty(each, GroupFormat(**formats[path])) for path, each in chosen.items()}
    return _swapped(model, made)


def _chosen(model: Module, layers: Iterable[str] | None) -> dict[str, Module]:
    found = weight_layers(model)
    if layers is None:
        return found
    layers = list(layers)
    unknown = [path for path in layers if path not in found]
    if unknown:
        raise KeyError(
            f"no layer {unknown[0]!r} with weights to keep in few bits; there are {', '.join(found) or 'none'}"
        )
    return {path: found[path] for path in layers}


def _swapped(model: Module, made: Mapping[Module, Module]) -> Module:
    """Put modules in place of others, wherever they are."""
    paths = [(path, each) for path, each in model.named_modules(remove_duplicate=False) if each in made]
    for path, module in paths:
        parent, _, name = path.rpartition(".")
        if path:
            model.get_submodule(parent)._modules[name] = made[module]
        else:
            model = made[module]
    return model
