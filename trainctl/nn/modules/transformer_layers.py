"""The layers that a Transformer's encoder and decoder are stacks of (Vaswani et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.dropout import Dropout
from trainctl.nn.modules.kv_cache import KVCache
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.module import Module
from trainctl.nn.modules.multihead_attention import MultiheadAttention
from trainctl.nn.modules.normalization import LayerNorm

Activation = str | Callable[[Tensor], Tensor]


class _Layer(Module):
    """Attentions and two dense layers, each with a norm, a dropout and the input added to its output."""

    attentions: ClassVar[tuple[str, ...]]
    self_attn: MultiheadAttention

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        for name in self.attentions:
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **place))
        self.linear1 = Linear(d_model, dim_feedforward, bias, **place)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **place)
        self.norm_first = norm_first
        parts = range(1, len(self.attentions) + 2)
        for number in parts:
            setattr(self, f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias, **place))
        for number in parts:
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation = _activation(activation) if isinstance(activation, str) else activation

    def _add(self, x: Tensor, part: Callable[[Tensor], Tensor], number: int) -> Tensor:
        """Return ``x`` plus what a part makes of it, normed before the part or after the sum."""
        norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        if self.norm_first:
            return x + dropout(part(norm(x)))
        return norm(x + dropout(part(x)))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    if name not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {name}")
    return getattr(F, name)


class TransformerEncoderLayer(_Layer):
    """Self-attention and two dense layers: ``[S, N, E] -> [S, N, E]``.

    Args:
        d_model: E, features.
        nhead: heads of the attention.
        dim_feedforward: features between the dense layers.
        dropout: probability, in three places.
        activation: between the dense layers: ``relu``, ``gelu`` or a function.
        layer_norm_eps: of the norms.
        batch_first: tensors are ``[N, S, E]``.
        norm_first: norm what goes into a part, instead of its sum with the input.
        bias: linear layers and norms add one.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        RuntimeError: an unknown activation.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> nn.TransformerEncoderLayer(8, 2, 16)(trainctl.ones(5, 2, 8)).shape
        trainctl.Size([5, 2, 8])
    """

    attentions = ("self_attn",)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Return the layer's output; masks and ``cache`` as :class:`trainctl.nn.MultiheadAttention` takes them."""

        def attend(x: Tensor) -> Tensor:
            y, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal, cache=cache)
            return y

        return self._add(self._add(src, attend, 1), self._feed_forward, 2)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output and two dense layers: ``[T, N, E], [S, N, E] -> [T, N, E]``.

    Args:
        d_model: E, features.
        nhead: heads of each attention.
        dim_feedforward: features between the dense layers.
        dropout: probability, in four places.
        activation: between the dense layers: ``relu``, ``gelu`` or a function.
        layer_norm_eps: of the norms.
        batch_first: tensors are ``[N, length, E]``.
        norm_first: norm what goes into a part, instead of its sum with the input.
        bias: linear layers and norms add one.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        RuntimeError: an unknown activation.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> nn.TransformerDecoderLayer(8, 2, 16)(trainctl.ones(3, 2, 8), trainctl.ones(5, 2, 8)).shape
        trainctl.Size([3, 2, 8])
    """

    attentions = ("self_attn", "multihead_attn")
    multihead_attn: MultiheadAttention

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Return the layer's output; masks and ``cache`` as :class:`trainctl.nn.MultiheadAttention` takes them."""

        def attend(x: Tensor) -> Tensor:
            y, _ = self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal, cache=cache)
            return y

        def look_up(x: Tensor) -> Tensor:
            y, _ = self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal, cache=cache,
                keeps_keys=True,
            )  # fmt: skip
            return y

        return self._add(self._add(self._add(tgt, attend, 1), look_up, 2), self._feed_forward, 3)
