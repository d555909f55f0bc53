"""The classes of a plugin as entries of the table: what a class is follows from its base."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

from trainctl.config.plugin_import import PluginError
from trainctl.registry import Entry, Kind

INFERRED = {
    "in_features": -1, "in_channels": 1, "num_features": 1, "num_channels": 1, "input_size": -1, "embed_dim": -1,
    "d_model": -1,
}  # fmt: skip
"""Arguments without a default that may be left out of a plugin's layer, as of PyTorch's, with the axis they follow from."""

_OPTIMIZED = ("params",)
_SCHEDULED = ("optimizer", "last_epoch")
_PART = ("train", "transform")
_PLAIN = (bool, int, float, str, type(None))


def entries_of(module: types.ModuleType, source: str) -> dict[Kind, dict[str, Entry]]:
    """The classes that a module defines, or names in ``__all__``, by kind and name.

    Args:
        module: the module.
        source: its file, as messages name it.

    Raises:
        PluginError: there is none, or one is of another framework.
    """
    found: dict[Kind, dict[str, Entry]] = {}
    for name, cls in _classes(module):
        _check_framework(name, cls, source)
        for kind, excluded in _kinds(cls):
            found.setdefault(kind, {})[name] = _entry(kind, cls, excluded, f"{source}:{name}")
    if not found:
        hint = "a plugin has classes: nn.Module, Dataset, Metric, Optimizer, LRScheduler, or with a __call__"
        raise PluginError(f"{source}: has no class that a config can name", hint)
    return found


def _classes(module: types.ModuleType) -> Iterator[tuple[str, type]]:
    public = getattr(module, "__all__", ())
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        if isinstance(value, type) and (is_own or name in public):
            yield name, value


def _check_framework(name: str, cls: type, source: str) -> None:
    if any(base.__module__.partition(".")[0] == "torch" for base in cls.__mro__):
        raise PluginError(f"{source}: {name} is a class of torch's", "write `import trainctl as torch`")


def _kinds(cls: type) -> list[tuple[Kind, tuple[str, ...]]]:
    """What a class may be named as, with the arguments that a config cannot give."""
    from trainctl.data import Dataset
    from trainctl.nn import Module
    from trainctl.optim import Optimizer
    from trainctl.optim.lr_scheduler import LRScheduler
    from trainctl.train.metrics import Metric

    if issubclass(cls, Module):
        return [("layer", ()), ("loss", ())]
    bases: list[tuple[type, list[tuple[Kind, tuple[str, ...]]]]] = [
        (Dataset, [("dataset", _PART)]),
        (Metric, [("metric", ())]),
        (Optimizer, [("optimizer", _OPTIMIZED)]),
        (LRScheduler, [("scheduler", _SCHEDULED), ("phase", _SCHEDULED)]),
    ]
    for base, kinds in bases:
        if issubclass(cls, base):
            return kinds
    return [("transform", ())] if any("__call__" in vars(base) for base in cls.__mro__[:-1]) else []


def _entry(kind: Kind, cls: type, excluded: tuple[str, ...], target: str) -> Entry:
    parameters = inspect.signature(cls).parameters
    required = {name for name, each in parameters.items() if each.default is each.empty}
    strange = [name for name, each in parameters.items() if name not in required and not _is_plain(each.default)]
    return Entry(
        target,
        (*excluded, *strange),
        {name: axis for name, axis in INFERRED.items() if name in required} if kind == "layer" else {},
        intervals=("epoch", "step") if kind == "scheduler" else (),
        made=cls,
        trusted=True,
    )


def _is_plain(value: Any) -> bool:
    """Whether a default can be written in a config; an argument with another is left to it."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return isinstance(value, _PLAIN) or (isinstance(value, list | tuple) and all(map(_is_plain, value)))
