"""Sequences of different lengths in one batch: padded, or packed step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.ranges import arange
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences of a batch, longest first, step by step without padding; made by the functions below.

    Args:
        data: the elements of step 0, of step 1, ...: ``[N, *]``.
        batch_sizes: the number of sequences that still run at each step, int64, on the CPU.
        sorted_indices: which sequence of the batch each of them is; None: they are in the batch's order.
        unsorted_indices: the inverse permutation; made from ``sorted_indices`` where it is None.

    Example:
        >>> import trainctl
        >>> pack_sequence([trainctl.tensor([1, 2, 3]), trainctl.tensor([4, 5])]).data
        tensor([1, 4, 2, 5, 3])
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        """Take over the parts; ``data`` may be the pair ``(data, batch_sizes)``."""
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Return the sequences in another dtype or on another device: as ``Tensor.to``; itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (each if each is None else each.to(data.device) for each in self[2:])
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, device: Any = None) -> Self:
        """Return the sequences on a GPU."""
        return self.to("cuda" if device is None else device)

    def cpu(self) -> Self:
        """Return the sequences on the CPU."""
        return self.to("cpu")

    def double(self) -> Self:
        """Return the sequences as float64."""
        return self.to(dtypes.float64)

    def float(self) -> Self:
        """Return the sequences as float32."""
        return self.to(dtypes.float32)

    def half(self) -> Self:
        """Return the sequences as float16."""
        return self.to(dtypes.float16)

    def long(self) -> Self:
        """Return the sequences as int64."""
        return self.to(dtypes.int64)

    def int(self) -> Self:
        """Return the sequences as int32."""
        return self.to(dtypes.int32)

    @property
    def is_cuda(self) -> bool:
        """Whether the elements are on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Return the permutation that undoes ``permutation``.

    Example:
        >>> import trainctl
        >>> invert_permutation(trainctl.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    inverse = permutation.clone()
    inverse[permutation] = arange(permutation.numel(), dtype=permutation.dtype, device=permutation.device)
    return inverse


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Return the sequences of a padded batch without their padding.

    Args:
        input: ``[T, B, *]``, or ``[B, T, *]`` with ``batch_first``.
        lengths: of each sequence, ``[B]``, each from 1 to T.
        batch_first: the batch is the first dim.
        enforce_sorted: refuse lengths that are not in decreasing order, instead of sorting them.

    Raises:
        RuntimeError: nothing to pack, lengths that do not fit the input, or that are not sorted.

    Example:
        >>> import trainctl
        >>> batch = trainctl.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
        >>> packed = pack_padded_sequence(batch, [2, 1, 3], batch_first=True, enforce_sorted=False)
        >>> packed.data, packed.batch_sizes, packed.sorted_indices
        (tensor([4, 1, 3, 5, 2, 6]), tensor([3, 2, 1]), tensor([2, 0, 1]))
    """
    steps_first = input.transpose(0, 1) if batch_first else input
    listed = _checked_lengths(steps_first, lengths)
    indices = None
    if not enforce_sorted:
        order = sorted(range(len(listed)), key=lambda number: -listed[number])
        listed = [listed[number] for number in order]
        indices = tensor(order, device=input.device)
        steps_first = steps_first.index_select(1, indices)
    elif listed != sorted(listed, reverse=True):
        raise RuntimeError(
            f"`lengths` array must be sorted in decreasing order when `enforce_sorted` is True, got {listed}. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence."
        )
    running = _running(listed, listed[0])
    data = steps_first[: listed[0]][running.to(input.device)]
    return PackedSequence(data, running.sum(1), indices)


def _checked_lengths(input: Tensor, lengths: Tensor | Sequence[int]) -> list[int]:
    """Return the lengths as ints.

    Raises:
        RuntimeError: they do not fit ``input``, ``[T, B, *]``.
    """
    if input.numel() == 0:
        raise RuntimeError(f"Cannot pack empty tensors, got shape {list(input.shape)}.")
    if isinstance(lengths, Tensor) and lengths.ndim != 1:
        raise RuntimeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.ndim}D tensor")
    listed = [int(each) for each in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    steps, batch = input.shape[:2]
    if len(listed) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(listed)} (batch_size={batch})"
        )
    if min(listed) <= 0:
        raise RuntimeError(
            f"Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0: {listed}"
        )
    if max(listed) > steps:
        raise RuntimeError(f"Expected lengths of at most {steps}, the padded length, but got {max(listed)}")
    return listed


def _running(lengths: Sequence[int], steps: int) -> Tensor:
    """Return which sequences still run at each step: bool ``[T, B]``."""
    return arange(steps).unsqueeze(1) < tensor(lengths)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return packed sequences as a padded batch in its first order, and their lengths.

    Args:
        sequence: what to pad.
        batch_first: return ``[B, T, *]`` instead of ``[T, B, *]``.
        padding_value: of the elements behind a sequence's end.
        total_length: T, at least the longest sequence's length, which is the default.

    Raises:
        ValueError: ``total_length`` is less than the longest sequence's length.

    Example:
        >>> import trainctl
        >>> packed = pack_sequence([trainctl.tensor([1, 2]), trainctl.tensor([3])])
        >>> pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2],
                [3, 0]]), tensor([2, 1]))
    """
    data, batch_sizes, _, unsorted = sequence
    longest, batch = batch_sizes.shape[0], int(batch_sizes[0])
    steps = longest if total_length is None else total_length
    if steps < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {longest}"
        )
    lengths = (batch_sizes.unsqueeze(1) > arange(batch)).sum(0)
    padded = _padding((steps, batch, *data.shape[1:]), padding_value, data)
    padded[_running(lengths.tolist(), steps).to(data.device)] = data
    if unsorted is not None:
        padded, lengths = padded.index_select(1, unsorted), lengths[unsorted.cpu()]
    return padded.transpose(0, 1) if batch_first else padded, lengths


