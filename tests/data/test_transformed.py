"""What a sample becomes depends on seed, epoch and index alone: not on batch, worker or where a pass begins."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import trainctl
from trainctl.data import (
    DataLoader,
    EpochLoader,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    Subset,
    TensorDataset,
    TransformedDataset,
)

RAW = TensorDataset(
    trainctl.tensor(np.random.default_rng(0).random((40, 1, 8, 8), np.float32)), trainctl.tensor(np.arange(40))
)
RANDOM = [RandomCrop(8, padding=2), RandomHorizontalFlip(), Normalize(0.5, 0.5)]


class Slow(trainctl.utils.data.Dataset):
    """The same samples one by one, without gather."""

    def __getitem__(self, index):
        return RAW[index]

    def __len__(self):
        return len(RAW)


def seen(loader) -> list[tuple[int, bytes]]:
    return [
        (label, image.tobytes())
        for images, labels in loader
        for image, label in zip(images.numpy(), labels.tolist(), strict=True)
    ]


def loader(dataset=RAW, *, epoch=1, start=0, seed=7, **options) -> EpochLoader:
    made = EpochLoader(TransformedDataset(dataset, RANDOM, seed=seed), **{"batch_size": 8, "seed": seed, **options})
    made.set_epoch(epoch, start)
    return made


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("dataset", [RAW, Slow(), Subset(RAW, np.arange(40))], ids=["gather", "single", "subset"])
def test_workers_and_ways_to_read_give_the_same_batches(workers, dataset):
    assert seen(loader(dataset, num_workers=workers)) == seen(loader())


def test_the_size_of_a_batch_and_the_order_change_no_sample():
    expected = dict(seen(loader()))
    assert dict(seen(loader(batch_size=3))) == expected
    assert dict(seen(loader(shuffle=False, num_workers=2))) == expected
    data = TransformedDataset(RAW, RANDOM, seed=7)
    data.set_epoch(1)
    assert {index: data[index][0].numpy().tobytes() for index in range(40)} == expected
    assert data[-1][0].tolist() == data[39][0].tolist()


@pytest.mark.parametrize("workers", [0, 4])
def test_a_pass_that_begins_in_the_middle_goes_on_alike(workers):
    whole = seen(loader(epoch=3))
    assert seen(loader(epoch=3, start=16, num_workers=workers)) == whole[16:]


def test_epochs_and_seeds_differ():
    passes = [dict(seen(loader(**options))) for options in ({}, {"epoch": 2}, {"seed": 8})]
    for other in passes[1:]:
        assert sum(other[index] == passes[0][index] for index in range(40)) < 10


def test_a_pass_keeps_its_epoch_while_the_next_is_chosen():
    made = loader(num_workers=2)
    expected = seen(made)
    running = iter(made)
    first = next(running)
    made.dataset.set_epoch(9)
    assert seen([first, *running]) == expected


def test_without_random_transforms_epochs_are_alike():
    data = TransformedDataset(RAW, [Normalize(0.5, 0.5), lambda image: image * 2])
    before = seen(DataLoader(data, batch_size=7))
    data.set_epoch(4)
    assert seen(DataLoader(data, batch_size=9)) == before
    np.testing.assert_allclose(data[3][0].numpy(), (RAW[3][0].numpy() - 0.5) * 4, rtol=1e-5, atol=1e-6)


def test_workers_are_kept_from_epoch_to_epoch_and_no_more_come():
    made = loader(num_workers=3)
    seen(made)
    threads = set(threading.enumerate())
    for epoch in range(2, 30):
        made.set_epoch(epoch)
        seen(made)
    assert set(threading.enumerate()) == threads


def test_memory_is_flat_over_epochs():
    made = loader(num_workers=2)
    sizes = []
    for epoch in range(1, 41):
        made.set_epoch(epoch)
        seen(made)
        if epoch in (10, 40):
            gc.collect()
            sizes.append(len(gc.get_objects()))
    assert sizes[1] - sizes[0] < 50
