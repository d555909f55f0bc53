from __future__ import annotations

import json

import pytest

from tests.cli.command import environment, trainctl
from tests.train.tiny import write_config
from trainctl.backend import jit
from trainctl.backend.kernel_cache import log
from trainctl.train.events import Notice, StepEnd
from trainctl.train.first_use import announced

STEPS = [StepEnd(1, number, number, 0.5, 0.1, 4) for number in range(1, 4)]


@pytest.fixture(autouse=True)
def own_log(monkeypatch):
    monkeypatch.setattr(log, "compiled", 5)
    monkeypatch.setattr(log, "seconds", 1.0)
    monkeypatch.setattr(log, "kept", True)


def compiling(counts, seconds):
    """Yield steps, before each of which some loops are compiled."""
    for step, count, each in zip(STEPS, counts, seconds, strict=True):
        for _ in range(count):
            log.on_start()
            log.compiled += 1
            log.seconds += each
        yield step


def seen(counts, seconds=(0.25, 0.25, 0.25)):
    """Return what a display sees, steps by their numbers and notices by their text."""
    found = []

    def on_event(event):
        found.append(event.message.partition(";")[0] if isinstance(event, Notice) else event.step)

    for event in announced(compiling(counts, seconds), on_event):
        on_event(event)
    return found


def test_who_waits_is_told_before_and_after():
    assert seen((2, 0, 0)) == ["compiling kernels (first use) ...", "compiled 2 kernels in 0.5s", 1, 2, 3]


def test_what_is_loaded_is_no_news():
    assert seen((0, 0, 0)) == [1, 2, 3]


def test_what_comes_later_is_news_if_it_takes_long():
    first = ["compiling kernels (first use) ...", "compiled 1 kernel in 0.2s", 1]
    assert seen((1, 1, 0)) == [*first, 2, 3]
    assert seen((1, 1, 0), (0.2, 4.0, 0.2)) == [*first, "compiled 1 kernel in 4.0s", 2, 3]


def test_nobody_is_told_once_it_is_over():
    before = log.on_start
    list(announced(STEPS, pytest.fail))
    assert log.on_start is before


@pytest.mark.skipif(not jit.available(), reason="needs Numba")
def test_the_first_run_compiles_and_says_so_and_the_next_one_loads(tmp_path):
    write_config(tmp_path)
    options = {"cwd": tmp_path, "env": environment(TRAINCTL_CACHE_DIR=str(tmp_path / "cache"))}
    first = trainctl("train", "tiny.yaml", "train.epochs=1", **options)
    again = trainctl("train", "tiny.yaml", "train.epochs=1", "-f", "--log-format", "json", **options)
    assert (first.returncode, again.returncode, first.stdout) == (0, 0, b"")
    _, compiling, compiled, *_ = first.stderr.decode().splitlines()
    assert compiling == "note: compiling kernels (first use) ..."
    assert compiled.startswith("note: compiled ")
    assert compiled.endswith(f"; kept in {tmp_path / 'cache' / 'kernels'}")
    assert "notice" not in [json.loads(line)["event"] for line in again.stderr.decode().splitlines()]


@pytest.mark.skipif(not jit.available(), reason="needs Numba")
@pytest.mark.parametrize("words", [["--dry-run"], ["--quiet"]])
def test_a_cache_that_cannot_be_written_is_no_error(words, tmp_path):
    write_config(tmp_path)
    options = {"cwd": tmp_path, "env": environment(TRAINCTL_CACHE_DIR=str(tmp_path / "tiny.yaml" / "below"))}
    run = trainctl("train", "tiny.yaml", "train.epochs=1", *words, **options)
    assert run.returncode == 0
    said = run.stderr.decode()
    assert ("cannot be written: the next start compiles them again" in said) is (words == ["--dry-run"])
