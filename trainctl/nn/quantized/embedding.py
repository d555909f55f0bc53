"""Tables of vectors kept as codes, each row on a grid of its own with a float zero point."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.creation import ones, zeros
from trainctl.autograd.ops.quantization import is_quantized, quantize_per_channel
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_array import QuantizedArray, unpacked
from trainctl.backend.quantized_dtypes import per_channel_affine_float_qparams, quint4x2, quint8
from trainctl.nn import functional as F
from trainctl.nn.modules import embedding
from trainctl.nn.quantized.base import QuantizedModule
from trainctl.nn.quantized.observed import on_grid_of, weight_observer
from trainctl.nn.quantized.weighted import keep, numbers_of, state_of

_LEAST_SCALE = 2.0**-23


class _Table(QuantizedModule):
    """A table of ``num_embeddings`` rows of size ``embedding_dim``, as codes."""

    _FLOAT_MODULE: ClassVar[type]

    weight_codes: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor

    _numbers: Any = None  # the state of the codes, and the numbers that they stood for

    def _take_table(self, rows: int, size: int, weight: Tensor | None, dtype: Any) -> None:
        if dtype not in (quint8, quint4x2):
            raise RuntimeError(f"{self._get_name()}: the table's dtype must be quint8 or quint4x2, got {dtype}")
        self.num_embeddings, self.embedding_dim, self.dtype = rows, size, dtype
        if weight is None:
            weight = quantize_per_channel(zeros(rows, size), ones(rows), zeros(rows), 0, dtype)
        self.set_weight(weight)

    def set_weight(self, w: Tensor) -> None:
        """Take over a quantized table, ``[num_embeddings, embedding_dim]``.

        Raises:
            ValueError: it is not quantized by rows as quint8 or quint4x2, or has another shape.
        """
        if not isinstance(w, Tensor) or not is_quantized(w) or w.dtype not in (quint8, quint4x2) or w._array.axis != 0:
            raise ValueError(
                f"{self._get_name()}: the table must be a tensor of quint8 or quint4x2 with a grid for each row: "
                "quantize_per_channel(weight, scales, zero_points, 0, quint8)"
            )
        if w.shape != (self.num_embeddings, self.embedding_dim):
            raise ValueError(
                f"{self._get_name()}: the table must have the shape {[self.num_embeddings, self.embedding_dim]}, "
                f"got {list(w.shape)}"
            )
        self.dtype = w.dtype
        keep(self, "weight", w)

    def weight(self) -> Tensor:
        """Return the table as a quantized tensor."""
        codes = self.weight_codes._array
        if self.dtype is quint4x2:
            codes = unpacked(codes, (self.num_embeddings, self.embedding_dim))
        grid = self.weight_scale._array, self.weight_zero_point._array
        return Tensor._wrap(QuantizedArray(codes, self.dtype, *grid, axis=0))

    def _table(self) -> Tensor:
        """Return the numbers that the codes stand for, made once."""
        state = state_of((self.weight_codes, self.weight_scale, self.weight_zero_point))
        if self._numbers is None or self._numbers[0] != state:
            self._numbers = (state, numbers_of(self.weight()))
        return self._numbers[1]

    def _takes(self, name: str, given: Tensor) -> bool:
        return not name.startswith("weight_") and super()._takes(name, given)

    def train(self, mode: bool = True) -> Self:
        """Set training mode or, with False, evaluation mode, for which the table's numbers are made ready."""
        super().train(mode)
        if not mode and self._looks_up_numbers:
            self._table()  # made now, they are there when a step is recorded
        return self

    @property
    def _looks_up_numbers(self) -> bool:
        """Whether the whole table is kept as numbers, too."""
        return self.dtype is not quint8

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_numbers": None}

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the quantized form of a float table; it is observed as its ``qconfig`` says, else as quint8 by rows.

        Raises:
            TypeError: another kind of layer.
            ValueError: a qconfig that is not for tables: rows need float zero points.
        """
        wanted: Any = cls._FLOAT_MODULE
        if not isinstance(mod, wanted):
            name = f"nn.quantized.{cls.__name__}"
            raise TypeError(f"{name}.from_float takes a {wanted.__name__}, got: {type(mod).__name__}")
        observer, weight = weight_observer(mod), mod.weight.detach().float()
        made = cls._empty_like(mod)
        made.set_weight(rows_of(weight) if observer is None else _observed(observer, weight))
        return made.train(mod.training)

    @classmethod
    def _empty_like(cls, mod: Any) -> Self:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Return the sizes and how the table is kept."""
        return (
            f"num_embeddings={self.num_embeddings}, embedding_dim={self.embedding_dim}, dtype={self.dtype}, "
            f"qscheme={self.weight().qscheme()}"
        )


