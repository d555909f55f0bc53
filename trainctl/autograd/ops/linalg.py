"""Products of matrices and vectors."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, conj, mul
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import check_broadcast, check_tensor, number_first, refuse
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import reshape, squeeze, transpose, unsqueeze
from trainctl.autograd.tensor import Tensor

METHODS = "matmul mm bmm mv dot outer addmm baddbmm"
IN_PLACE = "addmm baddbmm"
FUNCTIONS = "matmul mm bmm mv dot outer addmm baddbmm"
FUNCTIONAL = "linear"


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
        RuntimeError: the inner sizes, the leading dims or the dtypes do not fit, or an operand is a scalar.
        TypeError: an operand is no tensor.
    """
    _check_operands("matmul", input, other)
    a, b = input._array.shape, other._array.shape
    if not a or not b:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D"
        )
    if a[-1] != (b[0] if len(b) == 1 else b[-2]):
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_text(a)} and {_text(b)})")
    if len(a) > 2 and len(b) <= 2:  # one product of all rows, not one for each batch
        rows = reshape(input, (math.prod(a[:-1]), a[-1]))
        return reshape(matmul(rows, other), (*a[:-1], *b[1:]))
    if len(b) > 2:
        check_broadcast(a[:-2], b[:-2])
    x = unsqueeze(input, 0) if len(a) == 1 else input
    y = unsqueeze(other, 1) if len(b) == 1 else other
    product = MatMul.apply(x, y)
    if len(b) == 1:
        product = squeeze(product, -1)
    return squeeze(product, -1 if len(b) == 1 else -2) if len(a) == 1 else product


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _check_operands(op: str, x: Tensor, y: Tensor) -> None:
    """Raise an error if operands of a product are no tensors, are bool, or differ in dtype."""
    check_tensor(op, x, "other")
    check_tensor(op, y, "other")
    check_same_dtype(x, y)
    refuse("b", op, x)


def check_same_dtype(x: Tensor, y: Tensor) -> None:
    """Raise RuntimeError if two operands of a product differ in dtype."""
    if x._array.dtype != y._array.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {x.dtype.name} != {y.dtype.name}")


def _check_dims(op: str, x: Tensor, x_dims: int, y: Tensor, y_dims: int) -> None:
    if x._array.ndim != x_dims or y._array.ndim != y_dims:
        raise RuntimeError(
            f"{op}: expected tensors with {x_dims} and {y_dims} dimensions, got {x.ndim}D and {y.ndim}D tensors of shape "
            f"{list(x.shape)} and {list(y.shape)}"
        )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices: ``[n, k] @ [k, m]``."""
    _check_dims("mm", input, 2, mat2, 2)
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two batches of matrices: ``[b, n, k] @ [b, k, m]``."""
    _check_dims("bmm", input, 3, mat2, 3)
    a, b = input._array.shape, mat2._array.shape
    if (a[0], a[2]) != b[:2]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] but got: [{b[0]}, {b[1]}]."
        )
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix and a vector: ``[n, k] @ [k]``."""
    _check_dims("mv", input, 2, vec, 1)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the sum of the products of two vectors' elements."""
    _check_operands("dot", input, tensor)
    _check_dims("dot", input, 1, tensor, 1)
    if input._array.shape != tensor._array.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{input.shape[0]}] and src [{tensor.shape[0]}] to have the same "
            f"number of elements, but got {input.shape[0]} and {tensor.shape[0]} elements respectively"
        )
    return sum(mul(input, tensor), dtype=input.dtype)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return all products of two vectors' elements: ``[n], [m] -> [n, m]``."""
    check_tensor("outer", input, "input")
    check_tensor("outer", vec2, "vec2")
    _check_dims("outer", input, 1, vec2, 1)
    return mul(unsqueeze(input, 1), vec2)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *legacy: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (mat1 @ mat2)``; with beta 0 not even a NaN of ``input`` counts."""
    if legacy:
        raise number_first("addmm", "input, mat1, mat2, beta=..., alpha=...")
    return weighted_sum(input, mm(mat1, mat2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *legacy: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (batch1 @ batch2)``; with beta 0 not even a NaN of ``input`` counts."""
    if legacy:
        raise number_first("baddbmm", "input, batch1, batch2, beta=..., alpha=...")
    return weighted_sum(input, bmm(batch1, batch2), beta, alpha)


def weighted_sum(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """Return ``beta * input + alpha * product`` in the product's shape; integers have integer weights."""
    check_same_dtype(input, product)
    input = expand(input, product.shape)
    if product._array.dtype.kind in "ui":
        beta, alpha = int(beta), int(alpha)
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
        return (gx, gw) if len(self.edges) == 2 else (gx, gw, gy)  # the walk sums it to the bias's shape


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``: ``[*, in_features] -> [*, out_features]``.

    Args:
        input: at least one dim.
        weight: ``[out_features, in_features]``, or ``[in_features]``: then the output has no last dim.
        bias: ``[out_features]``, or what broadcasts to the output.

    Raises:
        RuntimeError: the last size of ``input`` is not that of ``weight``, the bias does not fit, or the dtypes differ.

    Example:
        >>> import trainctl
        >>> linear(trainctl.ones(2, 3), trainctl.ones(4, 3)).shape
        trainctl.Size([2, 4])
    """
    _check_linear(input, weight, bias)
    shape, wanted = input._array.shape, weight._array.shape
    if len(wanted) == 1 or (bias is not None and bias._array.ndim > 1):
        product = matmul(input, weight if len(wanted) == 1 else transpose(weight, 0, 1))
        return product if bias is None else add(product, bias)
    rows = input if len(shape) == 2 else reshape(input, (math.prod(shape[:-1]), shape[-1]))
    y = Linear.apply(rows, weight) if bias is None else Linear.apply(rows, weight, bias)
    return y if len(shape) == 2 else reshape(y, (*shape[:-1], wanted[0]))


def _check_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    shape, wanted = input._array.shape, weight._array.shape
    if not shape or not wanted:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {len(shape)}D and {len(wanted)}D"
        )
    if len(wanted) > 2:
        raise RuntimeError(f"linear: weight must have at most 2 dimensions, got shape {list(wanted)}")
    _check_operands("linear", input, weight)
    if shape[-1] != wanted[-1]:
        columns = wanted[0] if len(wanted) == 2 else 1
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({math.prod(shape[:-1])}x{shape[-1]} and {wanted[-1]}x{columns}): "
            f"input of shape {list(shape)}, weight of shape {list(wanted)}"
        )
    if bias is not None:
        check_same_dtype(bias, weight)
        output = (*shape[:-1], *wanted[:-1])
        fits = len(bias._array.shape) <= len(output)
        if not fits or any(
            b not in (1, o) for b, o in zip(reversed(bias._array.shape), reversed(output), strict=False)
        ):
            raise RuntimeError(
                f"linear: bias of shape {list(bias.shape)} does not fit the output of shape {list(output)}"
            )
