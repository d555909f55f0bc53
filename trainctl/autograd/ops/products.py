"""Products of vectors and tensors, and chains of matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from trainctl.autograd.dims import wrap_dim, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, conj, mul
from trainctl.autograd.ops.assign import in_place_form, in_place_view
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import cast, check_broadcast, check_tensor, number_first, promote, refuse
from trainctl.autograd.ops.contraction import contract
from trainctl.autograd.ops.linalg import dot, matmul, mv, outer, weighted_sum
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import permute, reshape, unsqueeze
from trainctl.autograd.tensor import Tensor

METHODS = "addbmm addbmm_ addmv addr inner kron cross vdot"
IN_PLACE = "addmv addr"
FUNCTIONS = "addbmm addmv addr inner kron cross vdot tensordot chain_matmul"
LINALG = "matmul cross=linalg_cross vecdot multi_dot"


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *legacy: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (batch1 @ batch2).sum(0)``: ``[b, n, k], [b, k, m] -> [n, m]``.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.
    """
    if legacy:
        raise number_first("addbmm", "input, batch1, batch2, beta=..., alpha=...")
    for each in (batch1, batch2):
        check_tensor("addbmm", each, "batch")
        if each._array.ndim != 3:
            raise RuntimeError(f"addbmm: expected 3D tensors, got shapes {list(batch1.shape)} and {list(batch2.shape)}")
    (batches, n, k), (others, inner_size, m) = batch1._array.shape, batch2._array.shape
    if (batches, k) != (others, inner_size):
        raise RuntimeError(
            "addbmm: batch1 and batch2 must have same number of batches, and the columns of one be as many as the rows "
            f"of the other, got shapes {list(batch1.shape)} and {list(batch2.shape)}"
        )
    rows = reshape(permute(batch1, 1, 0, 2), (n, batches * k))  # the sum over the batch is part of the product
    return weighted_sum(input, matmul(rows, reshape(batch2, (batches * k, m))), beta, alpha)


