"""Rows of a table by index."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.index_write import setitem
from trainctl.autograd.ops.indexing import getitem, outlier
from trainctl.autograd.ops.norms import norm
from trainctl.autograd.ops.shape import unsqueeze
from trainctl.autograd.ops.unique import unique
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "embedding"


class Embedding(Op):
    """``[rows, d], [*] -> [*, d]``; the row ``skipped`` gets no gradient."""

    saves = (1,)
    moves_elements = True
    skipped: int | None
    by_frequency: bool

    def forward(self, weight: Any, index: Any, out: Any = None) -> Any:
        self.rows = weight.shape[0]
        return weight[index]

    def backward(self, gy: Tensor) -> Any:
        (index,) = self.saved
        if self.by_frequency:
            gy = div(gy, Frequency.apply(index, rows=self.rows))
        return SumRows.apply(gy, index, rows=self.rows, skipped=self.skipped)


class SumRows(Op):
    """``[*, d], [*] -> [rows, d]``: each row added to the row of zeros that its index names."""

    saves = (1,)
    rows: int
    skipped: int | None

    def forward(self, x: Any, index: Any, out: Any = None) -> Any:
        if out is None:
            out = self.xp.zeros((self.rows, x.shape[-1]), x.dtype)
        else:
            out[...] = 0
        self.xp.scatter_add(out, index.reshape(-1), x.reshape(index.size, x.shape[-1]))
        if self.skipped is not None:
            out[self.skipped] = 0
        return out

    def backward(self, gy: Tensor) -> Any:
        (index,) = self.saved
        gx = Embedding.apply(gy, index, skipped=self.skipped, by_frequency=False)
        return gx if self.skipped is None else where(unsqueeze(index == self.skipped, -1), 0, gx)


class Frequency(Op):
    """``[*] -> [*, 1]``: how often each index occurs among all of them."""

    differentiable = False
    rows: int

    def forward(self, index: Any) -> Any:
        return self.xp.bincount(index.reshape(-1), minlength=self.rows)[index][..., None]


@no_grad()
def bound_rows(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the named rows of ``weight`` that are longer than ``max_norm`` down to it, in place."""
    if weight._array.shape[1] == 0 or index._array.size == 0:
        return
    used = unique(index)
    rows = getitem(weight, used)
    size = norm(rows, norm_type, 1, keepdim=True)
    setitem(weight, used, where(size > max_norm, mul(rows, div(max_norm, add(size, 1e-7))), rows))


def check_index(op: str, index: Tensor, rows: int, kind: type[Exception]) -> None:
    """Raise RuntimeError if an index tensor is of the wrong type, ``kind`` if it leaves the table.

    Indices on a GPU are not read back to be checked: that would wait for it.
    """
    if index._array.dtype not in (dtypes.int64.array_dtype, dtypes.int32.array_dtype):
        raise RuntimeError(f"{op}: expected indices of type int64 or int32, but got {index.dtype.name}")
    bad = outlier(index._array, rows)
    if bad is not None:
        raise kind(f"{op}: index {bad} is out of range: expected an index in [0, {rows})")


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of a table that the indices name.

    Args:
        input: indices, int64 or int32, of any shape.
        weight: the table, ``[rows, d]``.
        padding_idx: a row that gets no gradient; negative: from the end.
        max_norm: first scale the named rows of ``weight`` down to this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it is named.
        sparse: accepted for PyTorch's sake; the gradient is a dense tensor.

    Returns:
        ``[*input.shape, d]``.

    Raises:
        AssertionError: ``padding_idx`` is no row.
        IndexError: an index outside the table.
        RuntimeError: a table that is no matrix, or indices of another type.

    Example:
        >>> import trainctl
        >>> embedding(trainctl.tensor([2, 0]), trainctl.eye(3))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if weight._array.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, got shape {list(weight.shape)}")
    rows = weight._array.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"Padding_idx must be within num_embeddings, got {padding_idx} for {rows} rows")
        padding_idx %= rows
    check_index("embedding", input, rows, IndexError)
    if max_norm is not None:
        bound_rows(weight, input, max_norm, norm_type)
    return Embedding.apply(weight, input, skipped=padding_idx, by_frequency=scale_grad_by_freq)
