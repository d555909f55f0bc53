"""``DataLoader`` takes PyTorch's arguments and gives its batches, lengths and errors."""

from __future__ import annotations

import pytest

import trainctl
from tests.data.samples import Numbers, Squares, plain, tensors
from trainctl.data import DataLoader

ARGUMENTS = [
    {},
    {"batch_size": 3},
    {"batch_size": 5},
    {"batch_size": 10},
    {"batch_size": 99},
    {"batch_size": 3, "drop_last": True},
    {"batch_size": 99, "drop_last": True},
    {"batch_size": None},
    {"batch_size": 3, "sampler": [9, 0, 0, 4]},
    {"batch_size": None, "sampler": [9, 0, 0, 4]},
    {"batch_size": 4, "sampler": [-1, -10]},
    {"batch_sampler": [[0], [1, 2, 3], [4, 4]]},
    {"batch_sampler": [(0, 1), (5,)]},
    {"batch_size": 4, "collate_fn": len},
    {"batch_size": None, "collate_fn": repr},
    {"batch_size": 3, "shuffle": False},
    {"sampler": []},
    {"batch_sampler": []},
    {"batch_sampler": [[0, 1]], "collate_fn": len},
    # What excludes each other or is out of range.
    {"batch_size": 0},
    {"batch_size": -1},
    {"batch_size": 2.0},
    {"drop_last": 1},
    {"batch_size": None, "drop_last": True},
    {"shuffle": True, "sampler": [0]},
    {"shuffle": True, "batch_sampler": [[0]]},
    {"batch_size": 2, "batch_sampler": [[0]]},
    {"batch_size": None, "batch_sampler": [[0]]},
    {"sampler": [0], "batch_sampler": [[0]]},
    {"drop_last": True, "batch_sampler": [[0]]},
    {"num_workers": -1},
    {"timeout": -1},
    {"prefetch_factor": 2},
    {"num_workers": 1, "prefetch_factor": -1},
    {"persistent_workers": True},
    {"multiprocessing_context": "fork"},
    {"sampler": [10]},
]


def described(lib, dataset, arguments) -> object:
    """All that can be seen of a loader: its length, its batches twice over; or its error."""
    try:
        loader = lib.utils.data.DataLoader(dataset, **arguments)
        passes = [[plain(batch) for batch in loader] for _ in range(2)]
        return len(loader), loader.batch_size, loader.drop_last, passes
    except (ValueError, TypeError, IndexError) as error:
        return type(error)


def torch_dataset(torch, kind: str):
    if kind == "tensors":
        return torch.utils.data.TensorDataset(torch.arange(60).reshape(10, 2, 3), torch.arange(10))
    return Squares(10)


@pytest.mark.parametrize("kind", ["tensors", "samples"])
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_batches_lengths_and_errors_are_pytorch_s(kind, arguments):
    torch = pytest.importorskip("torch", reason="agreement with PyTorch")
    expected = described(torch, torch_dataset(torch, kind), arguments)
    assert described(trainctl, tensors(10) if kind == "tensors" else Squares(10), arguments) == expected


STREAM_ARGUMENTS = [
    {},
    {"batch_size": 3},
    {"batch_size": 3, "drop_last": True},
    {"batch_size": 10},
    {"batch_size": None},
    {"batch_size": 4, "collate_fn": sum},
    {"shuffle": True},
    {"sampler": [0]},
    {"batch_sampler": [[0]]},
    {"batch_size": 0},
]


@pytest.mark.parametrize("arguments", STREAM_ARGUMENTS, ids=str)
def test_streams_are_pytorch_s(arguments):
    torch = pytest.importorskip("torch", reason="agreement with PyTorch")

    class TorchNumbers(torch.utils.data.IterableDataset):
        __init__, __iter__, __len__ = Numbers.__init__, Numbers.__iter__, Numbers.__len__

    assert described(trainctl, Numbers(10), arguments) == described(torch, TorchNumbers(10), arguments)


@pytest.mark.parametrize("sampler", ["RandomSampler", "SequentialSampler", "SubsetRandomSampler", "BatchSampler"])
def test_pytorch_s_own_samplers_work_here(sampler):
    torch = pytest.importorskip("torch", reason="agreement with PyTorch")
    samplers = torch.utils.data
    made = {
        "RandomSampler": lambda: {"sampler": samplers.RandomSampler(range(6))},
        "SequentialSampler": lambda: {"sampler": samplers.SequentialSampler(range(6))},
        "SubsetRandomSampler": lambda: {"sampler": samplers.SubsetRandomSampler(torch.arange(6))},
        "BatchSampler": lambda: {"batch_sampler": samplers.BatchSampler(range(6), 2, False)},
    }[sampler]()
    seen = [label for _, labels in DataLoader(tensors(6), **made) for label in labels.tolist()]
    assert sorted(seen) == list(range(6))
