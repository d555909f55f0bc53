"""Loops compiled by Numba where it is installed (the extra ``fast``); NumPy is the definition of each of them.

A kernel is written twice beside each other: as NumPy calls, which always work, and as a plain loop for
:func:`kernel`. Compiled code is kept on disk: :mod:`trainctl.backend.kernel_cache`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import time
import types
from collections.abc import Callable
from typing import Any

from trainctl.backend.kernel_cache import KernelCache, log

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
        self._cache: KernelCache | None = None

    def __call__(self, *args: Any) -> Any:
        """Run the compiled loop; inside another kernel this is a call from one to the other."""
        return self.compiled(*args)

    @property
    def compiled(self) -> Any:
        """The compiled loop, which runs without the interpreter's lock."""
        if self._compiled is None:
            self._compiled = self._made()
        return self._compiled

    def is_kept(self) -> bool:
        """Return whether the loop is there, or can be loaded."""
        if self._compiled is not None:
            return True
        if self._cache is None:
            self._cache = KernelCache(self.function, self.exact)
        context = importlib.import_module("numba.core.registry").cpu_target.target_context
        return all(self._cache.holds(each, context) for each in self.signatures)

    def callees(self) -> list[Kernel]:
        """Return the kernels that this one calls."""
        return [each for each in _names_in(self.function).values() if isinstance(each, Kernel)]

    def _made(self) -> Any:
        """Return the loop from the cache, or compiled now; what it calls is needed for the latter alone."""
        started = time.perf_counter()
        numba: Any = importlib.import_module("numba")
        math = False if self.exact else _MATH
        function = self.function
        if not self.is_kept():
            log.making += time.perf_counter() - started
            function = _bound(function)
            started = time.perf_counter()
        loop = numba.njit(nogil=True, fastmath=math, error_model="numpy")(function)
        loop._cache = self._cache
        for each in self.signatures:
            loop.compile(each)
        loop.disable_compile()
        log.making += time.perf_counter() - started
        return loop


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


def _names_in(function: Any) -> dict[str, Kernel | Part]:
    """Return the globals that a function's code names and that are kernels or parts of them."""
    names = function.__code__.co_names
    return {name: each for name in names if isinstance(each := function.__globals__.get(name), (Kernel, Part))}


def _bound(function: Any) -> Any:
    """Return a function whose globals that are kernels, or parts of them, are the compiled ones."""
    names = {name: each.compiled for name, each in _names_in(function).items()}
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
