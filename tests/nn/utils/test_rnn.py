"""Sequences of different lengths: padded, packed, and back."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.nn.utils import rnn

scripts = Scripts()

BATCH = [[1, 2, 0, 0], [3, 0, 0, 0], [4, 5, 6, 0]]


@scripts.gives(([4, 1, 3, 5, 2, 6], [3, 2, 1], [2, 0, 1], [1, 2, 0]))
def packing_in_any_order(lib):
    packed = lib.nn.utils.rnn.pack_padded_sequence(lib.tensor(BATCH), [2, 1, 3], batch_first=True, enforce_sorted=False)
    return tuple(packed)


@scripts.gives(([4, 1, 3, 5, 2, 6], [3, 2, 1], None, None))
def packing_what_is_in_order(lib):
    steps_first = lib.tensor([BATCH[2], BATCH[0], BATCH[1]]).T
    return tuple(lib.nn.utils.rnn.pack_padded_sequence(steps_first, lib.tensor([3, 2, 1])))


@scripts.gives([1, 4, 0, 2, 3])
def equal_lengths_keep_their_order(lib):
    packed = lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(4, 5), [2, 4, 2, 2, 4], enforce_sorted=False)
    return packed.sorted_indices


@scripts.gives(([[1, 2, 0], [3, 0, 0], [4, 5, 6]], [2, 1, 3]))
def there_and_back(lib):
    packed = lib.nn.utils.rnn.pack_padded_sequence(lib.tensor(BATCH), [2, 1, 3], batch_first=True, enforce_sorted=False)
    return lib.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)


@scripts.gives(([[1.0, 3.0], [2.0, -1.5], [-1.5, -1.5], [-1.5, -1.5]], [2, 1], "lib.int64"))
def padding_to_a_length_with_a_value(lib):
    packed = lib.nn.utils.rnn.pack_sequence([lib.tensor([1.0, 2.0]), lib.tensor([3.0])])
    padded, lengths = lib.nn.utils.rnn.pad_packed_sequence(packed, padding_value=-1.5, total_length=4)
    return padded, lengths, lengths.dtype


@scripts.gives(([[[1, 2], [3, 4]], [[5, 6], [9, 9]]], [[[5, 6], [1, 2]], [[9, 9], [3, 4]]]))
def padding_sequences_of_vectors(lib):
    a, b = lib.tensor([[1, 2], [3, 4]]), lib.tensor([[5, 6]])
    pad = lib.nn.utils.rnn.pad_sequence
    return pad([a, b], batch_first=True, padding_value=9.7), pad((each for each in (b, a)), padding_value=9)


@scripts.gives(([[1, 2, 3], [0, 0, 4]], [[0, 1], [0, 2], [4, 3]]))
def padding_on_the_left(lib):
    a, b = lib.tensor([1, 2, 3]), lib.tensor([4])
    pad = lib.nn.utils.rnn.pad_sequence
    return pad([a, b], batch_first=True, padding_side="left"), pad([b, a], padding_side="left")


@scripts.gives(([0, 2, 3], [0, 1], True))
def padding_nothing(lib):
    pad = lib.nn.utils.rnn.pad_sequence
    padded = pad([lib.zeros(2, 3), lib.zeros(0, 3)])
    return list(pad([lib.zeros(0, 3)] * 2).shape), list(pad([lib.zeros(0)]).shape), padded.is_contiguous()


@scripts.gives([[1, 2], [3], []])
def unpadding(lib):
    return lib.nn.utils.rnn.unpad_sequence(
        lib.tensor([[1, 2], [3, 0], [0, 0]]), lib.tensor([2, 1, 0]), batch_first=True
    )


@scripts.gives([[1, 2, 3], [4], [5, 6]])
def unpacking(lib):
    sequences = [lib.tensor([1, 2, 3]), lib.tensor([4]), lib.tensor([5, 6])]
    return lib.nn.utils.rnn.unpack_sequence(lib.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False))


@scripts.gives(([1.0, 1.0, 2.0], [1.0], [0.0, 3.0]))
def gradients_flow_through_padding_and_packing(lib):
    a, b = lib.zeros(3, requires_grad=True), lib.zeros(1, requires_grad=True)
    packed = lib.nn.utils.rnn.pack_sequence([b, a], enforce_sorted=False)
    padded, _ = lib.nn.utils.rnn.pad_packed_sequence(packed)
    (padded * lib.tensor([[1.0, 1.0], [9.0, 1.0], [9.0, 2.0]])).sum().backward()
    c = lib.zeros(2, requires_grad=True)
    (lib.nn.utils.rnn.pad_sequence([c, lib.zeros(1)]) * lib.tensor([[0.0, 1.0], [3.0, 1.0]])).sum().backward()
    return a.grad, b.grad, c.grad


@scripts.gives(
    "PackedSequence(data=tensor([1, 3, 2]), batch_sizes=tensor([2, 1]), sorted_indices=None, unsorted_indices=None)"
)
def text(lib):
    return repr(lib.nn.utils.rnn.pack_sequence([lib.tensor([1, 2]), lib.tensor([3])]))


@scripts.gives(("lib.float64", "lib.int64", True, False, [1, 0]))
def conversions(lib):
    packed = lib.nn.utils.rnn.pack_sequence([lib.zeros(1), lib.zeros(2)], enforce_sorted=False)
    double = packed.double()
    assert type(double) is type(packed)
    return (
        double.data.dtype,
        packed.long().data.dtype,
        packed.float() is packed,
        packed.cpu().is_cuda,
        double.sorted_indices,
    )


@scripts.gives(([2, 0, 1], [1, 2, 0], None))
def permutations(lib):
    invert = lib.nn.utils.rnn.invert_permutation
    packed = lib.nn.utils.rnn.PackedSequence((lib.zeros(3), lib.tensor([3])), None, lib.tensor([1, 2, 0]))
    return packed.unsorted_indices, invert(lib.tensor([2, 0, 1])), invert(None)


RNN, X = "lib.nn.utils.rnn", "lib.zeros(4, 3, 2)"
REFUSALS = [
    (RuntimeError, "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True", "pack_padded_sequence(X, [1, 2, 4])"),
    (RuntimeError, r"equal to batch_size, but got 2 \(batch_size=3\)", "pack_padded_sequence(X, [4, 2])"),
    (RuntimeError, r"greater than 0, but found an element in 'lengths' that is <= 0", "pack_padded_sequence(X, [4, 2, 0])"),
    (RuntimeError, "1D CPU int64 tensor, but got 2D", "pack_padded_sequence(X, lib.tensor([[4, 2, 1]]))"),
    (RuntimeError, "Cannot pack empty tensors", "pack_padded_sequence(lib.zeros(3, 0, 2), [])"),
    (ValueError, "got total_length=3 and max sequence length being 4", "pad_packed_sequence(rnn.pack_padded_sequence(X, [4, 2, 1]), total_length=3)"),
    (RuntimeError, "received an empty list of sequences", "pad_sequence([])"),
    (RuntimeError, "Expected iterable for input sequences, but got arg of type: <class 'int'>", "pad_sequence(3)"),
    (RuntimeError, "Expected padding_side to be one of left or right, but got top", "pad_sequence([X], padding_side='top')"),
    (ValueError, r"zip\(\) argument 2 is shorter", "unpad_sequence(lib.zeros(4, 3), lib.tensor([4, 1]))"),
    (RuntimeError, "must be sorted", "pack_sequence([lib.zeros(1), lib.zeros(2)])"),
]  # fmt: skip

for _error, _match, _code in REFUSALS:

    @scripts.raises(_error, _match)
    def refusals(lib, code=_code):
        eval(f"rnn.{code}", {"lib": lib, "rnn": lib.nn.utils.rnn, "X": lib.zeros(4, 3, 2)})


test_script = scripts.test()


def test_a_length_beyond_the_padding_is_refused():
    with pytest.raises(RuntimeError, match="lengths of at most 4, the padded length, but got 5"):
        rnn.pack_padded_sequence(trainctl.zeros(4, 2), [5, 1])


@pytest.mark.parametrize(("sizes", "shown"), [([(2, 3), (1, 4)], r"\[2, 3\] and \[1, 4\]"), ([()], r"\[\] and \[\]")])
def test_sequences_of_several_shapes_are_refused(sizes, shown):
    with pytest.raises(RuntimeError, match=f"of one shape apart from their lengths, got {shown}"):
        rnn.pad_sequence([trainctl.zeros(size) for size in sizes])


def test_packed_sequences_can_be_copied_and_pickled():
    packed = rnn.pack_sequence([trainctl.tensor([1.0]), trainctl.tensor([2.0, 3.0])], enforce_sorted=False)
    for other in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        assert type(other) is rnn.PackedSequence
        assert [each.tolist() for each in other] == [each.tolist() for each in packed]


def test_unpadding_leaves_its_argument_alone():
    padded = trainctl.zeros(3, 2)
    (first, _) = rnn.unpad_sequence(padded, trainctl.tensor([2, 1]))
    first += 1
    assert padded.shape == (3, 2)
    assert padded.sum().item() == 0


def test_random_batches_are_packed_as_pytorch_does():
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    draw = np.random.default_rng(0)
    for _ in range(100):
        steps, batch = draw.integers(1, 7, 2)
        lengths = draw.integers(1, steps + 1, batch).tolist()
        batch_first, total = bool(draw.integers(2)), [None, steps + 2][draw.integers(2)]
        shape = (batch, steps) if batch_first else (steps, batch)
        x = draw.standard_normal((*shape, *([], [3], [2, 0], [2, 2])[draw.integers(4)])).astype(np.float32)
        if x.size == 0:
            continue
        outcomes = []
        for lib in (trainctl, torch):
            given = lib.from_numpy(x.copy())
            packed = lib.nn.utils.rnn.pack_padded_sequence(given, lengths, batch_first, False)
            padded = lib.nn.utils.rnn.pad_packed_sequence(packed, not batch_first, -2.5, total)
            outcomes.append([each.tolist() for each in (*packed, *padded)])
        assert outcomes[0] == outcomes[1]
