"""Workers load ahead, in order, within bounds, and end."""

from __future__ import annotations

import threading
import time

import pytest

from tests.data.samples import Numbers, Squares, plain, tensors, wait_for_threads_to_end
from trainctl.data import DataLoader


@pytest.mark.parametrize("num_workers", [1, 3])
@pytest.mark.parametrize("batch_size", [None, 3, 4])
def test_a_stream_is_the_same_with_workers(num_workers, batch_size):
    expected = [plain(batch) for batch in DataLoader(Numbers(10), batch_size)]
    loader = DataLoader(Numbers(10), batch_size, num_workers=num_workers)
    for _ in range(2):
        assert [plain(batch) for batch in loader] == expected


@pytest.mark.parametrize("dataset", [Squares(10**6), Numbers(10**6)])
def test_stopping_early_leaves_no_threads(dataset):
    for _ in DataLoader(dataset, 2, num_workers=3):
        break
    wait_for_threads_to_end()


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_start_anew_in_each_pass_unless_persistent(persistent):
    started = []
    loader = DataLoader(Squares(9), 2, num_workers=2, worker_init_fn=started.append, persistent_workers=persistent)
    for _ in range(3):
        assert len(list(loader)) == 5
    del loader
    wait_for_threads_to_end()
    assert sorted(started) == ([0, 1] if persistent else [0, 0, 0, 1, 1, 1])


def test_workers_load_at_the_same_time():
    meeting = threading.Barrier(3, timeout=10)

    class Meeting(Squares):
        def __getitem__(self, index):
            meeting.wait()
            return index

    assert len(list(DataLoader(Meeting(6), num_workers=3))) == 6


@pytest.mark.parametrize(("prefetch_factor", "ahead"), [(None, 4), (3, 6), (0, 1)])
def test_prefetching_is_bounded(prefetch_factor, ahead):
    asked = []
    sampler = (asked.append(index) or index for index in range(100))
    batches = iter(DataLoader(Squares(100), sampler=sampler, num_workers=2, prefetch_factor=prefetch_factor))
    next(batches)
    time.sleep(0.02)
    assert len(asked) == 1 + ahead
    batches.close()


def test_a_worker_that_hangs_is_said():
    release = threading.Event()

    class Hanging(Squares):
        def __getitem__(self, index):
            release.wait()

    with pytest.raises(RuntimeError, match=r"timed out after 0\.05 seconds"):
        next(iter(DataLoader(Hanging(3), num_workers=1, timeout=0.05)))
    release.set()


def test_a_timeout_without_workers_is_refused():
    with pytest.raises(ValueError, match="timeout option needs num_workers > 0"):
        DataLoader(Squares(3), timeout=1)


def test_a_batch_stays_what_it_was():
    batches = list(DataLoader(tensors(20), 2, num_workers=2))
    assert [label for batch in batches for label in batch[1].tolist()] == list(range(20))
