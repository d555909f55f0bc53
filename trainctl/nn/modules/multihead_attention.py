"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops.attention import causal_mask
from trainctl.autograd.ops.creation import empty
from trainctl.autograd.ops.multi_head_attention import project
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.kv_cache import KVCache
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class MultiheadAttention(Module):
    """Several attentions side by side, each over its own projections (Vaswani et al., 2017).

    Args:
        embed_dim: E, features of the query and of the output.
        num_heads: how many attentions; each has ``E / num_heads`` features.
        dropout: probability with which a weight is dropped in training.
        bias: the projections add one.
        add_bias_kv: learn one more key and value that every query sees.
        add_zero_attn: one more key and value, of zeros.
        kdim: features of the key; default E.
        vdim: features of the value; default E.
        batch_first: tensors are ``[N, length, features]``, not ``[length, N, features]``.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        AssertionError: E does not split into so many heads.
        ValueError: a size that is not positive.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> x = trainctl.ones(2, 5, 8)
        >>> y, weights = nn.MultiheadAttention(8, 4, batch_first=True)(x, x, x)
        >>> y.shape, weights.shape
        (trainctl.Size([2, 5, 8]), trainctl.Size([2, 5, 5]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        packed = self._qkv_same_embed_dim = self.kdim == embed_dim == self.vdim
        place = {"device": device, "dtype": dtype}

        def add(name: str, wanted: bool, *sizes: int) -> None:
            self.register_parameter(name, Parameter(empty(sizes, **place)) if wanted else None)

        for name, features in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            add(f"{name}_proj_weight", not packed, embed_dim, features)
        add("in_proj_weight", packed, 3 * embed_dim, embed_dim)
        add("in_proj_bias", bias, 3 * embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim, bias, **place)
        add("bias_k", add_bias_kv, 1, 1, embed_dim)
        add("bias_v", add_bias_kv, 1, 1, embed_dim)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw projections and further keys from Glorot's distributions; biases 0."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for further in (self.bias_k, self.bias_v):
            if further is not None:
                init.xavier_normal_(further)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
        keeps_keys: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the output for each query, and the attention's weights.

        Args:
            query: ``[L, N, E]``, ``[N, L, E]`` with ``batch_first``, or ``[L, E]``.
            key: ``[S, N, kdim]``, likewise.
            value: ``[S, N, vdim]``, likewise.
            key_padding_mask: ``[N, S]`` or ``[S]``: bool (True: ignore the key) or floating point (added to its scores).
            need_weights: return the weights; without, it is faster.
            attn_mask: ``[L, S]`` or ``[N * num_heads, L, S]``: bool (True: may not attend) or floating point (added).
            average_attn_weights: return the weights' mean over the heads.
            is_causal: ``attn_mask`` is the causal mask; with ``cache`` it need not be given.
            cache: the keys and values of earlier calls, which these queries see before the new ones; S in the masks
                counts both (not in PyTorch).
            keeps_keys: with ``cache``: key and value are the same in each call, so those of the first call are used.

        Returns:
            The output, shaped as ``query``, and the weights: ``[N, L, S]``, or ``[N, num_heads, L, S]`` if not averaged,
            without N as the query is, None if not needed.

        Raises:
            AssertionError: shapes that do not fit.
            RuntimeError: a mask of another shape, or ``is_causal`` without a mask or a cache.
        """
        static_k = static_v = None
        if cache is not None:
            before = cache.get(self)
            if not keeps_keys:
                static_k, static_v = cache.append(self, *self._project(key, value))
            else:
                static_k, static_v = before or cache.keep(self, *self._project(key, value))
            if is_causal:
                past = 0 if keeps_keys or before is None else before[0].shape[1]
                attn_mask, is_causal = self._causal_mask(query, static_k.shape[1], past), False
        return F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, training=self.training, key_padding_mask=key_padding_mask,
            need_weights=need_weights, attn_mask=attn_mask, static_k=static_k, static_v=static_v,
            average_attn_weights=average_attn_weights, is_causal=is_causal, batch_first=self.batch_first,
            **self._projections(),
        )  # fmt: skip

    def _project(self, key: Tensor, value: Tensor) -> list[Tensor]:
        """Return the heads' keys and values, ``[N * num_heads, S, head_dim]``."""
        given = (key, value) if key.ndim == 3 else (key.unsqueeze(1), value.unsqueeze(1))
        batch_dim = 0 if self.batch_first and key.ndim == 3 else 1
        return [
            project(each, weight, bias, self.num_heads, batch_dim).flatten(0, 1)
            for each, (weight, bias) in zip(given, self._key_value(), strict=True)
        ]

    def _projections(self) -> dict[str, Any]:
        """Return what projects, as arguments of ``multi_head_attention_forward``."""
        return {
            "out_proj_weight": self.out_proj.weight, "out_proj_bias": self.out_proj.bias,
            "use_separate_proj_weight": not self._qkv_same_embed_dim, "q_proj_weight": self.q_proj_weight,
            "k_proj_weight": self.k_proj_weight, "v_proj_weight": self.v_proj_weight,
        }  # fmt: skip

    def _key_value(self) -> tuple[Any, Any]:
        """Return weight and bias of the keys' projection and of the values'."""
        weights = [self.k_proj_weight, self.v_proj_weight]
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)[1:]
        biases = [None, None] if self.in_proj_bias is None else self.in_proj_bias.chunk(3)[1:]
        return (weights[0], biases[0]), (weights[1], biases[1])

    def _causal_mask(self, query: Tensor, keys: int, past: int) -> Tensor | None:
        """Return the mask of new positions, of which each sees the ``past`` ones and those up to itself."""
        length = query.shape[1 if self.batch_first and query.ndim == 3 else 0]
        return None if length == 1 else ~causal_mask(query, length, keys, past)
