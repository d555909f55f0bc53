"""Layers taken apart into layers that can be observed and quantized, after PyTorch's ``torch.ao.nn.quantizable``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.quantization import dequantize
from trainctl.autograd.tensor import Tensor
from trainctl.nn import chain_attention
from trainctl.nn.modules import multihead_attention
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.module import Module
from trainctl.quantization.stubs import QuantStub


class MultiheadAttention(multihead_attention.MultiheadAttention):
    """:class:`trainctl.nn.MultiheadAttention` whose four projections are layers of their own.

    ``linear_Q``, ``linear_K``, ``linear_V`` and ``out_proj`` can be observed and quantized like any other dense layer;
    scores and weights are float32.

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
        >>> x, attention = trainctl.randn(5, 2, 8), nn.MultiheadAttention(8, 4)
        >>> apart = MultiheadAttention.from_float(attention)
        >>> (apart(x, x, x)[0] - attention(x, x, x)[0]).abs().max() < 1e-6
        tensor(True)
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
        place = {"device": device, "dtype": dtype}
        super().__init__(
            embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first, **place
        )
        self._take_apart(bias, place)

    def _take_apart(self, bias: bool, place: dict[str, Any]) -> None:
        for name, features in (("Q", self.embed_dim), ("K", self.kdim), ("V", self.vdim)):
            setattr(self, f"linear_{name}", Linear(features, self.embed_dim, bias, **place))
        self.quant_attn_output = QuantStub()  # the heads' outputs are numbers; what projects them may take codes
        for name in ("in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            setattr(self, name, None)

    @classmethod
    def from_float(cls, other: multihead_attention.MultiheadAttention) -> Self:
        """Return an attention of the same weights, taken apart; that of a config's chain stays one of a chain.

        Raises:
            TypeError: another kind of layer.
        """
        if not isinstance(other, multihead_attention.MultiheadAttention) or isinstance(other, MultiheadAttention):
            raise TypeError(f"nn.quantizable.MultiheadAttention takes a MultiheadAttention, got {type(other).__name__}")
        in_chain = isinstance(other, chain_attention.MultiheadAttention)
        made: Any = _InChain.__new__(_InChain) if in_chain else cls.__new__(cls)
        bias, place = (
            other.in_proj_bias is not None,
            {"device": other.out_proj.weight.device, "dtype": other.out_proj.weight.dtype},
        )
        MultiheadAttention.__init__(
            made, other.embed_dim, other.num_heads, other.dropout, bias, other.bias_k is not None, other.add_zero_attn,
            other.kdim, other.vdim, other.batch_first, **place,
        )  # fmt: skip
        if in_chain:
            made.causal = other.causal
        made._copy_from(other)
        if hasattr(other, "qconfig"):
            made.qconfig = other.qconfig
        return made.train(other.training)

    @no_grad()
    def _copy_from(self, other: Any) -> None:
        weights = [other.q_proj_weight, other.k_proj_weight, other.v_proj_weight]
        if other.in_proj_weight is not None:
            weights = other.in_proj_weight.chunk(3)
        biases = [None] * 3 if other.in_proj_bias is None else other.in_proj_bias.chunk(3)
        for layer, weight, bias in zip((self.linear_Q, self.linear_K, self.linear_V), weights, biases, strict=True):
            layer.weight.copy_(weight)
            if bias is not None:
                layer.bias.copy_(bias)
        self.out_proj.load_state_dict(other.out_proj.state_dict())
        for mine, given in ((self.bias_k, other.bias_k), (self.bias_v, other.bias_v)):
            if mine is not None:
                mine.copy_(given)

    def _projections(self) -> dict[str, Any]:
        """Return what projects, as arguments of ``multi_head_attention_forward``."""
        q, k, v = map(_numbers_of, (self.linear_Q, self.linear_K, self.linear_V))
        return {
            "out_proj_weight": self._project_output, "out_proj_bias": None, "use_separate_proj_weight": True,
            "q_proj_weight": q, "k_proj_weight": k, "v_proj_weight": v,
        }  # fmt: skip

    def _project_output(self, y: Tensor) -> Tensor:
        return self.out_proj(self.quant_attn_output(y))

    def _key_value(self) -> tuple[Any, Any]:
        return (_numbers_of(self.linear_K), None), (_numbers_of(self.linear_V), None)


def _numbers_of(layer: Module) -> Callable[[Tensor], Tensor]:
    """Return what gives a layer's output as float numbers, also where it gives codes."""
    return lambda x: dequantize(layer(x))


class _InChain(chain_attention.MultiheadAttention, MultiheadAttention):
    """The same of one sequence to itself, as a config's chain of layers has it."""

    def _get_name(self) -> str:
        return "MultiheadAttention"