def _padding(shape: tuple[int, ...], value: float, like: Tensor) -> Tensor:
    return like.new_full(shape, value if like.dtype.category >= 2 else int(value))


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Return sequences ``[L, *]`` as one batch ``[T, B, *]``, padded to the longest.

    Args:
        sequences: of one dtype, and of one shape but for their lengths.
        batch_first: return ``[B, T, *]``.
        padding_value: of the elements that are added.
        padding_side: where they are added, ``"right"`` (the end) or ``"left"``.

    Raises:
        RuntimeError: no sequences, or some of another shape, or another side.

    Example:
        >>> import trainctl
        >>> pad_sequence([trainctl.tensor([1, 2]), trainctl.tensor([3])], batch_first=True)
        tensor([[1, 2],
                [3, 0]])
    """
    listed = _checked_sequences(sequences)
    if padding_side not in ("right", "left"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first, lengths = listed[0], [each.shape[0] for each in listed]
    steps = max(lengths)
    padded = _padding((steps, len(listed), *first.shape[1:]), padding_value, first)
    batch = padded.transpose(0, 1)
    filled = _running(lengths, steps).transpose(0, 1)
    if padding_side == "left":
        filled = arange(steps) >= tensor([steps - each for each in lengths]).unsqueeze(1)
    batch[filled.to(first.device)] = cat(listed).to(first.dtype)
    return batch.contiguous() if batch_first else padded


def _checked_sequences(sequences: Any) -> list[Tensor]:
    """Return the sequences as a list.

    Raises:
        RuntimeError: none, or shapes that differ in more than the length.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    listed = list(sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    for each in listed:
        if each.ndim == 0 or each.shape[1:] != listed[0].shape[1:]:
            raise RuntimeError(
                "pad_sequence: Expected sequences [L, *] of one shape apart from their lengths, "
                f"got {list(listed[0].shape)} and {list(each.shape)}"
            )
    return listed


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """Return each sequence of a padded batch, without its padding.

    Args:
        padded_sequences: ``[T, B, *]``, or ``[B, T, *]`` with ``batch_first``.
        lengths: ``[B]``.
        batch_first: the batch is the first dim.

    Raises:
        ValueError: not one length for each sequence.

    Example:
        >>> import trainctl
        >>> unpad_sequence(trainctl.tensor([[1, 2], [3, 0]]), trainctl.tensor([2, 1]), batch_first=True)
        [tensor([1, 2]), tensor([3])]
    """
    batch = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [each[: max(length, 0)].clone() for each, length in zip(batch, lengths.tolist(), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Return sequences ``[L, *]`` packed.

    Raises:
        RuntimeError: no sequences, or an empty one; or, with ``enforce_sorted``, one that is longer than the one before.

    Example:
        >>> import trainctl
        >>> pack_sequence([trainctl.tensor([1, 2, 3]), trainctl.tensor([4])]).batch_sizes
        tensor([2, 1, 1])
    """
    lengths = [each.shape[0] for each in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences that :func:`pack_sequence` packed.

    Example:
        >>> import trainctl
        >>> unpack_sequence(pack_sequence([trainctl.tensor([1, 2, 3]), trainctl.tensor([4])]))
        [tensor([1, 2, 3]), tensor([4])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
