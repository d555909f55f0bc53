"""Loops compiled by Numba where it is installed (the extra ``fast``); NumPy is the definition of each of them.

A kernel is written twice beside each other: as NumPy calls, which always work, and as a plain loop for
:func:`kernel`. Compiled code is cached, below ``TRAINCTL_CACHE_DIR`` where that is set.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Sums may be reordered and multiplications fused, but NaN and infinity stay what they are: training looks for them.
_MATH = {"reassoc", "contract", "arcp", "nsz"}


class Kernel:
    """A loop, compiled when it is first asked for.

    Args:
        function: the loop, in the Python that Numba compiles.
        signatures: the argument types that it is compiled for, as Numba writes them.
        exact: every operation is rounded as it is written, as NumPy's are.
    """

    def __init__(self, function: Callable[..., Any], signatures: tuple[str, ...], exact: bool = False) -> None:
        self.function, self.signatures, self.exact = function, signatures, exact
        self.__doc__ = function.__doc__
        self._compiled: Any = None

    def __call__(self, *args: Any) -> Any:
        """Run the compiled loop; inside another kernel this is a call from one to the other."""
        return self.compiled(*args)

    @property
    def compiled(self) -> Any:
        """The compiled loop, which runs without the interpreter's lock."""
        if self._compiled is None:
            numba: Any = importlib.import_module("numba")
            folder = _cache_folder()
            if folder is not None:
                numba.config.CACHE_DIR = str(folder)
            options: dict[str, Any] = {
                "nogil": True,
                "fastmath": False if self.exact else _MATH,
                "error_model": "numpy",
                "cache": folder is not None,
            }
            self._compiled = numba.njit(list(self.signatures), **options)(_bound(self.function))
        return self._compiled


class Part:
    """Something that kernels call by its global name: made, with Numba, when the first of them is compiled.

    Args:
        make: returns what Numba is to see in its place.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __call__(self, *args: Any) -> Any:
        """Be what a kernel calls; outside of one there is nothing to do.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"{self._make.__name__} exists in compiled loops alone")

    @functools.cached_property
    def compiled(self) -> Any:
        """What Numba sees."""
        return self._make()


def inline(function: Callable[..., Any]) -> Part:
    """Mark a small function that kernels call: its body takes the place of the call, so that loops with it vectorise.

    Example:
        >>> @inline
        ... def double(x):
        ...     return x + x
        >>> @kernel("void(f4[::1])")
        ... def double_all(x):
        ...     for i in range(x.size):
        ...         x[i] = double(x[i])
    """

    def make() -> Any:
        numba: Any = importlib.import_module("numba")
        return numba.njit(inline="always", fastmath=_MATH, error_model="numpy")(_bound(function))

    return Part(make)


def _bound(function: Any) -> Any:
    """Return a function whose globals that are kernels, or parts of them, are the compiled ones."""
    names = {
        name: each.compiled
        for name in function.__code__.co_names
        if isinstance(each := function.__globals__.get(name), (Kernel, Part))
    }
    if not names:
        return function
    bound = types.FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)
    bound.__qualname__ = function.__qualname__
    return bound


def kernel(*signatures: str, exact: bool = False) -> Callable[[Callable[..., Any]], Kernel]:
    """Mark a loop as one to be compiled for these argument types; ``exact``: with NumPy's own rounding.

    Example:
        >>> @kernel("void(f4[::1], f4)")
        ... def scale(x, factor):
        ...     for i in range(x.size):
        ...         x[i] *= factor
        >>> scale.signatures
        ('void(f4[::1], f4)',)
    """
    return lambda function: Kernel(function, signatures, exact)


@functools.cache
def available() -> bool:
    """Return whether kernels can be compiled: Numba is installed and ``TRAINCTL_KERNELS`` is not ``numpy``."""
    return os.environ.get("TRAINCTL_KERNELS") != "numpy" and importlib.util.find_spec("numba") is not None


def kind() -> str:
    """Return whose loops run by default: ``numba`` or ``numpy``.

    Example:
        >>> kind() in ("numba", "numpy")
        True
    """
    return "numba" if available() else "numpy"


@functools.cache
def _cache_folder() -> Path | None:
    """Return where compiled code is kept, None where nothing can be written."""
    given = os.environ.get("TRAINCTL_CACHE_DIR")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trainctl"
    folder = base / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (OSError, RuntimeError):
        return None
    return folder
