"""PyTorch's newer place for quantization: ``trainctl.ao.X`` is ``trainctl.X``, the same module under another name."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_HERE = __name__ + "."
_THERE = "trainctl."
_RENAMED = {  # PyTorch's names of modules that are called otherwise here
    "quantization.observer": "quantization.observers",
    "quantization.quantization_mappings": "quantization.mappings",
    "quantization.fuser_method_mappings": "quantization.fuser_methods",
}


class _Aliases:
    """Finds ``trainctl.ao.X`` where ``trainctl.X`` is; its second loading would make every class anew."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return a spec for names below this package."""
        return ModuleSpec(name, self) if name.startswith(_HERE) else None  # type: ignore[arg-type] # it has what loaders need

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that the name stands for.

        Raises:
            ModuleNotFoundError: there is none.
        """
        name = spec.name.removeprefix(_HERE)
        if name.partition(".")[0] not in ("nn", "quantization"):
            raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)
        module = importlib.import_module(_THERE + _RENAMED.get(name, name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which loading under another name has overwritten."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


sys.meta_path.insert(0, _Aliases())


def __getattr__(name: str) -> Any:
    if name in ("nn", "quantization"):
        return importlib.import_module(_HERE + name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