def addbmm_(self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """In-place form of :func:`addbmm`; a smaller tensor that broadcasts to the result takes its shape, as in PyTorch."""
    fits = self._array.shape == (batch1._array.shape[1], batch2._array.shape[2])
    change = in_place_form("addbmm", addbmm) if fits else in_place_view(addbmm)
    return change(self, batch1, batch2, beta=beta, alpha=alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *legacy: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (mat @ vec)``: ``[n, k], [k] -> [n]``.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.
    """
    if legacy:
        raise number_first("addmv", "input, mat, vec, beta=..., alpha=...")
    return weighted_sum(input, mv(mat, vec), beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *legacy: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * outer(vec1, vec2)``; dtypes are promoted, with beta 0 no NaN of ``input`` counts.

    Raises:
        RuntimeError: ``vec1`` or ``vec2`` is no vector, ``input`` does not fit, or a weight that is no integer for integers.
    """
    if legacy:
        raise number_first("addr", "input, vec1, vec2, beta=..., alpha=...")
    product = outer(vec1, vec2)
    input, product = promote(expand(input, product.shape), product)
    kind = input._array.dtype.kind
    for name, value in (("beta", beta), ("alpha", alpha)):
        if isinstance(value, float) and kind in "bui":
            raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    if kind == "b":
        beta, alpha = bool(beta), bool(alpha)
    product = product if alpha == 1 else mul(product, alpha)
    return product if beta == 0 else add(input if beta == 1 else mul(input, beta), product)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the sums of products over the last dims: ``[*, k], [+, k] -> [*, +]``; a 0-d tensor scales the other.

    Raises:
        RuntimeError: the last sizes or the dtypes differ.
    """
    a, b = input._array.shape, other._array.shape
    if not a or not b:
        return mul(input, other)
    if a[-1] != b[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(a)} and {list(b)}"
        )
    return tensordot(input, other, ([-1], [-1]))


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Return the sum of ``conj(input) * other`` over two vectors."""
    return dot(conj(input), other)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the sum of ``conj(x) * y`` over ``dim``; the other dims broadcast.

    Raises:
        RuntimeError: integers, dtypes that differ, or shapes that do not broadcast.
    """
    for each in (x, y):
        if each._array.dtype.kind in "bui":
            raise RuntimeError(
                f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {each.dtype.name}"
            )
    if x._array.dtype != y._array.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, "
            f"but found x of type {x.dtype.name} and y of type {y.dtype.name} instead"
        )
    return sum(mul(conj(x), y), dim)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Return the sums of products over dims of two tensors: the other dims of ``a``, then those of ``b``.

    Args:
        a: the first tensor.
        b: the second tensor.
        dims: how many of the last dims of ``a`` meet the first of ``b``; or the dims of each, ``([1, 2], [0, 1])``.

    Raises:
        RuntimeError: the dims are not there or not of the same sizes (1 broadcasts), or the dtypes differ.

    Example:
        >>> import trainctl
        >>> tensordot(trainctl.ones(2, 3, 4), trainctl.ones(4, 3, 5), ([1, 2], [1, 0])).shape
        trainctl.Size([2, 5])
    """
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(f"tensordot: both inputs should have same dtype, but got {a.dtype.name} and {b.dtype.name}")
    refuse("b", "tensordot", a, b)
    firsts, seconds = _tensordot_dims(a, b, dims)
    for i, j in zip(firsts, seconds, strict=True):
        sizes = a._array.shape[i], b._array.shape[j]
        if sizes[0] != sizes[1] and 1 not in sizes:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {sizes[0]} in dim {i} and second has size "
                f"{sizes[1]} in dim {j}"
            )
    labels = list(range(a._array.ndim))
    others = [firsts[seconds.index(j)] if j in seconds else a._array.ndim + j for j in range(b._array.ndim)]
    kept = {*labels, *others}.difference(firsts)
    return cast(contract(a, labels, b, others, kept)[0], a.dtype)  # small integers stay what they are


def _tensordot_dims(a: Tensor, b: Tensor, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the dims of each tensor that meet, counted from the front."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a._array.ndim, b._array.ndim):
            raise RuntimeError(
                f"tensordot expects dims <= ndim_a and ndim_b, but got dims={dims} for {a.ndim} and {b.ndim} dims"
            )
        return tuple(range(a._array.ndim - dims, a._array.ndim)), tuple(range(dims))
    firsts, seconds = (tuple(each) for each in dims)
    if len(firsts) != len(seconds):
        raise RuntimeError(f"tensordot: both dimension lists should have same length, got {firsts} and {seconds}")
    return (wrap_dims(firsts, a._array.ndim), wrap_dims(seconds, b._array.ndim)) if firsts else ((), ())


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: each element of ``input`` times all of ``other``, as one block.

    Example:
        >>> import trainctl
        >>> kron(trainctl.tensor([1, 10]), trainctl.tensor([1, 2]))
        tensor([ 1,  2, 10, 20])
    """
    a, b = input._array.shape, other._array.shape
    ndim = max(len(a), len(b))
    a, b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    blocks = mul(
        reshape(input, tuple(each for size in a for each in (size, 1))),
        reshape(other, tuple(each for size in b for each in (1, size))),
    )
    return reshape(blocks, tuple(i * j for i, j in zip(a, b, strict=True)))


class Cross(Op):
    """The vector product over a dim of size 3."""

    saves = (0, 1)
    dim: int

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.cross(x, y, axis=self.dim)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        gx = Cross.apply(conj(y), gy, dim=self.dim) if self.needs(0) else None
        return gx, Cross.apply(gy, conj(x), dim=self.dim) if self.needs(1) else None


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the vector product over ``dim``, of size 3; the other dims broadcast.

    Raises:
        RuntimeError: another size, numbers of dims that differ, or dtypes that differ.
        NotImplementedError: bool elements.
    """
    a, b = input._array.shape, other._array.shape
    if len(a) != len(b):
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions, got shapes {list(a)} and {list(b)}"
        )
    if not a:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    at = wrap_dim(dim, len(a))
    if a[at] != 3 or b[at] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {a[at]} and {b[at]}")
    check_broadcast(a, b)
    refuse("b", "cross", input, other)
    if input._array.dtype != other._array.dtype:
        raise RuntimeError(f"linalg.cross: expected scalar type {input.dtype.name} but found {other.dtype.name}")
    return Cross.apply(input, other, dim=at)


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Return the vector product over ``dim``, by default the first of size 3; see :func:`linalg_cross`.

    Raises:
        RuntimeError: no dim of size 3.
    """
    if dim is None:
        shape = input._array.shape
        if 3 not in shape:
            raise RuntimeError(f"cross: no dimension of size 3 in input of shape {list(shape)}")
        dim = shape.index(3)
    return linalg_cross(input, other, dim=dim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Return the product of two or more matrices in the order of fewest multiplications.

    The first may be a vector (a row) and the last, too (a column).

    Raises:
        RuntimeError: fewer than two, a tensor of another number of dims, or sizes that do not fit.

    Example:
        >>> import trainctl
        >>> multi_dot([trainctl.ones(10, 100), trainctl.ones(100, 5), trainctl.ones(5, 50)]).shape
        trainctl.Size([10, 50])
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(chain)}")
    for number, each in enumerate(chain):
        allowed = (1, 2) if number in (0, len(chain) - 1) else (2,)
        if each._array.ndim not in allowed:
            wanted = " or ".join(f"{n}D" for n in allowed)
            raise RuntimeError(f"multi_dot(): tensor {number} must be {wanted} but got {each.ndim}D")
    first, last = chain[0]._array.ndim == 1, chain[-1]._array.ndim == 1
    chain[0] = unsqueeze(chain[0], 0) if first else chain[0]
    chain[-1] = unsqueeze(chain[-1], 1) if last else chain[-1]
    product = _chain_product(chain)
    rows, columns = product._array.shape
    return reshape(product, (*(() if first else (rows,)), *(() if last else (columns,))))


def _chain_product(chain: list[Tensor]) -> Tensor:
    """Return the product of matrices, split where the dynamic programme says that it costs least."""
    for number, (one, two) in enumerate(pairwise(chain)):
        if one._array.shape[1] != two._array.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {number} and {number + 1} with shapes {list(one.shape)} and {list(two.shape)} "
                "cannot be multiplied"
            )
    sizes = [chain[0]._array.shape[0], *(each._array.shape[1] for each in chain)]
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(chain))}  # (cost, last of left)
    for length in range(1, len(chain)):
        for i in range(len(chain) - length):
            j = i + length
            best[i, j] = min(
                (best[i, k][0] + best[k + 1, j][0] + math.prod((sizes[i], sizes[k + 1], sizes[j + 1])), k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        split = best[i, j][1]
        return chain[i] if i == j else matmul(product(i, split), product(split + 1, j))

    return product(0, len(chain) - 1)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Return the product of one or more matrices; see :func:`multi_dot`, which PyTorch recommends instead.

    Raises:
        RuntimeError: no matrix, one that is none, or sizes that do not fit.
    """
    if not matrices:
        raise RuntimeError("chain_matmul(): expected at least 1 matrix, got none")
    for number, each in enumerate(matrices):
        if each._array.ndim != 2:
            raise RuntimeError(f"chain_matmul(): tensor {number} must be 2D but got {each.ndim}D")
    return _chain_product(list(matrices))
