"""Keeping freed memory: without it every large array is mapped, zeroed page by page and unmapped again."""

from __future__ import annotations

import ctypes
from functools import cache

# <malloc.h>: blocks from this size on come straight from the system; free memory at the top is given back past that.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_KEEP_BLOCKS_UP_TO = 32 << 20  # the largest that glibc allows
_KEEP_FREE = 512 << 20


@cache
def keep_freed_memory() -> bool:
    """Ask the C library to reuse freed blocks of up to 32 MiB; return whether it understands (glibc does).

    A training step frees and asks for the same sizes over and over. By default glibc returns blocks of 128 kB and
    more to the system, and the page faults of getting them again cost up to half of an eager step. It gives in by itself
    only after it has seen such a block freed, and then only for smaller ones.

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc: musl, macOS, Windows
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEEP_BLOCKS_UP_TO) and mallopt(_M_TRIM_THRESHOLD, _KEEP_FREE))
