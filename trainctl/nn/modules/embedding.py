"""Tables of vectors, looked up by index."""

from __future__ import annotations

from typing import Any, Literal, Self

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import empty
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class _Table(Module):
    """A weight of ``num_embeddings`` rows of size ``embedding_dim``, one of them perhaps for padding."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    weight: Parameter

    def _add_weight(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, weight: Tensor | None, place: Any
    ) -> None:
        """Take over a table, or draw one.

        Raises:
            AssertionError: ``padding_idx`` is no row, or the table has another shape.
        """
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(
                    f"Padding_idx must be within num_embeddings, got {padding_idx} for {num_embeddings} embeddings"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if weight is None:
            self.weight = Parameter(empty((num_embeddings, embedding_dim), **place))
            self.reset_parameters()
        elif list(weight.shape) != [num_embeddings, embedding_dim]:
            raise AssertionError(
                "Shape of weight does not match num_embeddings and embedding_dim: "
                f"got {list(weight.shape)}, expected {[num_embeddings, embedding_dim]}"
            )
        else:
            self.weight = Parameter(weight)

    def reset_parameters(self) -> None:
        """Draw the weight from the standard normal distribution; the padding row is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)


def _size(embeddings: Tensor) -> tuple[int, int]:
    """Return the sizes of a given table.

    Raises:
        AssertionError: it is no matrix.
    """
    if embeddings.ndim != 2:
        raise AssertionError(f"Embeddings parameter is expected to be 2-dimensional, got {list(embeddings.shape)}")
    rows, size = embeddings.shape
    return rows, size


class Embedding(_Table):
    """A vector for each index: ``[*] -> [*, embedding_dim]``.

    Args:
        num_embeddings: how many indices there are.
        embedding_dim: size of a vector.
        padding_idx: an index whose vector begins as 0 and gets no gradient.
        max_norm: scale vectors that are longer down to this norm, in place, when they are looked up.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a vector's gradient by how often it was looked up in the batch.
        sparse: accepted for PyTorch's sake; the gradient is a dense tensor.
        _weight: the table, instead of one drawn from the standard normal distribution.
        _freeze: the table is not learnt.
        device: where the table lives.
        dtype: its type.

    Raises:
        AssertionError: ``padding_idx`` is no index, or the given table has another shape.

    Example:
        >>> import trainctl
        >>> Embedding(10, 3)(trainctl.tensor([[1, 2], [4, 5]])).shape
        trainctl.Size([2, 2, 3])
    """

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
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._add_weight(num_embeddings, embedding_dim, padding_idx, _weight, {"device": device, "dtype": dtype})
        self.weight.requires_grad = not _freeze
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse

    def forward(self, input: Tensor) -> Tensor:
        """Return the vectors of the indices (int64 or int32)."""
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        """Return the sizes and what differs from the defaults."""
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        parts += [f"padding_idx={self.padding_idx}"] if self.padding_idx is not None else []
        parts += [f"max_norm={self.max_norm}"] if self.max_norm is not None else []
        parts += [f"norm_type={self.norm_type}"] if self.norm_type != 2 else []
        parts += [f"scale_grad_by_freq={self.scale_grad_by_freq}"] if self.scale_grad_by_freq else []
        parts += ["sparse=True"] if self.sparse else []
        return ", ".join(parts)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Return a layer with a given table, ``[num_embeddings, embedding_dim]``; ``freeze``: it is not learnt.

        Raises:
            AssertionError: the table is no matrix.

        Example:
            >>> import trainctl
            >>> Embedding.from_pretrained(trainctl.eye(2))(trainctl.tensor(1))
            tensor([0., 1.])
        """
        return cls(*_size(embeddings), padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)


class EmbeddingBag(_Table):
    """The sum, mean or maximum of a bag of vectors: ``[bags, n]``, or ``[n]`` with offsets, ``-> [bags, embedding_dim]``.

    Args:
        num_embeddings: how many indices there are.
        embedding_dim: size of a vector.
        max_norm: scale vectors that are longer down to this norm, in place, when they are looked up.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a vector's gradient by how often it was looked up; not for ``max``.
        mode: ``sum``, ``mean`` or ``max``.
        sparse: accepted for PyTorch's sake; the gradient is a dense tensor.
        _weight: the table, instead of one drawn from the standard normal distribution.
        include_last_offset: offsets have one more element, where the last bag ends.
        padding_idx: an index that does not count.
        device: where the table lives.
        dtype: its type.

    Raises:
        AssertionError: ``padding_idx`` is no index, or the given table has another shape.

    Example:
        >>> import trainctl
        >>> EmbeddingBag(10, 3)(trainctl.tensor([1, 2, 4]), trainctl.tensor([0, 2])).shape
        trainctl.Size([2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Literal["sum", "mean", "max"] = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._add_weight(num_embeddings, embedding_dim, padding_idx, _weight, {"device": device, "dtype": dtype})
        self.max_norm, self.norm_type, self.mode = max_norm, norm_type, mode
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Return a vector for each bag; see :func:`trainctl.nn.functional.embedding_bag`."""
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the sizes and what differs from the defaults."""
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        parts += [f"max_norm={self.max_norm}"] if self.max_norm is not None else []
        parts += [f"norm_type={self.norm_type}"] if self.norm_type != 2 else []
        parts += [f"scale_grad_by_freq={self.scale_grad_by_freq}"] if self.scale_grad_by_freq else []
        parts += [f"mode={self.mode!r}"]
        parts += [f"padding_idx={self.padding_idx}"] if self.padding_idx is not None else []
        return ", ".join(parts)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Literal["sum", "mean", "max"] = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """Return a layer with a given table, ``[num_embeddings, embedding_dim]``; ``freeze``: it is not learnt.

        Raises:
            AssertionError: the table is no matrix.

        Example:
            >>> import trainctl
            >>> EmbeddingBag.from_pretrained(trainctl.eye(2))(trainctl.tensor([[0, 1]]))
            tensor([[0.5000, 0.5000]])
        """
        made = cls(
            *_size(embeddings), max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset,
            padding_idx,
        )  # fmt: skip
        made.weight.requires_grad = not freeze
        return made
