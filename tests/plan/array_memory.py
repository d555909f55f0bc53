"""Which arrays NumPy allocates: its allocator, in front of which one writes the sizes down (NEP 49).

Python's ``tracemalloc`` sees these too, but only what is still there, or the most of everything at once, Python's own
objects included; an array that comes and goes within a call is what is looked for here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_size_t, c_void_p, py_object, pythonapi

import numpy as np

_SET_HANDLER, _GET_HANDLER = 304, 305  # PyDataMem_SetHandler and _GetHandler in NumPy's table of functions
_MALLOC, _CALLOC = (c_void_p, c_void_p, c_size_t), (c_void_p, c_void_p, c_size_t, c_size_t)


class _Handler(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", c_void_p),
        ("malloc", c_void_p),
        ("calloc", c_void_p),
        ("realloc", c_void_p),
        ("free", c_void_p),
    )


pythonapi.PyCapsule_New.restype = py_object
pythonapi.PyCapsule_New.argtypes = [c_void_p, c_void_p, c_void_p]
pythonapi.PyCapsule_GetPointer.restype = c_void_p
pythonapi.PyCapsule_GetPointer.argtypes = [py_object, ctypes.c_char_p]
pythonapi.PyMem_RawMalloc.restype = c_void_p
pythonapi.PyMem_RawMalloc.argtypes = [c_size_t]

_table = ctypes.cast(
    pythonapi.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(c_void_p)
)
_set_handler = ctypes.PYFUNCTYPE(py_object, py_object)(_table[_SET_HANDLER])
_own_capsule = ctypes.PYFUNCTYPE(py_object)(_table[_GET_HANDLER])()
_own = _Handler.from_address(pythonapi.PyCapsule_GetPointer(_own_capsule, b"mem_handler"))

_own_malloc, _own_calloc = ctypes.PYFUNCTYPE(*_MALLOC)(_own.malloc), ctypes.PYFUNCTYPE(*_CALLOC)(_own.calloc)

_sizes: list[int] = []


@ctypes.CFUNCTYPE(*_MALLOC)
def _malloc(context, size):
    _sizes.append(size)
    return _own_malloc(context, size)


@ctypes.CFUNCTYPE(*_CALLOC)
def _calloc(context, count, size):
    _sizes.append(count * size)
    return _own_calloc(context, count, size)


# An array keeps its allocator until it goes, which may be when Python is gone: memory that nobody gives back.
_address = pythonapi.PyMem_RawMalloc(ctypes.sizeof(_Handler))
ctypes.memmove(_address, ctypes.addressof(_own), ctypes.sizeof(_Handler))
_noting = _Handler.from_address(_address)
_noting.name = b"mem_handler"
_noting.malloc, _noting.calloc = (ctypes.cast(each, c_void_p).value for each in (_malloc, _calloc))
_capsule = pythonapi.PyCapsule_New(_address, _address, None)  # its name is the text at the beginning


@contextmanager
def array_sizes() -> Iterator[list[int]]:
    """Yield a list that grows by the bytes of each array that this thread allocates inside the block."""
    before = _set_handler(_capsule)
    _sizes.clear()
    try:
        yield _sizes
    finally:
        _set_handler(before)
