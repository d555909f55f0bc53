"""Diagonals and triangles of matrices, and the conjugate transpose."""

from __future__ import annotations

from operator import index
from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj
from trainctl.autograd.ops.cast import cast, refuse
from trainctl.autograd.ops.creation import ones
from trainctl.autograd.ops.indexing import nonzero
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import clone, contiguous, narrow, reshape, transpose
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType

METHODS = "diag diag_embed diagflat diagonal fill_diagonal_ trace tril triu adjoint"
PROPERTIES = "H=hermitian mH=adjoint"
IN_PLACE = "tril triu"
FUNCTIONS = "diag diag_embed diagflat diagonal trace tril triu tril_indices triu_indices adjoint"
LINALG = "diagonal=matrix_diagonal"


class Diagonal(Op):
    """The diagonal of two dims as a new last dim: a view."""

    is_view = True
    offset: int
    dims: tuple[int, int]

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        return _diagonal_view(self.xp, x, self.offset, self.dims)

    def backward(self, gy: Tensor) -> Any:
        return DiagEmbed.apply(gy, shape=self.before, offset=self.offset, dims=self.dims)


class DiagEmbed(Op):
    """Zeros with the last dim of the input on a diagonal."""

    shape: tuple[int, ...]
    offset: int
    dims: tuple[int, int]

    def forward(self, x: Any, out: Any = None) -> Any:
        out = self.xp.zeros(self.shape, x.dtype)
        _diagonal_view(self.xp, out, self.offset, self.dims)[...] = x
        return out

    def backward(self, gy: Tensor) -> Any:
        return Diagonal.apply(gy, offset=self.offset, dims=self.dims)


def _diagonal_view(xp: Any, x: Any, offset: int, dims: tuple[int, int]) -> Any:
    """Return a diagonal as a view that can be written to, which the array library's own cannot."""
    starts = dict(zip(dims, (max(-offset, 0), max(offset, 0)), strict=True))
    part = x[tuple(slice(starts.get(dim, 0), None) for dim in range(x.ndim))]
    rest = [dim for dim in range(x.ndim) if dim not in dims]
    shape = (*(x.shape[dim] for dim in rest), min(part.shape[dim] for dim in dims))
    strides = (*(x.strides[dim] for dim in rest), x.strides[dims[0]] + x.strides[dims[1]])
    return xp.as_strided(part, shape, strides)


