"""Importing a plugin: a file or a module, its errors with its own line."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import linecache
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from importlib.abc import SourceLoader
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 22


class PluginError(Exception):
    """A plugin that cannot be imported, or that has nothing in it.

    Args:
        message: which, and why.
        hint: what to do.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class _Loader(SourceLoader):
    """Loads the very bytes that were hashed, and leaves no compiled copy beside them."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path, self._data = path, data

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: str | bytes) -> bytes:
        return self._data


def import_file(path: str, pinned: str | None = None) -> tuple[types.ModuleType, str]:
    """Import a file and return its module and the SHA-256 of its text; one that is imported already is the same module.

    Args:
        path: the file.
        pinned: the SHA-256 that it must have; default: any.

    Raises:
        PluginError: it cannot be read or imported, or is another than ``pinned``.
    """
    data = _read(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if pinned is not None and pinned != sha256:
        raise PluginError(
            f"{path}: its SHA-256 is {sha256}, not {pinned}", "look at what changed; then write the new one"
        )
    real = os.path.realpath(path)
    name = f"trainctl_plugin_{Path(path).stem}_{hashlib.sha256(f'{real}:{sha256}'.encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        loader = _Loader(path, data)
        spec = importlib.util.spec_from_loader(name, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # as dataclasses and type hints need it
        try:
            with _beside(os.path.dirname(real)):
                _run(path, lambda: loader.exec_module(module))
        except PluginError:
            del sys.modules[name]
            raise
    return sys.modules[name], sha256


def import_module(name: str) -> tuple[types.ModuleType, str]:
    """Import a module by its name and return it and the SHA-256 of its text.

    Raises:
        PluginError: there is no such module, or it cannot be imported.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise PluginError(f"'{name}' is not the name of a module", "a file ends in .py")
    try:
        missing = name not in sys.modules and importlib.util.find_spec(name.partition(".")[0]) is None
    except ValueError:
        missing = True
    if missing:
        raise PluginError(
            f"there is no module '{name}'", "install it, or set PYTHONPATH; a file is written with its .py"
        )
    module = _run(name, lambda: importlib.import_module(name))
    file = getattr(module, "__file__", None)
    return module, hashlib.sha256(_read(file) if file else b"").hexdigest()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise PluginError(f"{path}: no such file", "a file is looked for beside the config that names it") from None
    except (OSError, ValueError) as error:
        raise PluginError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    if len(data) > MOST_BYTES:
        raise PluginError(f"{path}: over {MOST_BYTES} bytes; this is no plugin")
    return data


@contextlib.contextmanager
def _beside(folder: str) -> Iterator[None]:
    """Have a plugin find the modules that lie beside it, after all others."""
    sys.path.append(folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _run(name: str, act: Callable[[], Any]) -> Any:
    """Run a plugin's code; what it prints is no output of the command's."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return act()
    except (Exception, SystemExit) as error:  # whatever somebody else's code may raise
        raise PluginError(_told(name, error), _hint(error)) from None


def _told(name: str, error: BaseException) -> str:
    """An error of a plugin with the line of its own that raised it."""
    if isinstance(error, SyntaxError) and error.filename:
        place, line = f"{error.filename}:{error.lineno}", (error.text or "").strip()
        return f"{place}: {type(error).__name__}: {error.msg}" + (f"\n    {line}" if line else "")
    inside = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    own = [frame for frame in inside if frame.filename == name] or inside
    if not own:
        return f"{name}: {type(error).__name__}: {error}"
    line = (own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno or 0)).strip()
    return f"{own[-1].filename}:{own[-1].lineno}: {type(error).__name__}: {error}" + (f"\n    {line}" if line else "")


def _hint(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] == "torch":
        return "write `import trainctl as torch`; the names below it are the same"
    return None
