"""Multi-head attention with its projections, as a function of their weights."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.ops.arithmetic import add, mul
from trainctl.autograd.ops.attention import scaled_dot_product_attention
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.linalg import linear, matmul
from trainctl.autograd.ops.padding import constant_pad_nd
from trainctl.autograd.ops.random import dropout
from trainctl.autograd.ops.reduction import mean
from trainctl.autograd.ops.shape import permute, reshape, squeeze, transpose, unsqueeze
from trainctl.autograd.ops.softmax import softmax
from trainctl.autograd.ops.splitting import chunk
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "multi_head_attention_forward"


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return what :class:`trainctl.nn.MultiheadAttention` does, for weights that somebody else holds.

    Args:
        query: ``[L, N, E]``; ``[N, L, E]`` with ``batch_first``; ``[L, E]``.
        key: ``[S, N, kdim]``, likewise.
        value: ``[S, N, vdim]``, likewise.
        embed_dim_to_check: E.
        num_heads: into how many heads of ``E / num_heads`` features the projections are split.
        in_proj_weight: ``[3E, E]``, the projections of query, key and value below each other.
        in_proj_bias: ``[3E]``.
        bias_k: ``[1, 1, E]``, a key that all queries see besides the given ones.
        bias_v: ``[1, 1, E]``, its value.
        add_zero_attn: let them see a key and value of zeros, too.
        dropout_p: probability with which a weight is dropped in training.
        out_proj_weight: ``[E, E]``; or, as for the next three, a layer that projects (not in PyTorch's function).
        out_proj_bias: ``[E]``.
        training: drop weights.
        key_padding_mask: ``[N, S]`` or ``[S]``: bool (True: ignore the key) or floating point (added to its scores).
        need_weights: return the weights, too.
        attn_mask: ``[L, S]`` or ``[N * num_heads, L, S]``: bool (True: may not attend) or floating point (added).
        use_separate_proj_weight: project by the next three weights instead of by ``in_proj_weight``.
        q_proj_weight: ``[E, E]``.
        k_proj_weight: ``[E, kdim]``.
        v_proj_weight: ``[E, vdim]``.
        static_k: ``[N * num_heads, S, E / num_heads]``, to be used in place of the projected key.
        static_v: likewise for the value.
        average_attn_weights: return the weights' mean over the heads.
        is_causal: the given ``attn_mask`` is the causal mask.
        batch_first: the batch is dim 0 (not an argument of PyTorch's function).

    Returns:
        The output, shaped as ``query``, and the weights: ``[N, L, S]``, or ``[N, num_heads, L, S]`` if not averaged,
        without N as the query is, None if not needed.

    Raises:
        AssertionError: shapes that do not fit.
        RuntimeError: a mask of another shape, or ``is_causal`` without a mask.
    """
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    _check_hint(is_causal, attn_mask)
    batch_dim = 0 if batch_first and batched else 1
    if not batched:
        query, key, value = (unsqueeze(each, 1) for each in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    weights, biases = separate or _thirds(in_proj_weight), _thirds(in_proj_bias)
    q = project(query, weights[0], biases[0], num_heads, batch_dim)
    k = project(key, weights[1], biases[1], num_heads, batch_dim) if static_k is None else _static(static_k, q)
    v = project(value, weights[2], biases[2], num_heads, batch_dim) if static_v is None else _static(static_v, q)

    by_flag = is_causal and key_padding_mask is None and not need_weights
    mask = None if by_flag else _mask(attn_mask, key_padding_mask, q, k._array.shape[2])
    k, v = _with_further_keys(k, v, bias_k, bias_v, add_zero_attn)
    y, attention = _attend(q, k, v, mask, dropout_p if training else 0.0, by_flag, need_weights)

    y = reshape(permute(y, (0, 2, 1, 3) if batch_dim == 0 else (2, 0, 1, 3)), query.shape)
    y = out_proj_weight(y) if callable(out_proj_weight) else linear(y, out_proj_weight, out_proj_bias)
    if attention is not None and average_attn_weights:
        attention = mean(attention, 1)
    if not batched:
        y, attention = squeeze(y, 1), None if attention is None else squeeze(attention, 0)
    return y, attention


def _check_hint(is_causal: bool, attn_mask: Tensor | None) -> None:
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )


