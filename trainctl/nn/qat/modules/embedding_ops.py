"""Tables of vectors that are rounded while they train."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_dtypes import per_channel_affine_float_qparams
from trainctl.nn import functional as F
from trainctl.nn.modules import embedding
from trainctl.nn.modules.module import Module
from trainctl.nn.qat.modules.from_float import copy_parameters, give_weight_fake_quant, qconfig_of, take_parameters

_TABLE = ["num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"]
_BAG = [*_TABLE, "mode", "include_last_offset"]


def _check_scheme(what: str, qconfig: Any) -> None:
    """Raise AssertionError if a qconfig's weights have no float zero points, with which vectors are looked up."""
    if not qconfig:
        raise AssertionError("qconfig must be provided for QAT module")
    scheme = qconfig.weight().qscheme
    if scheme != per_channel_affine_float_qparams:
        raise AssertionError(
            f"{what} weights requires a qscheme of {per_channel_affine_float_qparams} Got {scheme}; "
            "take qconfig = trainctl.quantization.default_embedding_qat_qconfig"
        )


def _options(table: Any, names: list[str]) -> dict[str, Any]:
    return {name: getattr(table, name) for name in names}


class Embedding(embedding.Embedding):
    """:class:`trainctl.nn.Embedding` whose table goes through fake quantization, a grid for each vector.

    Arguments are those of the float layer, and ``qconfig``, of which ``qconfig.weight()`` makes what rounds the table.

    Attributes:
        weight_fake_quant: what rounds the table.

    Raises:
        AssertionError: there is no qconfig, or its scheme is not ``per_channel_affine_float_qparams``.
    """

    _FLOAT_MODULE: ClassVar[type[Module]] = embedding.Embedding

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        device: Any = None,
        dtype: Any = None,
        qconfig: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight,
            device=device, dtype=dtype,
        )  # fmt: skip
        _check_scheme("Embedding", qconfig)
        give_weight_fake_quant(self, qconfig)

    def forward(self, input: Tensor) -> Tensor:
        """Return the rounded vectors of the indices."""
        return F.embedding(
            input, self.weight_fake_quant(self.weight), self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the layer for a float one that has a qconfig, with its table, the same object.

        Raises:
            AssertionError: another kind of layer, or it has no qconfig of the scheme that is needed.
        """
        found = cls(**_options(mod, _TABLE), _weight=mod.weight, qconfig=qconfig_of(cls, mod))
        return take_parameters(found, mod)

    def to_float(self) -> embedding.Embedding:
        """Return a float layer with the table as it is, not rounded."""
        return copy_parameters(embedding.Embedding(**_options(self, _TABLE), _weight=self.weight), self)


class EmbeddingBag(embedding.EmbeddingBag):
    """:class:`trainctl.nn.EmbeddingBag` whose table goes through fake quantization, a grid for each vector.

    Arguments are those of the float layer, and ``qconfig``, of which ``qconfig.weight()`` makes what rounds the table.

    Attributes:
        weight_fake_quant: what rounds the table.

    Raises:
        AssertionError: there is no qconfig, or its scheme is not ``per_channel_affine_float_qparams``.
    """

    _FLOAT_MODULE: ClassVar[type[Module]] = embedding.EmbeddingBag

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Any = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, mode, sparse, _weight,
            include_last_offset, padding_idx, device=device, dtype=dtype,
        )  # fmt: skip
        _check_scheme("Embedding Bag", qconfig)
        give_weight_fake_quant(self, qconfig)

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Return the rounded vectors of each bag, put together."""
        return F.embedding_bag(
            input, self.weight_fake_quant(self.weight), offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the layer for a float one that has a qconfig, with its table, the same object.

        Raises:
            AssertionError: another kind of layer, or it has no qconfig of the scheme that is needed.
        """
        found = cls(**_options(mod, _BAG), _weight=mod.weight, qconfig=qconfig_of(cls, mod))
        return take_parameters(found, mod)

    def to_float(self) -> embedding.EmbeddingBag:
        """Return a float layer with the table as it is, not rounded."""
        return copy_parameters(embedding.EmbeddingBag(**_options(self, _BAG), _weight=self.weight), self)
