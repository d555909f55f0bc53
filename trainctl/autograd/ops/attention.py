"""Attention: means of values, weighted by how well each query matches the values' keys."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.random import dropout
from trainctl.autograd.ops.shape import reshape, transpose, unsqueeze
from trainctl.autograd.ops.softmax import SoftmaxGradient
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "scaled_dot_product_attention"


class MaskedSoftmax(Op):
    """Softmax over the last dim of ``scores + mask``, or of scores where a bool ``mask`` holds; rows of -inf give 0."""

    saves_output = True

    def forward(self, scores: Any, mask: Any, out: Any = None) -> Any:
        xp = self.xp
        if mask is not None:
            scores = xp.where(mask, scores, -xp.inf) if mask.dtype.kind == "b" else scores + mask
        top = xp.max(scores, axis=-1, keepdims=True)
        y = xp.subtract(scores, xp.where(top == -xp.inf, 0, top), out=out)
        xp.exp(y, out=y)
        total = xp.sum(y, axis=-1, keepdims=True)
        y /= xp.where(total == 0, 1, total)
        return y

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        gx = SoftmaxGradient.apply(gy, y, dim=-1)
        return gx, gx


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return ``softmax(query @ key.T * scale + attn_mask) @ value`` (Vaswani et al., 2017).

    A query that may attend to nothing gets 0.

    Args:
        query: ``[..., L, E]``.
        key: ``[..., S, E]``; leading dims broadcast.
        value: ``[..., S, Ev]``.
        attn_mask: broadcasts to ``[..., L, S]``: bool (True: may attend) or floating point (added to the scores).
        dropout_p: probability with which a weight is dropped; not only in training.
        is_causal: the i-th query attends to the first i keys and no others; not together with ``attn_mask``.
        scale: what scores are multiplied by; default ``1 / sqrt(E)``.
        enable_gqa: key and value may have fewer heads (dim -3) than the query, each for a group of its heads.

    Returns:
        ``[..., L, Ev]``.

    Raises:
        IndexError: heads asked for where there is no dim for them.
        RuntimeError: shapes, dtypes or options that do not fit.

    Example:
        >>> import trainctl
        >>> x = trainctl.eye(2)
        >>> scaled_dot_product_attention(x, x, x, is_causal=True)
        tensor([[1.0000, 0.0000],
                [0.3302, 0.6698]])
    """
    _check_attention(query, key, value, attn_mask, dropout_p, is_causal)
    kind = query.dtype
    if kind.itemsize == 2:  # half precision: scores and their sums are too coarse
        query, key, value = (cast(each, dtypes.float32) for each in (query, key, value))
    if enable_gqa:
        key, value = (_repeat_heads(each, query) for each in (key, value))
    length, size = query._array.shape[-2:]
    if scale is None:
        scale = 1 / math.sqrt(size) if size else 1.0
    if is_causal:
        attn_mask = causal_mask(query, length, key._array.shape[-2])
    weights = attention_weights(matmul(mul(query, scale), transpose(key, -2, -1)), attn_mask)
    return cast(matmul(dropout(weights, dropout_p), value), kind)


def causal_mask(like: Tensor, length: int, keys: int, past: int = 0) -> Tensor:
    """Return, as bool ``[length, keys]``, whether a query (``past`` others came before the first) may see a key."""
    xp = like._xp
    return Tensor._constant(xp.arange(past, past + length)[:, None] >= xp.arange(keys))


def attention_weights(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Return :class:`MaskedSoftmax`.

    Raises:
        RuntimeError: the mask does not broadcast to the scores.
    """
    if mask is not None:
        shape = scores._array.shape
        if broadcast_shapes(shape, mask._array.shape) != shape:
            raise RuntimeError(f"attn_mask of shape {list(mask.shape)} does not broadcast to scores {list(shape)}")
        if mask._array.dtype.kind != "b":
            mask = cast(mask, scores.dtype)
    return MaskedSoftmax.apply(scores, mask) if scores._array.shape[-1] else scores


def _repeat_heads(x: Tensor, query: Tensor) -> Tensor:
    """Return key or value with each of its heads repeated for a group of the query's.

    Raises:
        IndexError: there is no dim of heads.
        RuntimeError: the numbers of heads do not divide.
    """
    shape, heads = x._array.shape, query._array.shape[-3:-2]
    if len(shape) < 3 or not heads:
        raise IndexError(f"enable_gqa: expected [..., heads, length, size], got shape {list(shape)}")
    if heads[0] == shape[-3]:
        return x
    if shape[-3] == 0 or heads[0] % shape[-3]:
        raise RuntimeError(
            f"Number of heads in key and value must divide the number of heads in query, got {shape[-3]} and {heads[0]}"
        )
    times = heads[0] // shape[-3]
    return reshape(expand(unsqueeze(x, -3), (*shape[:-2], times, *shape[-2:])), (*shape[:-3], *heads, *shape[-2:]))


def _check_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool
) -> None:
    op = "scaled_dot_product_attention"
    for name, each in (("query", query), ("key", key), ("value", value)):
        check_tensor(op, each, name)
    shapes = [list(each.shape) for each in (query, key, value)]
    text = f"{op}: query {shapes[0]}, key {shapes[1]}, value {shapes[2]}"
    if min(map(len, shapes)) < 2:
        raise RuntimeError(f"{text}: expected all to be at least 2 dimensional")
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got {query.dtype.name}, {key.dtype.name} and "
            f"{value.dtype.name}"
        )
    if query.dtype.category < 2:
        raise RuntimeError(f"{op}: expected floating-point tensors, but got {query.dtype.name}")
    refuse("c", op, query)
    if shapes[0][-1] != shapes[1][-1] or shapes[1][-2] != shapes[2][-2]:
        raise RuntimeError(f"{text}: expected [..., L, E], [..., S, E], [..., S, Ev]")
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    if mask is not None:
        _check_mask(op, mask, query, is_causal)


def _check_mask(op: str, mask: Tensor, query: Tensor, is_causal: bool) -> None:
    check_tensor(op, mask, "attn_mask")
    if is_causal:
        raise RuntimeError(f"{op}: Explicit attn_mask should not be set when is_causal=True")
    if mask.dtype not in (dtypes.bool_, dtypes.float32, query.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask of "
            f"{mask.dtype.name} and query of {query.dtype.name}"
        )
