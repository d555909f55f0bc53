from __future__ import annotations

import os

import numpy as np  # its BLAS is what is counted
import pytest
from threadpoolctl import threadpool_info

from tests.train.tiny import load, write_config
from trainctl.backend import jit, threads
from trainctl.jobs import run_profile, run_training
from trainctl.plan import peaks
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
    monkeypatch.setattr(threads, "_quota", lambda file: None)
    assert resolve_threads("auto") == 3
    monkeypatch.setattr(threads, "_quota", lambda file: 2)
    assert resolve_threads("auto") == 2
    assert resolve_threads(7) == 7


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A config whose plan leaves the threads to the BLAS library: products are its work, and there is no Numba."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jit, "available", lambda: False)
    monkeypatch.setattr(peaks, "_SECONDS", 0.001)
    return write_config(tmp_path)


WIDE = ("model.1.Linear.out_features=128", "model.2.Dropout.p=0", "train.epochs=2")


@pytest.mark.parametrize(("asked", "blas"), [("false", 2), ("true", 1)])
def test_a_deterministic_run_leaves_blas_one_thread(asked, blas, config):
    loaded = load(config, *WIDE, "threads=2", f"train.deterministic={asked}")
    assert run_profile(loaded, steps=1)["plan"]["blas_threads"] == blas


@pytest.mark.parametrize("compiled", ["true", "false"])
def test_a_deterministic_run_ends_with_the_same_bits_whatever_the_threads(compiled, config, tmp_path):
    overrides = *WIDE, "train.deterministic=true", f"train.compile={compiled}"
    found = {
        run_training(load(config, *overrides, f"threads={number}"), output_dir=tmp_path / str(number))["weights_sha256"]
        for number in (1, 2, 4)
    }
    assert len(found) == 1
