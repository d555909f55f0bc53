"""One interface over array libraries.

A backend *is* its library to an op: ``xp.add``, ``xp.sum``, ``xp.einsum`` are the library's own
functions, looked up once and kept. Only what differs between libraries, or what none of them has, is
written here as a method.
"""

from __future__ import annotations

from typing import Any

import numpy

Array = Any
"""An array of the backend in use: ``numpy.ndarray`` on the CPU."""


class Backend:
    """An array library plus the few kernels that it lacks.

    Args:
        library: the module that holds the array functions (``numpy``).
        array_type: the class of its arrays.
        device_type: the device its arrays live on, ``"cpu"`` or ``"cuda"``.

    Example:
        >>> NUMPY.add(1, 2).item()
        3
    """

    def __init__(self, library: Any, array_type: type, device_type: str) -> None:
        self.library = library
        self.array_type = array_type
        self.device_type = device_type

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.library, name)
        setattr(self, name, function)  # the next look-up finds it on the instance
        return function

    def __reduce__(self) -> str:
        return self.device_type.upper()

    def from_host(self, array: Any) -> Array:
        """Return ``array`` (host memory) as an array of this backend."""
        return array

    def to_host(self, array: Array) -> Any:
        """Return ``array`` as a NumPy array."""
        return array

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        """Add ``source`` into ``target[index]``; an element named twice gets both."""
        self.library.add.at(target, index, source)


class NumpyBackend(Backend):
    """NumPy, the definition of every op."""

    def __init__(self) -> None:
        super().__init__(numpy, numpy.ndarray, "cpu")

    def __reduce__(self) -> str:
        return "NUMPY"


NUMPY = NumpyBackend()
_BACKENDS: dict[type, Backend] = {numpy.ndarray: NUMPY}


def backend_of(array: Array) -> Backend:
    """Return the backend that ``array`` belongs to.

    Raises:
        TypeError: no backend knows arrays of this type.
    """
    try:
        return _BACKENDS[type(array)]
    except KeyError:
        known = ", ".join(kind.__name__ for kind in _BACKENDS)
        raise TypeError(f"no backend for arrays of type {type(array).__name__}; known: {known}") from None
