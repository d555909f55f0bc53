from __future__ import annotations

import os

import numpy as np  # its BLAS is what is counted
import pytest
from threadpoolctl import threadpool_info

from trainctl.train.threads import blas_threads, resolve_threads


def used() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("number", [1, 2])
def test_blas_uses_as_many_threads_as_it_is_told(number: int):
    assert np.__version__
    before = used()
    with blas_threads(number):
        assert used() == {number}
    assert used() == before


def test_auto_is_what_this_process_may_use(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5})
    assert resolve_threads("auto") == 3
    assert resolve_threads(7) == 7