def _two_dims(dim1: int, dim2: int, ndim: int) -> tuple[int, int]:
    """Return two dims counted from the front.

    Raises:
        RuntimeError: they are the same.
        IndexError: there is no such dim.
    """
    wrapped = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if wrapped[0] == wrapped[1]:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return wrapped


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a view of the diagonal of ``dim1`` and ``dim2`` as a new last dim.

    Args:
        input: at least two dims.
        offset: which diagonal: above the main one if positive, below if negative.
        dim1: the dim of the rows.
        dim2: the dim of the columns.

    Raises:
        IndexError: no such dim.
        RuntimeError: the two dims are the same.

    Example:
        >>> import trainctl
        >>> diagonal(trainctl.arange(6).reshape(2, 3), 1)
        tensor([1, 5])
    """
    return Diagonal.apply(input, offset=index(offset), dims=_two_dims(dim1, dim2, input._array.ndim))


def matrix_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return a view of the diagonals of matrices ``[*, n, m]``, see :func:`trainctl.diagonal`."""
    return diagonal(A, offset, dim1, dim2)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return zeros with the last dim of ``input`` on the diagonal of two new dims: ``[*, n] -> [*, m, m]``.

    ``m`` is ``n + abs(offset)``; ``dim1`` and ``dim2`` say where in the output the two new dims are.

    Raises:
        IndexError: no such dim.
        RuntimeError: the two dims are the same.

    Example:
        >>> import trainctl
        >>> diag_embed(trainctl.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    shape = input._array.shape
    dims = _two_dims(dim1, dim2, len(shape) + 1)
    rest, size = iter(shape[:-1]), shape[-1] + abs(index(offset))
    full = tuple(size if dim in dims else next(rest) for dim in range(len(shape) + 1))
    return DiagEmbed.apply(input, shape=full, offset=offset, dims=dims)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrix with a vector on its diagonal, or a copy of the diagonal of a matrix.

    Raises:
        RuntimeError: neither a vector nor a matrix.
    """
    if input._array.ndim == 1:
        return diag_embed(input, diagonal)
    if input._array.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return clone(Diagonal.apply(input, offset=index(diagonal), dims=(0, 1)))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Return the matrix with all elements of ``input`` on its diagonal."""
    return diag_embed(reshape(input, -1), offset)


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the main diagonal to a number, in place; with ``wrap`` it begins anew below the end of a tall matrix.

    Raises:
        RuntimeError: fewer than two dims, or more than two that are not all of one size.
    """
    shape = self._array.shape
    if len(shape) < 2:
        raise RuntimeError(f"fill_diagonal_: dimensions must larger than 1, got shape {list(shape)}")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError(f"fill_diagonal_: all dimensions of input must be of equal length, got {list(shape)}")
    ends = range(0, shape[0], shape[1] + 1) if wrap and len(shape) == 2 else (0,)
    for start in ends:
        part = narrow(self, 0, start, shape[0] - start)
        while part._array.ndim > 1:
            part = diagonal(part, 0, 0, -1)
        part.fill_(fill_value)
    return self


def trace(input: Tensor) -> Tensor:
    """Return the sum of the main diagonal of a matrix; integers sum in int64.

    Raises:
        RuntimeError: not a matrix.
        NotImplementedError: bool elements.
    """
    if input._array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    refuse("b", "trace", input)
    return sum(diagonal(input))


class Triangle(Op):
    """The lower (``function="tril"``) or upper (``"triu"``) triangle of matrices."""

    function: str
    diagonal: int

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.function)(x, self.diagonal)

    def backward(self, gy: Tensor) -> Any:
        return Triangle.apply(gy, function=self.function, diagonal=self.diagonal)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return matrices ``[*, n, m]`` with 0 above a diagonal (positive: above the main one).

    Raises:
        RuntimeError: fewer than two dims.

    Example:
        >>> import trainctl
        >>> tril(trainctl.ones(2, 3))
        tensor([[1., 0., 0.],
                [1., 1., 0.]])
    """
    return _triangle("tril", input, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return matrices ``[*, n, m]`` with 0 below a diagonal (positive: above the main one).

    Raises:
        RuntimeError: fewer than two dims.
    """
    return _triangle("triu", input, diagonal)


def _triangle(function: str, input: Tensor, diagonal: int) -> Tensor:
    if input._array.ndim < 2:
        raise RuntimeError(f"{function}: input tensor must have at least 2 dimensions, got shape {list(input.shape)}")
    return Triangle.apply(input, function=function, diagonal=index(diagonal))


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dtypes.int64, device: Any = None, layout: Any = None
) -> Tensor:
    """Return the row and column of each place in the lower triangle of a ``[row, col]`` matrix: ``[2, count]``.

    Raises:
        RuntimeError: a negative size.
        NotImplementedError: ``dtype`` is neither int32 nor int64.

    Example:
        >>> tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle_indices("tril", row, col, offset, dtype, device)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dtypes.int64, device: Any = None, layout: Any = None
) -> Tensor:
    """Return the row and column of each place in the upper triangle, as :func:`tril_indices`."""
    return _triangle_indices("triu", row, col, offset, dtype, device)


def _triangle_indices(function: str, row: int, col: int, offset: int, dtype: DType, device: Any) -> Tensor:
    for name, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{name} must be non-negative, got {size}")
    if dtype not in (dtypes.int32, dtypes.int64):
        raise NotImplementedError(f'"{function}_indices" not implemented for {dtype.name}')
    inside = _triangle(function, ones(row, col, dtype=dtypes.bool_, device=device), offset)
    return cast(contiguous(transpose(nonzero(inside), 0, 1)), dtype)


def adjoint(input: Tensor) -> Tensor:
    """Return the conjugate transpose of matrices ``[*, n, m] -> [*, m, n]``; a 0-d tensor as it is.

    Raises:
        RuntimeError: a vector.
    """
    if input._array.ndim == 1:
        raise RuntimeError("adjoint() and mH are only supported on matrices or batches of matrices. Got 1-D tensor.")
    return conj(transpose(input, -2, -1)) if input._array.ndim else conj(input)


def hermitian(input: Tensor) -> Tensor:
    """Return the conjugate transpose of one matrix.

    Raises:
        RuntimeError: neither a matrix nor a 0-d tensor.
    """
    if input._array.ndim not in (0, 2):
        hint = " For batches of matrices, consider using tensor.mH" if input._array.ndim > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.{hint}")
    return adjoint(input)
