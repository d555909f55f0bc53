"""Layers in a row put together before they are quantized; follows ``torch.ao.quantization.fuse_modules``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainctl.nn.modules.activation import Identity
from trainctl.nn.modules.module import Module
from trainctl.quantization.fuser_methods import get_fuser_method

__all__ = ["fuse_known_modules", "fuse_modules", "fuse_modules_qat"]

Names = Sequence[str] | Sequence[Sequence[str]]
Fuser = Callable[..., list[Module]]


def fuse_known_modules(
    mod_list: Sequence[Module], is_qat: bool, additional_fuser_method_mapping: Mapping[Any, Any] | None = None
) -> list[Module]:
    """Return layers in a row as one, followed by an ``Identity`` in the place of each of the others.

    Hooks before the first layer, and after the last, become hooks of the fused one.

    Args:
        mod_list: the layers, in order.
        is_qat: for quantization-aware training.
        additional_fuser_method_mapping: more methods, by types.

    Raises:
        AssertionError: there is no method for layers of these types, or they do not fit together.
        NotImplementedError: not in this mode.
    """
    method = get_fuser_method(tuple(map(type, mod_list)), additional_fuser_method_mapping)
    fused = method(is_qat, *mod_list)
    _move_hooks("_forward_pre_hooks", mod_list[0], fused)
    _move_hooks("_forward_hooks", mod_list[-1], fused)
    if hasattr(mod_list[0], "qconfig") and not hasattr(fused, "qconfig"):
        fused.qconfig = mod_list[0].qconfig  # else a layer that is to stay in float would not
    return [fused, *(Identity().train(mod_list[0].training) for _ in mod_list[1:])]


def _move_hooks(table: str, source: Module, target: Module) -> None:
    """Move hooks, with the numbers that their handles know; a copy of ``source`` inside ``target`` has them, too."""
    hooks = dict(getattr(source, table))
    for module in (source, *target.modules()):
        for number in hooks:
            getattr(module, table).pop(number, None)
    getattr(target, table).update(hooks)


def fuse_modules(
    model: Module,
    modules_to_fuse: Names,
    inplace: bool = False,
    fuser_func: Fuser = fuse_known_modules,
    fuse_custom_config_dict: Mapping[str, Any] | None = None,
) -> Any:
    """Fuse layers in a row for evaluation: the first one's place takes the fused layer, the others' an ``Identity``.

    What is fused: conv + bn, conv + bn + relu, conv + relu, linear + bn, linear + bn + relu, linear + relu, bn + relu,
    transposed conv + bn. Batch norms are folded into the weights before them. That the layers are called one after the
    other, and nothing else reads what is between them, is the caller's to know: :func:`trainctl.quantization.fusable`
    finds those of a model.

    Args:
        model: the model, in evaluation mode.
        modules_to_fuse: the names of the layers, or a list of such lists.
        inplace: change ``model`` itself, not a copy.
        fuser_func: takes the layers, ``is_qat`` and the additional methods; returns what is put in their places.
        fuse_custom_config_dict: ``"additional_fuser_method_mapping"``: methods by types.

    Returns:
        The model, or the copy.

    Raises:
        AttributeError: there is no module of that name.
        AssertionError: layers of these types are not fused, or they do not fit together.
        NotImplementedError: not in this mode.

    Example:
        >>> from trainctl import nn
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).eval()
        >>> fuse_modules(model, ["0", "1"])
        Sequential(
          (0): LinearReLU(
            (0): Linear(in_features=3, out_features=2, bias=True)
            (1): ReLU()
          )
          (1): Identity()
        )
    """
    return _fuse(model, modules_to_fuse, False, inplace, fuser_func, fuse_custom_config_dict)


def fuse_modules_qat(
    model: Module,
    modules_to_fuse: Names,
    inplace: bool = False,
    fuser_func: Fuser = fuse_known_modules,
    fuse_custom_config_dict: Mapping[str, Any] | None = None,
) -> Any:
    """Fuse layers in a row for quantization-aware training, where batch norms stay layers of their own.

    Arguments, result and errors are those of :func:`fuse_modules`; the model is in training mode.

    Example:
        >>> from trainctl import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        >>> type(fuse_modules_qat(model, ["0", "1", "2"])[0]).__name__
        'ConvBnReLU2d'
    """
    return _fuse(model, modules_to_fuse, True, inplace, fuser_func, fuse_custom_config_dict)


def _fuse(model: Any, names: Names, is_qat: bool, inplace: bool, fuser: Fuser, custom: Mapping[str, Any] | None) -> Any:
    methods = (custom or {}).get("additional_fuser_method_mapping", {})
    if not inplace:
        model = copy.deepcopy(model)
    groups: Any = [names] if all(isinstance(each, str) for each in names) else names
    for group in groups:
        if group:
            fused = fuser([_module(model, name) for name in group], is_qat, methods)
            for name, module in zip(group, fused, strict=True):
                _put(model, name, module)
    return model


def _module(model: Any, name: str) -> Any:
    """Return the module at a path; one that is named as a method of its parent is found, too."""
    for part in name.split("."):
        below = getattr(model, "_modules", {}).get(part)
        model = getattr(model, part) if below is None else below
    return model


def _put(model: Any, name: str, module: Module) -> None:
    path, _, last = name.rpartition(".")
    parent = _module(model, path) if path else model
    if last in parent._modules:
        parent._modules[last] = module
    else:
        setattr(parent, last, module)
