"""Datasets, and what is made of them: by sample and by gather they are the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainctl
from trainctl.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split
from trainctl.data.bulk import bulk_method
from trainctl.data.dataset import read_samples


def tensors(size: int, first: int = 0) -> TensorDataset:
    labels = np.arange(first, first + size)
    return TensorDataset(trainctl.from_numpy(labels[:, None].astype(np.float32) * 10), trainctl.from_numpy(labels))


class Words(Dataset):
    def __getitem__(self, index):
        return "abcdef"[index]

    def __len__(self):
        return 6


def test_samples_of_tensors_are_tuples_of_their_entries():
    data = tensors(3)
    image, label = data[1]
    assert (image.tolist(), label.item(), len(data)) == ([10.0], 1, 3)
    assert [entries.tolist() for entries in data[0:2]] == [[[0.0], [10.0]], [0, 1]]


@pytest.mark.parametrize("sizes", [(), (2, 3)])
def test_tensors_that_do_not_belong_together_are_refused(sizes):
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(*[trainctl.zeros(size) for size in sizes])


def nested() -> ConcatDataset:
    """Samples 0..9, in an order of their own, through two subsets and a concatenation in another."""
    inner = ConcatDataset([tensors(4), Subset(tensors(20), [9, 8, 7]), tensors(3, first=4)])
    return ConcatDataset([Subset(inner, np.array([6, 0, 1])), inner])


@given(st.lists(st.integers(-13, 12), min_size=1, max_size=20))
def test_gather_gives_what_the_samples_give(indices):
    data = nested()
    images, labels = data.gather(np.array(indices))
    samples = [data[index] for index in indices]
    assert labels.tolist() == [label.item() for _, label in samples]
    assert images.tolist() == [image.tolist() for image, _ in samples]
    assert (images.dtype, labels.dtype) == (trainctl.float32, trainctl.int64)


@pytest.mark.parametrize("index", [13, -14])
def test_gather_out_of_range_is_an_error(index):
    with pytest.raises(IndexError):
        nested().gather(np.array([0, index]))


@pytest.mark.parametrize("make", [lambda data: Subset(data, [0]), lambda data: ConcatDataset([tensors(2), data])])
def test_there_is_gather_only_where_the_parents_have_it(make):
    assert hasattr(make(tensors(3)), "gather")
    assert not hasattr(make(Words()), "gather")


def test_a_sample_redefined_is_not_passed_by():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * each for each in super().__getitem__(index))

    data = Doubled(trainctl.arange(3))
    assert bulk_method(data, "gather", "__getitem__") is None
    assert not hasattr(Subset(data, [1]), "gather")
    assert Subset(data, [1])[0][0].item() == 2


def test_a_subclass_that_leaves_samples_alone_keeps_gather():
    class Named(TensorDataset):
        name = "numbers"

    assert bulk_method(Named(trainctl.arange(3)), "gather", "__getitem__")([1])[0].tolist() == [1]


def test_a_subset_s_indices_may_be_replaced():
    data = Subset(tensors(5), [0, 1])
    data.indices = [4, 3, 2]
    assert data.gather(np.array([0, 2]))[1].tolist() == [4, 2]
    assert len(data) == 3


def test_a_subset_by_an_array_asks_for_samples_by_plain_integers():
    class Keys(Dataset):
        def __getitem__(self, index):
            return index if isinstance(index, list) else type(index)

    data = Subset(Keys(), np.array([5, 3]))
    assert [data[0], *read_samples(data, [1])] == [int, int]
    assert [type(each) for each in data[[0, 1]]] == [int, int]


def test_a_subset_reads_several_samples_as_its_parent_does():
    class Logged(Words):
        def __getitems__(self, indices):
            return [f"<{index}>" for index in indices]

    assert read_samples(Subset(Subset(Logged(), [5, 4, 3]), [2, 0]), [0, 1]) == ["<3>", "<5>"]
    assert read_samples(Subset("abc", [2, 1]), [1, 0]) == ["b", "c"]


def test_an_error_names_the_sample():
    class Broken(Words):
        def __getitem__(self, index):
            if index == 3:
                raise OSError("disk on fire")
            return super().__getitem__(index)

    with pytest.raises(OSError, match="disk on fire") as caught:
        read_samples(Broken(), [1, 3, 5])
    assert caught.value.__notes__ == ["while reading sample 3 of Broken"]


def test_concatenation_is_one_dataset_after_another():
    data = Words() + Words() + "xy"
    assert [data[index] for index in (0, 6, 13, -1, -14)] == ["a", "a", "y", "y", "a"]
    assert (len(data), data.cumulative_sizes) == (14, [12, 14])
    with pytest.raises(ValueError, match="absolute value of index"):
        data[-15]
    with pytest.raises(IndexError):
        data[14]


@pytest.mark.parametrize(
    ("datasets", "message"),
    [([], "should not be an empty iterable"), ([IterableDataset()], "does not support IterableDataset")],
)
def test_what_cannot_be_concatenated_is_refused(datasets, message):
    with pytest.raises(AssertionError, match=message):
        ConcatDataset(datasets)


@given(
    size=st.integers(0, 200),
    weights=st.lists(st.integers(0, 10), min_size=1, max_size=5).filter(any),
    seed=st.integers(0, 2**32),
)
@pytest.mark.filterwarnings("ignore:Length of split")
def test_a_split_covers_every_sample_once(size, weights, seed):
    fractions = [weight / sum(weights) for weight in weights]
    if sum(fractions) > 1:  # rounding; PyTorch then takes them for lengths
        return
    parts = random_split(range(size), fractions, trainctl.Generator().manual_seed(seed))
    assert sorted(index for part in parts for index in part.indices) == list(range(size))
    assert all(abs(len(part) - size * fraction) <= len(parts) for part, fraction in zip(parts, fractions, strict=True))
    again = random_split(range(size), [len(part) for part in parts], trainctl.Generator().manual_seed(seed))
    assert [part.indices for part in again] == [part.indices for part in parts]


@pytest.mark.parametrize(
    ("size", "lengths", "expected"),
    [
        (60_000, [0.9, 0.1], [54_000, 6_000]),
        (10, [0.33, 0.33, 0.34], [4, 3, 3]),
        (11, [0.5, 0.5], [6, 5]),
        (10, [1], [10]),
        (3, [1, 2], [1, 2]),
        (0, [0, 0], [0, 0]),
    ],
)
def test_fractions_are_rounded_down_and_the_rest_dealt_out(size, lengths, expected):
    assert [len(part) for part in random_split(range(size), lengths)] == expected


def test_a_split_is_of_the_global_seed():
    trainctl.manual_seed(1)
    one = random_split(range(20), [0.5, 0.5])[0].indices
    trainctl.manual_seed(1)
    assert random_split(range(20), [0.5, 0.5])[0].indices == one
    assert random_split(range(20), [0.5, 0.5])[0].indices != one


def test_an_empty_part_is_warned_of():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(3), [0.9, 0.1])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 1], r"The lengths \[1, 1\] sum to 2, the dataset has 3 samples"),
        ([0.5, 0.4], r"whole numbers, or fractions that sum to 1, got \[0\.5, 0\.4\]"),
        ([-1, 4], r"whole numbers.* got \[-1, 4\]"),
        ([float("nan"), 3], "whole numbers"),
        ([1.5, -0.5], "Fraction at index 0 is not between 0 and 1"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        random_split(range(3), lengths)


def test_a_base_class_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="should implement __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="should implement __iter__"):
        iter(IterableDataset())
    assert Dataset[int] is not None  # annotations such as Dataset[int] work
