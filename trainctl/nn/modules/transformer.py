"""The Transformer: an encoder, a decoder, and both together (Vaswani et al., 2017)."""

from __future__ import annotations

import copy
from typing import Any

from trainctl.autograd.ops.creation import full
from trainctl.autograd.ops.diagonal import triu
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.container import ModuleList
from trainctl.nn.modules.kv_cache import KVCache
from trainctl.nn.modules.module import Module
from trainctl.nn.modules.normalization import LayerNorm
from trainctl.nn.modules.transformer_layers import Activation, TransformerDecoderLayer, TransformerEncoderLayer


class _Stack(Module):
    """Copies of a layer, which begin with the same parameters, and perhaps a norm at the end."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm


class TransformerEncoder(_Stack):
    """A stack of encoder layers: ``[S, N, E] -> [S, N, E]``.

    In evaluation, without gradients and with layers in PyTorch's default form (``batch_first``, norms after, relu or
    gelu, biases), a padding mask makes the outputs of padded positions 0, as PyTorch's nested tensors do.

    Args:
        encoder_layer: the layer; copies of it are made.
        num_layers: how many.
        norm: a module for the last output.
        enable_nested_tensor: False: leave the outputs of padded positions as they come.
        mask_check: do so, too, where a padding mask does more than cut samples off at the end.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), num_layers=2)
        >>> encoder(trainctl.ones(5, 2, 8)).shape
        trainctl.Size([5, 2, 8])
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check
        self.use_nested_tensor = enable_nested_tensor and _is_plain(encoder_layer)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Return the last layer's output.

        Args:
            src: ``[S, N, E]``, ``[N, S, E]`` with ``batch_first``, or ``[S, E]``.
            mask: ``[S, S]`` or ``[N * nhead, S, S]``: bool (True: may not attend) or floating point (added to scores).
            src_key_padding_mask: ``[N, S]`` or ``[S]``: bool (True: ignore) or floating point (added).
            is_causal: ``mask`` is the causal mask; with ``cache`` it need not be given.
            cache: what earlier calls were given (not in PyTorch).
        """
        x = src
        for layer in self.layers:
            x = layer(
                x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal), **_cached(cache)
            )
        if mask is None and src_key_padding_mask is not None and self._cuts_off(src, src_key_padding_mask):
            x = x.masked_fill(_ignored(src_key_padding_mask).unsqueeze(-1), 0.0)
        return x if self.norm is None else self.norm(x)

    def _cuts_off(self, src: Tensor, padding: Tensor) -> bool:
        """Return whether padded positions come out as 0."""
        first = self.layers[0]
        if not self.use_nested_tensor or first.training or src.ndim != 3:
            return False
        if state.grad and (src.requires_grad or any(each.requires_grad for each in first.parameters())):
            return False
        ignored = _ignored(padding)
        return not self.mask_check or bool((ignored[:, 1:] >= ignored[:, :-1]).all())


def _cached(cache: KVCache | None) -> dict[str, KVCache]:
    """Return ``cache`` as a keyword, which a layer of the user's own need not know if there is none."""
    return {} if cache is None else {"cache": cache}


def _ignored(padding: Tensor) -> Tensor:
    return padding != 0 if padding.is_floating_point() else padding


def _is_plain(layer: Any) -> bool:
    """Return whether PyTorch would run a stack of this layer on nested tensors."""
    if not isinstance(layer, TransformerEncoderLayer) or layer.norm_first:
        return False
    activation, attention = layer.activation, layer.self_attn
    return (
        attention.batch_first
        and attention._qkv_same_embed_dim
        and attention.in_proj_bias is not None
        and attention.num_heads % 2 == 0
        and layer.norm1.eps == layer.norm2.eps
        and (activation in (F.relu, F.gelu) or type(activation).__name__ in ("ReLU", "GELU"))
    )


class TransformerDecoder(_Stack):
    """A stack of decoder layers: ``[T, N, E], [S, N, E] -> [T, N, E]``.

    Args:
        decoder_layer: the layer; copies of it are made.
        num_layers: how many.
        norm: a module for the last output.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), num_layers=2)
        >>> decoder(trainctl.ones(3, 2, 8), trainctl.ones(5, 2, 8)).shape
        trainctl.Size([3, 2, 8])
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Return the last layer's output.

        Args:
            tgt: ``[T, N, E]``, ``[N, T, E]`` with ``batch_first``, or ``[T, E]``.
            memory: the encoder's output, ``[S, N, E]``, likewise.
            tgt_mask: ``[T, T]`` or ``[N * nhead, T, T]``: bool (True: may not attend) or floating point (added to scores).
            memory_mask: ``[T, S]`` or ``[N * nhead, T, S]``, likewise.
            tgt_key_padding_mask: ``[N, T]`` or ``[T]``: bool (True: ignore) or floating point (added).
            memory_key_padding_mask: ``[N, S]`` or ``[S]``, likewise.
            tgt_is_causal: ``tgt_mask`` is the causal mask; with ``cache`` it need not be given.
            memory_is_causal: ``memory_mask`` is the causal mask.
            cache: what earlier calls were given; ``tgt`` is then the positions after those (not in PyTorch).
        """
        x = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal, **_cached(cache),
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """Encoder and decoder: ``[S, N, E], [T, N, E] -> [T, N, E]``.

    Args:
        d_model: E, features.
        nhead: heads of each attention.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: features between a layer's dense layers.
        dropout: probability, within layers.
        activation: between dense layers: ``relu``, ``gelu`` or a function.
        custom_encoder: the encoder, instead of one made of the above.
        custom_decoder: the decoder, likewise.
        layer_norm_eps: of the norms.
        batch_first: tensors are ``[N, length, E]``.
        norm_first: norm what goes into a layer's part, instead of its sum with the input.
        bias: linear layers and norms add one.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> model = nn.Transformer(d_model=8, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
        >>> mask = nn.Transformer.generate_square_subsequent_mask(3)
        >>> model(trainctl.ones(5, 2, 8), trainctl.ones(3, 2, 8), tgt_mask=mask).shape
        trainctl.Size([3, 2, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **place)

        self.encoder, self.decoder = custom_encoder, custom_decoder
        if custom_encoder is None:
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*options, **place), num_encoder_layers, norm())
        if custom_decoder is None:
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*options, **place), num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        """Draw every matrix from Glorot's uniform distribution."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the decoder's output for ``tgt`` and the encoder's output for ``src``; masks as these take them.

        To make a sequence step by step, call the encoder once and the decoder with a :class:`trainctl.nn.KVCache`.

        Raises:
            RuntimeError: the batches differ, or the features are not ``d_model``.
        """
        batch_dim = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch_dim] != tgt.shape[batch_dim]:
            raise RuntimeError(
                f"the batch number of src and tgt must be equal, got shapes {list(src.shape)} and {list(tgt.shape)}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                "the feature number of src and tgt must be equal to d_model, "
                f"got shapes {list(src.shape)} and {list(tgt.shape)} and d_model {self.d_model}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """Return the causal mask, ``[sz, sz]``: 0 up to the diagonal, -inf above it.

        Example:
            >>> Transformer.generate_square_subsequent_mask(2)
            tensor([[0., -inf],
                    [0., 0.]])
        """
        return triu(full((sz, sz), float("-inf"), device=device, dtype=dtype), 1)
