"""One interface over array libraries.

A backend *is* its library to an op: ``xp.add``, ``xp.sum``, ``xp.einsum`` are the library's own
functions, looked up once and kept. Only what differs between libraries, or what none of them has, is
written here as a method.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy

from trainctl.backend import cuda
from trainctl.backend.devices import CPU, device

Array = Any
"""An array of the backend in use: ``numpy.ndarray`` on the CPU."""


class Backend:
    """An array library plus the few kernels that it lacks.

    Args:
        library: the module that holds the array functions (``numpy``).
        array_type: the class of its arrays.
        device_type: the device its arrays live on, ``"cpu"`` or ``"cuda"``.

    Attributes:
        on_host: values can be read at no cost. Where they can't, reading one would stop everything until it is
            computed, so checks of values (indices in range, divisors not 0) are left out.

    Example:
        >>> NUMPY.add(1, 2).item()
        3
    """

    def __init__(self, library: Any, array_type: type, device_type: str) -> None:
        self.library = library
        self.array_type = array_type
        self.device_type = device_type
        self.on_host = device_type == "cpu"

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

    def as_pickled(self, array: Array) -> Any:
        """Return what a pickle or a copy keeps of ``array``."""
        return self.to_host(array)

    def device_of(self, array: Array) -> device:
        """Return the device that an array is on."""
        return CPU

    def pointer(self, array: Array) -> int:
        """Return the address of an array's first element."""
        return array.__array_interface__["data"][0]

    def on(self, where: device) -> AbstractContextManager[Any]:
        """Return a context in which new arrays are made on a device of this backend."""
        return nullcontext()

    def device_count(self) -> int:
        """Return how many devices of this type there are."""
        return 1

    def synchronize(self) -> None:
        """Wait until all that was asked for is computed."""

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
        """Return the memory of ``array``, from its first element on, in another shape and strides (bytes): a view."""
        return self.library.lib.stride_tricks.as_strided(array, shape, strides)

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        """Add ``source`` into ``target[index]``; an element named twice gets both."""
        self.library.add.at(target, index, source)

    def scatter_reduce(self, function: str, target: Array, index: Any, source: Array) -> None:
        """Combine ``source`` into ``target[index]`` by a function of two elements; one named twice gets both.

        No library but NumPy has this for every function and type, so: sort by place, then combine within runs of
        one place, over distances 1, 2, 4, ... (Hillis and Steele, 1986); the last of a run has it all.
        """
        xp = self.library
        combine = getattr(xp, function)
        place = xp.arange(target.size).reshape(target.shape)[index]
        values = xp.broadcast_to(source, place.shape).reshape(-1)
        place = place.reshape(-1)
        order = xp.argsort(place)
        place, values = place[order], values[order]
        step = 1
        while step < place.size:
            both = combine(values[step:], values[:-step]).astype(values.dtype)
            values[step:] = xp.where(place[step:] == place[:-step], both, values[step:])
            step *= 2
        if place.size:
            ends = xp.concatenate([place[1:] != place[:-1], xp.ones(1, bool)])
            flat = xp.concatenate([target.reshape(-1), target.reshape(-1)[:1]])  # one more, for those that are not ends
            flat[xp.where(ends, place, target.size)] = combine(flat[place], values).astype(flat.dtype)
            target[...] = flat[:-1].reshape(target.shape)


class NumpyBackend(Backend):
    """NumPy, the definition of every op."""

    def as_strided(self, array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
        """Return the memory of ``array``, from its first element on, in another shape and strides (bytes): a view.

        NumPy's own function takes ten times as long as a new array over the same buffer.
        """
        if array.flags.c_contiguous:
            return numpy.ndarray(shape, array.dtype, array, 0, strides)
        return super().as_strided(array, shape, strides)

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        """Add ``source`` into ``target[index]``; an element named twice gets both."""
        self.scatter_reduce("add", target, index, source)

    def scatter_reduce(self, function: str, target: Array, index: Any, source: Array) -> None:
        """Combine ``source`` into ``target[index]`` by a function of two elements; one named twice gets both.

        Where it can be told, elements are named by their places in flat memory, in the same order: ``ufunc.at`` is
        seven times faster on those.
        """
        combine = getattr(numpy, function)
        places = _flat_places(target, index)
        if places is None:
            combine.at(target, index, source)
            return
        values = numpy.broadcast_to(source, places.shape)
        combine.at(target.reshape(-1), places.reshape(-1), values.reshape(-1))

    def __init__(self) -> None:
        super().__init__(numpy, numpy.ndarray, "cpu")

    def __reduce__(self) -> str:
        return "NUMPY"


def _flat_places(target: Any, index: Any) -> Any:
    """Return where in flat memory the elements are that integer arrays for the first dims name.

    None where the index is of another kind or leaves the array, or the memory has gaps: that is NumPy's to handle.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if not target.flags.c_contiguous or not target.size or target.ndim < 2 or len(parts) > target.ndim:
        return None
    place: Any = 0
    for size, part in zip(target.shape, parts, strict=False):
        if not (isinstance(part, numpy.ndarray) and part.dtype.kind == "i" and part.size):
            return None
        low = part.min()
        if low < -size or part.max() >= size:
            return None
        part = part.astype(numpy.int64, copy=False)  # int32 would not hold the places of a large array
        place = place * size + (numpy.where(part < 0, part + size, part) if low < 0 else part)
    rest = target.shape[len(parts) :]
    return (place[..., None] * math.prod(rest) + numpy.arange(math.prod(rest))).reshape(*place.shape, *rest)


NUMPY = NumpyBackend()
_BY_ARRAY: dict[type, Backend] = {numpy.ndarray: NUMPY}
_BY_DEVICE: dict[str, Backend] = {"cpu": NUMPY}


def register(backend: Backend, *, for_device: bool = True) -> None:
    """Make a backend the one for its type of arrays and, unless told otherwise, for its type of device."""
    _BY_ARRAY[backend.array_type] = backend
    if for_device:
        _BY_DEVICE[backend.device_type] = backend


def backend_of(array: Array) -> Backend:
    """Return the backend that ``array`` belongs to.

    Raises:
        TypeError: no backend knows arrays of this type.
    """
    try:
        return _BY_ARRAY[type(array)]
    except KeyError:
        known = ", ".join(kind.__name__ for kind in _BY_ARRAY)
        raise TypeError(f"no backend for arrays of type {type(array).__name__}; known: {known}") from None


def gpu_count() -> int:
    """Return the number of GPUs that tensors can be put on."""
    return _BY_DEVICE["cuda"].device_count() if "cuda" in _BY_DEVICE else cuda.device_count()


def backend_for(where: device) -> Backend:
    """Return the backend of a device; CuPy is imported when a GPU is first asked for.

    Raises:
        RuntimeError: the device does not exist here; says why.
    """
    if where.type not in _BY_DEVICE:
        reason = cuda.why_unavailable()
        if reason is not None:
            raise RuntimeError(f"device '{where}' is not available: {reason}")
        from trainctl.backend.cupy import CupyBackend

        register(CupyBackend())
    backend = _BY_DEVICE[where.type]
    count = backend.device_count()
    if (where.index or 0) >= count:
        raise RuntimeError(f"device '{where}' is not available: there are {count} devices of type {where.type}")
    return backend
