"""The arrays under a tensor: dtypes, devices, random streams and one interface over array libraries."""

from __future__ import annotations

from trainctl.backend.arrays import NUMPY, Backend, backend_of
from trainctl.backend.devices import device
from trainctl.backend.dtypes import dtype
from trainctl.backend.memory import keep_freed_memory
from trainctl.backend.random import Stream

__all__ = ["NUMPY", "Backend", "Stream", "backend_of", "device", "dtype"]

keep_freed_memory()
