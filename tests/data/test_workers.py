"""Threads give results in order, pass errors on, and end."""

from __future__ import annotations

import itertools
import threading
import time
import weakref

import pytest

from tests.data.samples import wait_for_threads_to_end
from trainctl.data.workers import WorkerPool, load_ahead


@pytest.fixture(autouse=True)
def no_thread_is_left_behind():
    yield
    wait_for_threads_to_end()


@pytest.fixture
def pool():
    pool = WorkerPool(3)
    yield pool
    pool.close()


def test_results_come_in_the_order_of_the_keys(pool):
    def slow_at_first(key):
        time.sleep(0.01 * (key < 2))
        return key

    assert list(load_ahead(pool, slow_at_first, range(20), depth=5, timeout=0)) == list(range(20))


@pytest.mark.parametrize("depth", [1, 4])
def test_no_more_than_depth_are_loaded_ahead(pool, depth):
    asked = []
    keys = (asked.append(key) or key for key in itertools.count())
    batches = load_ahead(pool, str, keys, depth=depth, timeout=0)
    for consumed in range(1, 10):
        next(batches)
        assert len(asked) == consumed + depth
    batches.close()


def test_an_error_is_raised_in_its_place_with_its_own_traceback(pool):
    def fail_at_two(key):
        if key == 2:
            raise OSError("disk on fire")
        return key

    batches = load_ahead(pool, fail_at_two, range(9), depth=4, timeout=0)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(OSError, match="disk on fire") as caught:
        next(batches)
    assert caught.traceback[-1].name == "fail_at_two"
    assert caught.value.__notes__[-1].startswith("in DataLoader worker ")


def test_an_error_in_init_reaches_the_consumer():
    def fail(number):
        raise OSError("no room for a worker")

    pool = WorkerPool(2, init=fail)
    with pytest.raises(OSError, match="no room for a worker"):
        next(load_ahead(pool, str, range(3), depth=2, timeout=0))
    pool.close()


def test_init_is_called_once_in_each_thread():
    numbers = []
    pool = WorkerPool(3, init=lambda number: numbers.append((number, threading.current_thread().name)))
    for _ in range(2):
        assert len(list(load_ahead(pool, str, range(9), depth=6, timeout=0))) == 9
    del pool  # its threads end with it
    wait_for_threads_to_end()
    assert sorted(numbers) == [(number, f"DataLoader worker {number}") for number in range(3)]


def test_a_consumer_that_stops_early_leaves_no_work(pool):
    started = []
    batches = load_ahead(
        pool, lambda key: time.sleep(0.02) or started.append(key), itertools.count(), depth=30, timeout=0
    )
    next(batches)
    batches.close()
    time.sleep(0.1)
    assert len(started) < 10


def test_a_worker_that_takes_too_long_is_said(pool):
    release = threading.Event()
    batches = load_ahead(pool, lambda key: release.wait(), range(3), depth=2, timeout=0.05)
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.05 seconds"):
        next(batches)
    release.set()


def test_a_worker_s_own_timeout_is_its_own(pool):
    def fail(key):
        raise TimeoutError("the server is gone")

    with pytest.raises(TimeoutError, match="the server is gone"):
        next(load_ahead(pool, fail, range(3), depth=2, timeout=5))


def test_a_result_is_held_by_nobody_once_consumed(pool):
    class Batch:
        pass

    batches = load_ahead(pool, lambda key: Batch(), range(4), depth=1, timeout=0)
    held = weakref.ref(next(batches))
    assert len(list(batches)) == 3
    deadline = time.monotonic() + 5
    while held() is not None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert held() is None
