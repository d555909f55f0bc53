"""GPUs under PyTorch's names: are there any, how many, and waiting for them."""

from __future__ import annotations

from trainctl.backend.arrays import backend_for
from trainctl.backend.arrays import gpu_count as device_count
from trainctl.backend.cuda import why_unavailable
from trainctl.backend.devices import device

__all__ = ["device_count", "is_available", "synchronize", "why_unavailable"]


def is_available() -> bool:
    """Return whether tensors can be put on a GPU here; :func:`why_unavailable` says why not.

    Example:
        >>> is_available() == (why_unavailable() is None)
        True
    """
    return device_count() > 0


def synchronize() -> None:
    """Wait until the current GPU has done all that it was given.

    Raises:
        RuntimeError: there is no GPU.
    """
    backend_for(device("cuda")).synchronize()