def _thirds(x: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return the weights or biases of query, key and value, which are kept below each other."""
    return (None, None, None) if x is None else chunk(x, 3)


def project(x: Tensor, weight: Any, bias: Tensor | None, num_heads: int, batch_dim: int) -> Tensor:
    """Return a projection, by a weight or by a layer, split into heads: ``[N, num_heads, length, size]``.

    Raises:
        AssertionError: there is no weight.
    """
    if weight is None:
        raise AssertionError("use_separate_proj_weight chooses a projection whose weight is None")
    y = weight(x) if callable(weight) else linear(x, weight, bias)
    y = reshape(y, (*y.shape[:2], num_heads, y.shape[2] // num_heads))
    return permute(y, (0, 2, 1, 3) if batch_dim == 0 else (1, 2, 0, 3))


def _static(x: Tensor, q: Tensor) -> Tensor:
    """Return given keys or values in the form of the projected ones.

    Raises:
        AssertionError: they do not fit the queries.
    """
    batch, heads, _, size = q._array.shape
    if x._array.ndim != 3 or x._array.shape[0] != batch * heads or x._array.shape[2] != size:
        raise AssertionError(
            f"expecting static_k and static_v of shape [{batch * heads}, S, {size}], got {list(x.shape)}"
        )
    return reshape(x, (batch, heads, x._array.shape[1], size))


def _with_further_keys(
    k: Tensor, v: Tensor, bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool
) -> tuple[Tensor, Tensor]:
    """Return keys and values with those that every query sees besides the given ones."""
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("one of bias_k and bias_v is set but the other is None")
    batch, heads, _, size = k._array.shape
    if bias_k is not None and bias_v is not None:
        shape = (batch, heads, 1, size)
        k, v = (
            cat([each, expand(reshape(bias, (1, heads, 1, size)), shape)], 2)
            for each, bias in ((k, bias_k), (v, bias_v))
        )
    if add_zero_attn:
        k, v = (constant_pad_nd(each, (0, 0, 0, 1)) for each in (k, v))
    return k, v


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the heads' outputs and, if needed, their weights; only without them may a query attend to nothing.

    Every query may see those of the last keys that the mask does not reach.
    """
    further = 0 if mask is None else k._array.shape[2] - mask._array.shape[3]
    mask = constant_pad_nd(mask, (0, further)) if mask is not None and further else mask
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal), None
    scores = matmul(mul(q, 1 / math.sqrt(q._array.shape[-1])), transpose(k, -2, -1))
    weights = dropout(softmax(scores if mask is None else add(scores, mask), -1), dropout_p)
    return matmul(weights, v), weights


def additive_mask(name: str, mask: Tensor | None, kind: dtypes.dtype) -> Tensor | None:
    """Return a mask to be added to scores: a bool one becomes -inf where it holds.

    Raises:
        AssertionError: a mask of integers.
    """
    if mask is None or mask.is_floating_point():
        return mask
    if mask._array.dtype.kind != "b":
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype.name}")
    return cast(where(mask, float("-inf"), 0.0), kind)


def _mask(attn_mask: Tensor | None, padding: Tensor | None, q: Tensor, keys: int) -> Tensor | None:
    """Return the sum of both masks, ``[N or 1, num_heads or 1, L or 1, S]``.

    Raises:
        AssertionError: a padding mask of another shape.
        RuntimeError: another mask of another shape.
    """
    batch, heads, length, _ = q._array.shape
    mask = additive_mask("attn_mask", attn_mask, q.dtype)
    padding = additive_mask("key_padding_mask", padding, q.dtype)
    if mask is not None:
        ndim = mask._array.ndim
        wanted = (length, keys) if ndim == 2 else (batch * heads, length, keys)
        if mask._array.shape != wanted:
            raise RuntimeError(f"The shape of the {ndim}D attn_mask is {list(mask.shape)}, but should be {wanted}.")
        mask = reshape(mask, (1, 1, *wanted) if ndim == 2 else (batch, heads, length, keys))
    if padding is None:
        return mask
    if padding._array.shape != (batch, keys):
        raise AssertionError(f"expecting key_padding_mask shape of {(batch, keys)}, but got {list(padding.shape)}")
    padding = reshape(padding, (batch, 1, 1, keys))
    return padding if mask is None else add(mask, padding)


def _is_batched(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, num_heads: int
) -> bool:
    """Return whether there is a dim for the batch.

    Raises:
        AssertionError: the tensors' dims are neither those of a batch nor those of one sample.
    """
    ndim = query._array.ndim
    if ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {ndim}-D query tensor")
    form = f"For {'batched' if ndim == 3 else 'unbatched'} ({ndim}-D) `query`, expected"
    if key._array.ndim != ndim or value._array.ndim != ndim:
        raise AssertionError(
            f"{form} `key` and `value` to be {ndim}-D but found {key.ndim}-D and {value.ndim}-D tensors"
        )
    if padding is not None and padding._array.ndim != ndim - 1:
        raise AssertionError(
            f"{form} `key_padding_mask` to be `None` or {ndim - 1}-D but found {padding.ndim}-D tensor"
        )
    if mask is not None and mask._array.ndim not in (2, 3):
        raise AssertionError(f"{form} `attn_mask` to be `None`, 2-D or 3-D but found {mask.ndim}-D tensor instead")
    if mask is not None and ndim == 2 and mask._array.ndim == 3:
        wanted = (num_heads, query._array.shape[0], key._array.shape[0])
        if mask._array.shape != wanted:
            raise AssertionError(f"Expected `attn_mask` shape to be {wanted} but got {list(mask.shape)}")
    return ndim == 3


def _check_sizes(query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_heads: int, separate: bool) -> None:
    """Raise AssertionError if features or lengths do not fit."""
    if query._array.shape[2] != embed_dim:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {query.shape[2]}")
    if embed_dim % num_heads:
        raise AssertionError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if key._array.shape[:2] != value._array.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {list(key.shape[:2])} do not match value's {list(value.shape[:2])}"
        )
    if not separate and key._array.shape != value._array.shape:
        raise AssertionError(f"key shape {list(key.shape)} does not match value shape {list(value.shape)}")
