"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, conj, mul
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import expand, reshape, squeeze, transpose, unsqueeze
from trainctl.autograd.tensor import Tensor


class MatMul(Op):
    """Batched matrix product of tensors with at least two dims: ``[..., n, k] @ [..., k, m]``."""

    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.matmul(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        gx = MatMul.apply(gy, conj(transpose(y, -2, -1))) if self.needs(0) else None
        return gx, MatMul.apply(conj(transpose(x, -2, -1)), gy) if self.needs(1) else None


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product; vectors count as a row or column, leading dims broadcast.

    Raises:
        RuntimeError: the inner sizes or the dtypes differ, or an operand is a scalar.
    """
    a, b = input._array.shape, other._array.shape
    if not a or not b:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D"
        )
    check_same_dtype(input, other)
    inner = b[0] if len(b) == 1 else b[-2]
    if a[-1] != inner:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_text(a)} and {_text(b)})")
    x = unsqueeze(input, 0) if len(a) == 1 else input
    y = unsqueeze(other, 1) if len(b) == 1 else other
    product = MatMul.apply(x, y)
    if len(b) == 1:
        product = squeeze(product, -1)
    return squeeze(product, -1 if len(b) == 1 else -2) if len(a) == 1 else product


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def check_same_dtype(x: Tensor, y: Tensor) -> None:
    """Raise RuntimeError if two operands of a product differ in dtype."""
    if x._array.dtype != y._array.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {x.dtype.name} != {y.dtype.name}")


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices: ``[n, k] @ [k, m]``."""
    _check_dims("mm", input, 2, mat2, 2)
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two batches of matrices: ``[b, n, k] @ [b, k, m]``."""
    _check_dims("bmm", input, 3, mat2, 3)
    if input._array.shape[0] != mat2._array.shape[0]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, {input.shape[2]}] "
            f"but got: [{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix and a vector: ``[n, k] @ [k]``."""
    _check_dims("mv", input, 2, vec, 1)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the sum of the products of two vectors' elements."""
    _check_dims("dot", input, 1, tensor, 1)
    check_same_dtype(input, tensor)
    if input._array.shape != tensor._array.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{input.shape[0]}] and src [{tensor.shape[0]}] to have the same "
            f"number of elements, but got {input.shape[0]} and {tensor.shape[0]} elements respectively"
        )
    return sum(mul(input, tensor), dtype=input.dtype)


def _check_dims(name: str, x: Tensor, x_dims: int, y: Tensor, y_dims: int) -> None:
    if x._array.ndim != x_dims or y._array.ndim != y_dims:
        raise RuntimeError(f"{name}: expected tensors with {x_dims} and {y_dims} dims, got {x.ndim} and {y.ndim}")


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return all products of two vectors' elements: ``[n], [m] -> [n, m]``."""
    return mul(unsqueeze(input, 1), vec2)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (mat1 @ mat2)``."""
    product = mm(mat1, mat2)
    product = product if alpha == 1 else mul(product, alpha)
    return product if beta == 0 else add(input if beta == 1 else mul(input, beta), product)


class Linear(Op):
    """``x @ weight.T + bias`` over a matrix of rows: ``[n, in], [out, in], [out] -> [n, out]``."""

    saves = (0, 1)

    def forward(self, x: Any, weight: Any, *bias: Any, out: Any = None) -> Any:
        y = self.xp.matmul(x, weight.T, out=out)
        if bias:
            y += bias[0]
        return y

    def backward(self, gy: Tensor) -> Any:
        x, weight = self.saved
        gx = MatMul.apply(gy, conj(weight)) if self.needs(0) else None
        gw = MatMul.apply(transpose(gy, 0, 1), conj(x)) if self.needs(1) else None
        if len(self.edges) == 2:
            return gx, gw
        return gx, gw, sum(gy, 0) if self.needs(2) else None


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``: ``[*, in_features] -> [*, out_features]``.

    Raises:
        RuntimeError: the last size of ``input`` is not that of ``weight``, or the dtypes differ.
    """
    shape, wanted = input._array.shape, weight._array.shape
    if weight._array.ndim != 2 or not shape or shape[-1] != wanted[-1]:
        rows = input._array.size // shape[-1] if shape and shape[-1] else 0
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{shape[-1] if shape else 0} and "
            f"{wanted[-1]}x{wanted[0]})"
        )
    check_same_dtype(input, weight)
    rows = input if len(shape) == 2 else reshape(input, (-1 if input._array.size else _rows(shape), shape[-1]))
    y = Linear.apply(rows, weight) if bias is None else Linear.apply(rows, weight, bias)
    return y if len(shape) == 2 else reshape(y, (*shape[:-1], wanted[0]))


def _rows(shape: tuple[int, ...]) -> int:
    rows = 1
    for size in shape[:-1]:
        rows *= size
    return rows


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (batch1 @ batch2)``."""
    product = bmm(batch1, batch2)
    return add(mul(expand(input, product.shape), beta), mul(product, alpha))
