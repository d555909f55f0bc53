"""Write what the installed CuPy offers to ``cupy_names.json``: ``python -m tests.backend.make_cupy_names``."""

from __future__ import annotations

import inspect
import json
import types
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "cupy_names.json"
MODULES = ("linalg", "lib", "lib.stride_tricks", "fft")


def signature_of(function: Any) -> Any:
    """Return "ufunc", None (not readable), or the parameters of a function."""
    import cupy

    if isinstance(function, cupy.ufunc):
        return "ufunc"
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    return [
        {"name": each.name, "kind": int(each.kind), "optional": each.default is not each.empty}
        for each in found.parameters.values()
        if each.name != "self"
    ]


def collect() -> dict[str, Any]:
    """Return CuPy's modules, functions and array methods with their signatures."""
    import cupy

    functions: dict[str, Any] = {}
    for path in ("", *MODULES):
        module: Any = cupy
        for part in filter(None, path.split(".")):
            module = getattr(module, part)
        for name in sorted(vars(module)):
            value = getattr(module, name)
            if not name.startswith("_") and not isinstance(value, types.ModuleType):
                functions[f"{path}.{name}" if path else name] = signature_of(value) if callable(value) else None
    methods = {
        name: signature_of(getattr(cupy.ndarray, name))
        for name in sorted(dir(cupy.ndarray))
        if not name.startswith("_")
    }
    return {"version": cupy.__version__, "modules": list(MODULES), "functions": functions, "methods": methods}


if __name__ == "__main__":
    PATH.write_text(json.dumps(collect(), indent=0, sort_keys=True) + "\n")
