"""Is there a GPU that can be used, and if not, why not: asked without importing CuPy."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache

_INSTALL = "install the extra: pip install 'trainctl[cuda]'"


@cache
def driver_devices() -> int | str:
    """Return the number of GPUs that the NVIDIA driver sees, or the reason why it cannot say.

    Loading the driver's library and initialising it takes under a millisecond where there is none; importing
    CuPy to find out would take half a second.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1 was not found)"
    status = driver.cuInit(0)
    if status != 0:
        return f"the NVIDIA driver did not initialise (cuInit returned {status})"
    count = ctypes.c_int(0)
    status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0:
        return f"the NVIDIA driver could not count its devices (error {status})"
    return count.value or "the NVIDIA driver sees no GPU"


def why_unavailable() -> str | None:
    """Return why nothing can be computed on a GPU here, None where it can.

    Example:
        >>> reason = why_unavailable()
        >>> reason is None or isinstance(reason, str)
        True
    """
    found = driver_devices()
    if isinstance(found, str):
        return found
    if importlib.util.find_spec("cupy") is None:
        return f"CuPy is not installed; {_INSTALL}"
    return None


def device_count() -> int:
    """Return the number of GPUs that can be used."""
    found = driver_devices()
    return found if isinstance(found, int) and why_unavailable() is None else 0
