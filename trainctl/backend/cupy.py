"""CuPy behind the backend interface: arrays on an NVIDIA GPU."""

from __future__ import annotations

from typing import Any

from trainctl.backend import cuda
from trainctl.backend.arrays import Array, Backend
from trainctl.backend.devices import device

_ATOMIC = "ieILfdFDQ"  # what cupyx.scatter_add takes, as array type codes


class CupyBackend(Backend):
    """CuPy's functions, and the few kernels that it names differently.

    Raises:
        ImportError: CuPy is not installed.
    """

    def __init__(self) -> None:
        import cupy

        super().__init__(cupy, cupy.ndarray, "cuda")

    def from_host(self, array: Any) -> Array:
        """Copy a NumPy array to the current GPU."""
        return self.library.asarray(array)

    def to_host(self, array: Array) -> Any:
        """Copy an array from its GPU; waits until it is computed."""
        return array.get()

    def device_of(self, array: Array) -> device:
        """Return the GPU that an array is on."""
        return device("cuda", array.device.id)

    def pointer(self, array: Array) -> int:
        """Return the device address of an array's first element."""
        return array.data.ptr

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        """Add ``source`` into ``target[index]``; an element named twice gets both."""
        if target.dtype.char in _ATOMIC:
            import cupyx

            cupyx.scatter_add(target, index, source)
        else:
            self.scatter_reduce("add", target, index, source)

    def device_count(self) -> int:
        """Return how many GPUs there are."""
        return cuda.device_count()

    def synchronize(self) -> None:
        """Wait until the current GPU has done all that it was given."""
        self.library.cuda.get_current_stream().synchronize()

    def on(self, where: device) -> Any:
        """Return a context in which new arrays are made on a GPU."""
        return self.library.cuda.Device(where.index or 0)
