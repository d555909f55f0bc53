"""The layers of a Transformer as a config's model takes them: batches of sequences ``[N, T, C]``, one tensor out.

Parameters, and so the keys of a ``state_dict``, are those of the layer that each is named after.
"""

from __future__ import annotations

from typing import Any, Literal

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules import multihead_attention, transformer_layers
from trainctl.nn.modules.transformer import Transformer

Activation = Literal["relu", "gelu"]


class MultiheadAttention(multihead_attention.MultiheadAttention):
    """:class:`trainctl.nn.MultiheadAttention` of a sequence to itself: ``[N, T, E] -> [N, T, E]``.

    Args:
        embed_dim: E, features.
        num_heads: how many attentions; each has ``E / num_heads`` features.
        dropout: probability with which a weight is dropped in training.
        bias: the projections add one.
        add_bias_kv: learn one more key and value that every query sees.
        add_zero_attn: one more key and value, of zeros.
        batch_first: True alone.
        causal: a step sees itself and those before it only.

    Raises:
        ValueError: ``batch_first`` is False.
        AssertionError: ``embed_dim`` is no multiple of ``num_heads``.

    Example:
        >>> import trainctl
        >>> MultiheadAttention(8, 2)(trainctl.ones(2, 5, 8)).shape
        trainctl.Size([2, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        batch_first: bool = True,
        causal: bool = False,
    ) -> None:
        _check_batch_first(batch_first)
        super().__init__(embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, batch_first=True)
        self.causal = causal

    def forward(self, input: Tensor) -> Any:  # type: ignore[override]  # one sequence is query, key and value
        """Return what every step finds in the sequence."""
        mask = _mask(input) if self.causal else None
        return super().forward(input, input, input, need_weights=False, attn_mask=mask)[0]


class TransformerEncoderLayer(transformer_layers.TransformerEncoderLayer):
    """:class:`trainctl.nn.TransformerEncoderLayer` in a chain: ``[N, T, E] -> [N, T, E]``.

    Args:
        d_model: E, features.
        nhead: heads of the attention.
        dim_feedforward: features between the dense layers.
        dropout: probability, in three places.
        activation: between the dense layers.
        layer_norm_eps: of the norms.
        batch_first: True alone.
        norm_first: norm what goes into a part, instead of its sum with the input.
        bias: linear layers and norms add one.
        causal: a step sees itself and those before it only.

    Raises:
        ValueError: ``batch_first`` is False.

    Example:
        >>> import trainctl
        >>> TransformerEncoderLayer(8, 2, causal=True)(trainctl.ones(2, 5, 8)).shape
        trainctl.Size([2, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        _check_batch_first(batch_first)
        super().__init__(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, True, norm_first, bias
        )  # fmt: skip
        self.causal = causal

    def forward(self, src: Tensor) -> Tensor:  # type: ignore[override]  # the mask follows from `causal`
        """Return the layer's output."""
        return super().forward(src, _mask(src) if self.causal else None)


class TransformerDecoderLayer(transformer_layers.TransformerDecoderLayer):
    """:class:`trainctl.nn.TransformerDecoderLayer` of two sequences: ``[N, T, E], [N, S, E] -> [N, T, E]``.

    Args:
        d_model: E, features.
        nhead: heads of each attention.
        dim_feedforward: features between the dense layers.
        dropout: probability, in four places.
        activation: between the dense layers.
        layer_norm_eps: of the norms.
        batch_first: True alone.
        norm_first: norm what goes into a part, instead of its sum with the input.
        bias: linear layers and norms add one.
        causal: a step sees itself and those before it only.

    Raises:
        ValueError: ``batch_first`` is False.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        causal: bool = True,
    ) -> None:
        _check_batch_first(batch_first)
        super().__init__(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, True, norm_first, bias
        )  # fmt: skip
        self.causal = causal

    def forward(self, tgt: Tensor, memory: Tensor) -> Tensor:  # type: ignore[override]  # as above
        """Return the layer's output for ``tgt``."""
        return super().forward(tgt, memory, _mask(tgt) if self.causal else None)


def _check_batch_first(batch_first: bool) -> None:
    if not batch_first:
        raise ValueError("batch_first must be true in a model of a config, where a batch of sequences is [N, T, C]")


def _mask(sequences: Tensor) -> Tensor:
    return Transformer.generate_square_subsequent_mask(sequences.shape[1], device=sequences.device)
