"""trainctl: train, evaluate, quantize and checkpoint neural networks from one YAML file.

``import trainctl as torch`` gives PyTorch's names for the engine underneath. They are loaded when the first
of them is asked for, so that a command that computes nothing does not import NumPy.
"""

from __future__ import annotations

import importlib
from typing import Any

from trainctl.version import __version__

_SUBMODULES = frozenset(
    {
        "ao",
        "autograd",
        "backend",
        "backends",
        "build",
        "cli",
        "config",
        "cuda",
        "data",
        "errors",
        "jobs",
        "linalg",
        "nn",
        "onnx",
        "optim",
        "plan",
        "quantization",
        "registry",
        "train",
        "utils",
    }
)

_FROM = {"compile": "trainctl.plan"}
"""Names that stand above the engine."""

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'trainctl' has no attribute {name!r}")
    if name in _SUBMODULES:
        try:
            return importlib.import_module(f"trainctl.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"trainctl.{name}":
                raise
            raise AttributeError(f"module 'trainctl' has no attribute {name!r}") from None
    if name in _FROM:
        return getattr(importlib.import_module(_FROM[name]), name)
    names = importlib.import_module("trainctl.namespace").NAMES
    if name not in names:
        raise AttributeError(f"module 'trainctl' has no attribute {name!r}")
    globals().update({each: value for each, value in names.items() if each not in globals()})
    return names[name]


def __dir__() -> list[str]:
    names = importlib.import_module("trainctl.namespace").NAMES
    return sorted({*globals(), *names, *_SUBMODULES, *_FROM})
