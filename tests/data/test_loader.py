"""``DataLoader`` gives the same batches whoever loads them, in the order asked for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainctl
from tests.data.samples import Squares, plain, tensors
from trainctl.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    EpochSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)


class BySample(Dataset):
    """Another dataset without its gather."""

    def __init__(self, dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, index):
        return self.dataset[index]

    def __len__(self):
        return len(self.dataset)


@given(
    size=st.integers(1, 25),
    batch_size=st.integers(1, 9),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    num_workers=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_batches_do_not_depend_on_who_loads_them(size, batch_size, shuffle, drop_last, num_workers, seed):
    def batches(dataset, num_workers):
        loader = DataLoader(
            dataset,
            batch_size,
            shuffle,
            drop_last=drop_last,
            num_workers=num_workers,
            generator=trainctl.Generator().manual_seed(seed),
        )
        return [plain(batch) for _ in range(2) for batch in loader]

    data = ConcatDataset([Subset(tensors(40), range(7, 7 + size)), tensors(size)])
    expected = batches(data, 0)
    assert batches(BySample(data), 0) == expected
    assert batches(data, num_workers) == expected
    assert batches(BySample(data), num_workers) == expected


def test_gather_is_asked_once_a_batch_with_an_int64_array():
    asked = []

    class Gathering(Squares):
        def __getitem__(self, index):
            raise AssertionError("read by sample")

        def gather(self, indices):
            raise AssertionError("overridden below")

    class Logged(Gathering):
        def gather(self, indices):
            asked.append(indices)
            return (trainctl.from_numpy(indices),)

    order = EpochSampler(range(5), seed=1)
    loaders = [
        DataLoader(Logged(5), 2),
        DataLoader(Logged(5), 2, shuffle=True),
        DataLoader(Logged(5), 2, sampler=order),
        DataLoader(Logged(5), 2, sampler=[0, 1, 2, 3, np.int32(4)]),
        DataLoader(Logged(5), batch_sampler=[[0, 1], trainctl.tensor([2, 3]), np.array([4], np.int16)]),
    ]
    for loader in loaders:
        asked.clear()
        batches = list(loader)
        assert [len(indices) for indices in asked] == [2, 2, 1]
        assert all(isinstance(indices, np.ndarray) and indices.dtype == np.int64 for indices in asked)
        assert all(type(batch) is list for batch in batches)
        assert sorted(np.concatenate(asked).tolist()) == [0, 1, 2, 3, 4]


def test_a_collate_fn_of_one_s_own_gets_samples():
    loader = DataLoader(tensors(3), 2, collate_fn=lambda samples: [label.item() for _, label in samples])
    assert list(loader) == [[0, 1], [2]]


def test_an_index_that_is_no_integer_is_refused():
    with pytest.raises(TypeError, match="float"):
        list(DataLoader(tensors(3), sampler=[0.5]))


def test_gather_must_return_a_list_of_tensors():
    class Alone(Squares):
        def __getitem__(self, index):
            return index

        def gather(self, indices):
            return trainctl.from_numpy(indices)

    with pytest.raises(TypeError, match="gather should return a tuple or list of tensors, got Tensor"):
        list(DataLoader(Alone(3)))


def test_a_batch_of_indices_may_be_any_iterable():
    batches = list(DataLoader(Squares(4), batch_sampler=[iter([3, 0]), (1,)]))
    assert [batch[1].tolist() for batch in batches] == [[9, 0], [1]]


def test_keys_of_a_mapping_are_indices_too():
    assert list(DataLoader({"a": 1, "b": 2}, sampler=["b", "a"], collate_fn=sum)) == [2, 1]


def test_a_dataset_that_reads_several_at_once_is_asked_to():
    class Several(Squares):
        def __getitems__(self, indices):
            return [-index for index in indices]

    assert [batch.tolist() for batch in DataLoader(Several(5), 3)] == [[0, -1, -2], [-3, -4]]


# -- order ----------------------------------------------------------------------------------------------


def labels(loader) -> list[int]:
    return [label for batch in loader for label in batch[1].tolist()]


def test_shuffling_follows_the_generator():
    def loader(seed):
        return DataLoader(tensors(30), 4, shuffle=True, generator=trainctl.Generator().manual_seed(seed))

    first = loader(0)
    one, two = labels(first), labels(first)
    assert sorted(one) == sorted(two) == list(range(30))
    assert one != two
    assert labels(loader(0)) == one
    assert labels(loader(1)) != one


def test_shuffling_follows_the_global_seed_where_there_is_no_generator():
    trainctl.manual_seed(3)
    one = labels(DataLoader(tensors(30), 4, shuffle=True))
    trainctl.manual_seed(3)
    assert labels(DataLoader(tensors(30), 4, shuffle=True)) == one


def test_two_passes_at_once_do_not_disturb_each_other():
    loader = DataLoader(tensors(6), 2, num_workers=2, persistent_workers=True)
    pairs = [(one[1].tolist(), two[1].tolist()) for one, two in zip(loader, loader, strict=True)]
    assert pairs == [([0, 1], [0, 1]), ([2, 3], [2, 3]), ([4, 5], [4, 5])]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_epoch_continues_where_it_was(num_workers):
    sampler = EpochSampler(range(10), seed=7)
    loader = DataLoader(tensors(10), 3, sampler=sampler, num_workers=num_workers)
    sampler.set_epoch(2)
    whole = [plain(batch) for batch in loader]
    sampler.set_epoch(2, start=6)
    assert [plain(batch) for batch in loader] == whole[2:]
    assert len(loader) == 2


# -- errors --------------------------------------------------------------------------------------------


class Broken(Squares):
    def __init__(self, size: int, error: BaseException) -> None:
        super().__init__(size)
        self.error = error

    def __getitem__(self, index):
        if index == 7:
            raise self.error
        return index


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_error_keeps_its_type_and_traceback_and_names_the_sample(num_workers):
    with pytest.raises(OSError, match="disk on fire") as caught:
        list(DataLoader(Broken(10, OSError("disk on fire")), 4, num_workers=num_workers))
    assert caught.traceback[-1].name == "__getitem__"
    assert "while reading sample 7 of Broken" in caught.value.__notes__


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_stop_iteration_out_of_a_dataset_does_not_end_the_pass_in_silence(num_workers, batch_size):
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Broken(10, StopIteration()), batch_size, num_workers=num_workers))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_before_an_error_are_delivered(num_workers):
    batches = iter(DataLoader(Broken(10, KeyError("gone")), 2, num_workers=num_workers))
    assert [batch.tolist() for batch in itertools.islice(batches, 3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(KeyError, match="gone"):
        next(batches)


def test_an_error_in_gather_names_the_samples():
    with pytest.raises(IndexError) as caught:
        list(DataLoader(tensors(3), 2, sampler=[0, 5]))
    assert "while reading samples [0, 5]" in caught.value.__notes__


class Ragged(Squares):
    def __getitem__(self, index):
        return {"word": np.zeros(1 + index // 5)}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_samples_of_different_shapes_are_named(num_workers):
    with pytest.raises(RuntimeError) as caught:
        list(DataLoader(Ragged(9), 3, sampler=[0, 4, 3, 1, 8, 2], num_workers=num_workers))
    assert "[1] at entry 0 and [2] at entry 1 (samples 1 and 8)" in str(caught.value)


def test_an_error_in_collating_names_the_samples():
    with pytest.raises(ZeroDivisionError) as caught:
        list(DataLoader(Squares(3), 2, collate_fn=lambda samples: 1 / 0))
    assert "while collating samples [0, 1]" in caught.value.__notes__


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_error_in_a_stream_names_its_place(num_workers):
    class BrokenStream(IterableDataset):
        def __iter__(self):
            yield from range(5)
            raise OSError("connection lost")

    batches = iter(DataLoader(BrokenStream(), 3, num_workers=num_workers))
    assert next(batches).tolist() == [0, 1, 2]
    with pytest.raises(OSError, match="connection lost") as caught:
        next(batches)
    assert "while reading sample 5 of BrokenStream" in caught.value.__notes__


def test_what_a_loader_was_made_of_cannot_be_changed():
    loader = DataLoader(tensors(3))
    for name in ("batch_size", "sampler", "batch_sampler", "drop_last", "dataset", "persistent_workers"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set"):
            setattr(loader, name, None)


@pytest.mark.parametrize("dataset", [Dataset(), IterableDataset()])
def test_there_is_no_length_where_the_dataset_has_none(dataset):
    loader = DataLoader(dataset, sampler=None if isinstance(dataset, IterableDataset) else iter("ab"))
    with pytest.raises(TypeError, match="len"):
        len(loader)


def test_the_default_order_is_made_of_samplers():
    loader = DataLoader(tensors(5), 2)
    assert isinstance(loader.sampler, SequentialSampler)
    assert isinstance(loader.batch_sampler, BatchSampler)
    assert isinstance(DataLoader(tensors(5), shuffle=True).sampler, RandomSampler)


def test_the_loader_is_where_pytorch_has_it():
    from trainctl.utils.data import DataLoader as same

    assert same is DataLoader
    assert trainctl.utils.data.DataLoader is DataLoader
