"""Samplers draw what they promise, and the same again from the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainctl
from trainctl.data import (
    BatchSampler,
    EpochSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

SEEDS = st.integers(-(2**63), 2**64 - 1)
EPOCHS = st.integers(0, 2**64 - 1)


def seeded(seed: int = 0) -> trainctl.Generator:
    return trainctl.Generator().manual_seed(seed)


RANDOM_SAMPLERS = {
    "random": lambda g: RandomSampler(range(50), generator=g),
    "random with replacement": lambda g: RandomSampler(range(50), True, 70, generator=g),
    "subset": lambda g: SubsetRandomSampler(range(100, 150), generator=g),
    "weighted": lambda g: WeightedRandomSampler(range(50), 70, generator=g),
    "weighted without replacement": lambda g: WeightedRandomSampler(range(50), 40, False, generator=g),
}


@pytest.mark.parametrize("make", RANDOM_SAMPLERS.values(), ids=RANDOM_SAMPLERS.keys())
def test_a_generator_decides_the_order(make):
    first = make(seeded(3))
    one, two = list(first), list(first)
    assert len(one) == len(first)
    assert one != two  # each pass draws anew
    assert list(make(seeded(3))) == one
    assert list(make(seeded(4))) != one
    assert all(type(index) is int for index in one)


@pytest.mark.parametrize("make", RANDOM_SAMPLERS.values(), ids=RANDOM_SAMPLERS.keys())
def test_the_global_seed_decides_where_there_is_no_generator(make):
    trainctl.manual_seed(5)
    one = list(make(None))
    trainctl.manual_seed(5)
    assert list(make(None)) == one


def test_sequential_is_the_dataset_s_order():
    sampler = SequentialSampler("abcd")
    assert list(sampler) == [0, 1, 2, 3]
    assert len(sampler) == 4


@given(size=st.integers(1, 30), count=st.integers(1, 100), seed=SEEDS)
def test_without_replacement_each_pass_is_a_permutation(size, count, seed):
    drawn = list(RandomSampler(range(size), num_samples=count, generator=seeded(seed)))
    assert len(drawn) == count
    for start in range(0, count, size):
        part = drawn[start : start + size]
        assert sorted(part) == list(range(size)) or (len(part) < size and len(set(part)) == len(part))


def test_with_replacement_draws_are_uniform_and_repeat():
    counts = np.bincount(list(RandomSampler(range(10), True, 10_000, seeded())), minlength=10)
    assert (abs(counts - 1000) < 150).all()  # five standard deviations


def test_a_subset_is_drawn_once_each():
    assert sorted(SubsetRandomSampler([7, 3, 11], seeded())) == [3, 7, 11]
    assert sorted(SubsetRandomSampler(["b", "a"])) == ["a", "b"]  # keys of a mapping, as PyTorch has it


@pytest.mark.parametrize("replacement", [True, False])
def test_weights_are_probabilities(replacement):
    # Without replacement the first draw of each pass has the same distribution.
    generator = seeded()
    sampler = WeightedRandomSampler([1.0, 0.0, 3.0], 1, replacement, generator)
    counts = Counter(index for _ in range(4000) for index in sampler)
    assert counts[1] == 0
    assert abs(counts[2] / 4000 - 0.75) < 0.035  # five standard deviations


def test_without_replacement_weights_never_repeat():
    assert sorted(WeightedRandomSampler([0.1, 5, 0, 1e-9], 3, False, seeded())) == [0, 1, 3]


@given(seed=SEEDS, epoch=EPOCHS, size=st.integers(0, 40), data=st.data())
def test_an_epoch_s_order_is_a_function_of_seed_and_epoch(seed, epoch, size, data):
    sampler = EpochSampler(range(size), seed=seed)
    sampler.set_epoch(epoch)
    whole = list(sampler)
    assert sorted(whole) == list(range(size))
    start = data.draw(st.integers(0, size))
    trainctl.manual_seed(start)  # nothing else matters
    again = EpochSampler(range(size), seed=seed)
    again.set_epoch(data.draw(EPOCHS))
    again.set_epoch(epoch, start=start)
    assert list(again) == whole[start:]
    assert len(again) == size - start


def test_epochs_and_seeds_give_different_orders():
    orders = set()
    for seed in (0, 1, -1, 2**64 - 2):
        sampler = EpochSampler(range(20), seed=seed)
        for epoch in range(5):
            sampler.set_epoch(epoch)
            orders.add(tuple(sampler))
    assert len(orders) == 20


def philox(key: tuple[int, int], count: int) -> list[int]:
    """Philox4x64-10 from its paper (Salmon et al. 2011), the counter from 1."""
    numbers: list[int] = []
    for block in range(1, -(-count // 4) + 1):
        (a, b, c, d), (k0, k1) = (block, 0, 0, 0), key
        for _ in range(10):
            p, q = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
            a, b, c, d = (q >> 64) ^ b ^ k0, q % 2**64, (p >> 64) ^ d ^ k1, p % 2**64
            k0, k1 = (k0 + 0x9E3779B97F4A7C15) % 2**64, (k1 + 0xBB67AE8584CAA73B) % 2**64
        numbers += [a, b, c, d]
    return numbers[:count]


@given(seed=SEEDS, epoch=EPOCHS, size=st.integers(0, 40))
def test_the_order_is_that_of_philox_whatever_the_version_of_numpy(seed, epoch, size):
    sampler = EpochSampler(range(size), seed=seed)
    sampler.set_epoch(epoch)
    keys = philox((seed % 2**64, epoch), size)
    assert list(sampler) == sorted(range(size), key=keys.__getitem__)


def test_every_place_is_equally_likely_for_every_sample():
    sampler = EpochSampler(range(5), seed=0)
    counts = np.zeros((5, 5))
    for epoch in range(5000):
        sampler.set_epoch(epoch)
        counts[np.arange(5), sampler.order()] += 1
    assert (abs(counts - 1000) < 150).all()  # five standard deviations


def test_an_epoch_without_shuffle_is_the_dataset_s_order():
    sampler = EpochSampler("abcd", seed=0, shuffle=False)
    sampler.set_epoch(9, start=1)
    assert list(sampler) == [1, 2, 3]


@given(st.integers(0, 30), st.integers(1, 8), st.booleans())
def test_batches_are_the_sampler_s_indices_in_groups(size, batch_size, drop_last):
    sampler = BatchSampler(SequentialSampler(range(size)), batch_size, drop_last)
    plain = BatchSampler(iter(range(size)), batch_size, drop_last)  # any iterable will do
    batches = list(sampler)
    assert list(plain) == batches
    assert len(sampler) == len(batches)
    arrays = list(sampler.batches())
    assert [array.tolist() for array in arrays] == batches
    assert all(array.dtype == np.int64 for array in arrays)
    indices = [index for batch in batches for index in batch]
    assert indices == list(range(size - size % batch_size if drop_last else size))
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_a_subclass_s_own_order_is_kept_in_batches():
    class Backwards(SequentialSampler):
        def __iter__(self):
            return iter(reversed(range(len(self))))

    assert list(BatchSampler(Backwards(range(4)), 3, False).batches()) == [[3, 2, 1], [0]]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RandomSampler([]), ValueError, "num_samples should be a positive integer"),
        (lambda: RandomSampler("ab", num_samples=0), ValueError, "num_samples=0"),
        (lambda: RandomSampler("ab", num_samples=1.5), ValueError, "num_samples=1.5"),
        (lambda: RandomSampler("ab", replacement=1), TypeError, "replacement should be a boolean"),
        (lambda: WeightedRandomSampler([1.0], 0), ValueError, "num_samples=0"),
        (lambda: WeightedRandomSampler([1.0], True), ValueError, "num_samples=True"),
        (lambda: WeightedRandomSampler([1.0], 1, 1), ValueError, "replacement should be a boolean"),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError, "1d sequence"),
        (lambda: WeightedRandomSampler([1.0, -1.0], 1), ValueError, "not negative"),
        (lambda: WeightedRandomSampler([float("nan")], 1), ValueError, "finite"),
        (lambda: WeightedRandomSampler([0.0], 1), ValueError, "1 positive weights"),
        (lambda: WeightedRandomSampler([0.0, 1.0], 2, False), ValueError, "2 positive weights"),
        (lambda: BatchSampler([], 0, False), ValueError, "batch_size=0"),
        (lambda: BatchSampler([], True, False), ValueError, "batch_size=True"),
        (lambda: BatchSampler([], 2.0, False), ValueError, "batch_size=2.0"),
        (lambda: BatchSampler([], 2, 1), ValueError, "drop_last should be a boolean"),
        (lambda: EpochSampler("ab", seed=2**64), ValueError, "seed=18446744073709551616"),
        (lambda: EpochSampler("ab", seed=0).set_epoch(-1), ValueError, "epoch=-1"),
        (lambda: EpochSampler("ab", seed=0).set_epoch(0, start=3), ValueError, r"start should be in 0\.\.2"),
        (lambda: EpochSampler("ab", seed=0).set_epoch(0, start=-1), ValueError, "start=-1"),
        (lambda: iter(Sampler()), NotImplementedError, "Sampler has no __iter__"),
        (lambda: len(BatchSampler(iter("ab"), 1, False)), TypeError, "no len"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
