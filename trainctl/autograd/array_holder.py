"""A tensor as an array: its shape, its type, where it lies, and its elements as Python values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.size import Size
from trainctl.autograd.state import note_read
from trainctl.backend import dtypes
from trainctl.backend.arrays import Array, Backend, backend_of
from trainctl.backend.devices import CPU, device
from trainctl.backend.dtypes import dtype


class ArrayHolder:
    """What :class:`trainctl.autograd.tensor.Tensor` is apart from its place in a graph."""

    _array: Array

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return Size(self._array.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dimension."""
        if dim is None:
            return self.shape
        return self._array.shape[wrap_dim(dim, self._array.ndim)]

    @property
    def dtype(self) -> dtype:
        """The type of the elements."""
        return dtypes.FROM_ARRAY[self._array.dtype]

    @property
    def device(self) -> device:
        """Where the elements are."""
        return CPU if type(self._array) is numpy.ndarray else backend_of(self._array).device_of(self._array)

    @property
    def _xp(self) -> Backend:
        return backend_of(self._array)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        """Return the number of elements."""
        return self._array.size

    nelement = numel

    @property
    def itemsize(self) -> int:
        """The size of an element, in bytes."""
        return self._array.itemsize

    def element_size(self) -> int:
        """Return the size of an element, in bytes."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """The size of all elements, in bytes."""
        return self._array.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """Return the step between neighbours in each dimension, in elements."""
        strides = tuple(step // self._array.itemsize for step in self._array.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Return whether the elements lie in memory in order, last dimension fastest."""
        return self._array.flags.c_contiguous

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return self._xp.pointer(self._array)

    def is_floating_point(self) -> bool:
        """Return whether the dtype is a floating-point type."""
        return self._array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Return whether the dtype is complex."""
        return self._array.dtype.kind == "c"

    def is_signed(self) -> bool:
        """Return whether the dtype has negative values."""
        return self.dtype.is_signed

    @property
    def is_cuda(self) -> bool:
        """Whether the elements are on a GPU."""
        return self.device.type == "cuda"

    def get_device(self) -> int:
        """Return the GPU's number, -1 on the CPU."""
        return -1 if self.device.type == "cpu" else self.device.index or 0

    def item(self) -> Any:
        """Return the one element as a Python number.

        Raises:
            RuntimeError: there is not exactly one element.
        """
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        note_read("item()")
        return self._array.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists, or a number for a 0-d tensor."""
        note_read("tolist()")
        return self._xp.to_host(self._array).tolist()

    def __bool__(self) -> bool:
        if self._array.size != 1:
            what = "no values" if self._array.size == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
        note_read("bool()")
        return bool(self._array.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "iub" or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        note_read("an index")
        return int(self._array.item())

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __iter__(self: Any) -> Iterator[Any]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self: Any, element: Any) -> bool:
        return bool((self == element).any())

    def storage_offset(self: Any) -> int:
        """Return the place of the first element in the memory that this view shares, in elements."""
        return 0 if self._base is None else (self.data_ptr() - self._base.data_ptr()) // self._array.itemsize