def rows_of(weight: Tensor, dtype: Any = quint8) -> Tensor:
    """Return a table as codes that span each row, with a float zero point, as PyTorch observes embeddings.

    Example:
        >>> import trainctl
        >>> rows_of(trainctl.tensor([[-1.0, 0.0, 1.55]])).int_repr()
        tensor([[  0, 100, 255]], dtype=trainctl.uint8)
    """
    least, most = (weight.amin(1), weight.amax(1)) if weight.numel() else (zeros(len(weight)), zeros(len(weight)))
    scales = (most - least) / (255 if dtype is quint8 else 15)
    scales = where(scales > _LEAST_SCALE, scales, 1.0)
    return quantize_per_channel(weight, scales, -least / scales, 0, dtype)


def _observed(observer: Any, weight: Tensor) -> Tensor:
    if observer.qscheme is not per_channel_affine_float_qparams:
        raise ValueError(
            "a table's qconfig must observe rows with float zero points (float_qparams_weight_only_qconfig), "
            f"got {observer.qscheme}"
        )
    observer(weight)
    return on_grid_of(observer, weight)


class Embedding(_Table):
    """A vector for each index, kept as codes: ``[*] -> [*, embedding_dim]``, float32.

    Args:
        num_embeddings: how many indices there are.
        embedding_dim: size of a vector.
        padding_idx: accepted for PyTorch's sake, as the next four: they are about learning.
        max_norm: as ``padding_idx``.
        norm_type: as ``padding_idx``.
        scale_grad_by_freq: as ``padding_idx``.
        sparse: as ``padding_idx``.
        _weight: the table, quantized.
        dtype: ``quint8``, or ``quint4x2``: two codes to a byte.

    Raises:
        RuntimeError: another dtype.
        ValueError: a table of another kind or shape.

    Example:
        >>> import trainctl
        >>> Embedding(10, 3)(trainctl.tensor([[1, 2], [4, 5]])).shape
        trainctl.Size([2, 2, 3])
    """

    _FLOAT_MODULE = embedding.Embedding

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
        dtype: Any = quint8,
    ) -> None:
        super().__init__()
        self._take_table(num_embeddings, embedding_dim, _weight, dtype)

    @classmethod
    def _empty_like(cls, mod: Any) -> Self:
        return cls(mod.num_embeddings, mod.embedding_dim)

    def forward(self, indices: Tensor) -> Tensor:
        """Return the vectors of the indices (int64 or int32)."""
        if self._looks_up_numbers:
            return F.embedding(indices, self._table())
        rows = F.embedding(indices, self.weight_codes).float()  # of the rows that are asked for alone
        scale, zero_point = (each[indices].unsqueeze(-1) for each in (self.weight_scale, self.weight_zero_point))
        return (rows - zero_point) * scale


class EmbeddingBag(_Table):
    """The sum, mean or maximum of a bag of vectors kept as codes; see :class:`trainctl.nn.EmbeddingBag`.

    Args:
        num_embeddings: how many indices there are.
        embedding_dim: size of a vector.
        max_norm: accepted for PyTorch's sake, as the next two: they are about learning.
        norm_type: as ``max_norm``.
        scale_grad_by_freq: as ``max_norm``.
        mode: ``sum``, ``mean`` or ``max``.
        sparse: as ``max_norm``.
        _weight: the table, quantized.
        include_last_offset: offsets have one more element, where the last bag ends.
        dtype: ``quint8``, or ``quint4x2``: two codes to a byte.
        padding_idx: an index that does not count (not an argument of PyTorch's).

    Raises:
        RuntimeError: another dtype.
        ValueError: a table of another kind or shape.

    Example:
        >>> import trainctl
        >>> EmbeddingBag(10, 3)(trainctl.tensor([1, 2, 4]), trainctl.tensor([0, 2])).shape
        trainctl.Size([2, 3])
    """

    _FLOAT_MODULE = embedding.EmbeddingBag

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Literal["sum", "mean", "max"] = "sum",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        dtype: Any = quint8,
        padding_idx: int | None = None,
    ) -> None:
        super().__init__()
        self._take_table(num_embeddings, embedding_dim, _weight, dtype)
        self.mode, self.include_last_offset, self.padding_idx = mode, include_last_offset, padding_idx

    @classmethod
    def _empty_like(cls, mod: Any) -> Self:
        return cls(
            mod.num_embeddings, mod.embedding_dim, mode=mod.mode, include_last_offset=mod.include_last_offset,
            padding_idx=mod.padding_idx,
        )  # fmt: skip

    @property
    def _looks_up_numbers(self) -> bool:
        return True

    def forward(
        self, indices: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """Return a vector for each bag."""
        return F.embedding_bag(
            indices, self._table(), offsets, mode=self.mode, per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset, padding_idx=self.padding_idx,
        )  # fmt: skip
