"""Loops compiled by several processes: all of them are there in the end, whatever becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trainctl.backend import compiling, jit
from trainctl.backend.compiling import make_ready
from trainctl.backend.kernel_cache import log

pytestmark = pytest.mark.skipif(not jit.available(), reason="needs Numba")

ROOT = Path(__file__).parents[2]


@jit.kernel("void(f4[::1])")
def add_one(x):
    for i in range(x.size):
        x[i] += 1


@jit.kernel("void(f4[::1])")
def add_two(x):
    add_one(x)
    add_one(x)


@jit.kernel("void(f4[::1])", "void(f8[::1])")
def halve(x):
    for i in range(x.size):
        x[i] *= 0.5


LOOPS = {"add_one": (add_one, 4), "add_two": (add_two, 5), "halve": (halve, 1.5)}


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """An empty cache, loops that nobody compiled yet, and a second core."""
    monkeypatch.setenv("TRAINCTL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "usable_cores", lambda: 2)
    monkeypatch.setattr(compiling, "FEW", 1)
    for name, (loop, _) in LOOPS.items():
        fresh = jit.Kernel(loop.function, loop.signatures)
        monkeypatch.setitem(globals(), name, fresh)
        monkeypatch.setitem(LOOPS, name, (fresh, LOOPS[name][1]))


@pytest.fixture
def started(monkeypatch):
    """The processes that are started."""
    found = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            found.append(self)

    monkeypatch.setattr(compiling.subprocess, "Popen", Noted)
    return found


def check():
    """Every loop does what it is for."""
    for loop, expected in LOOPS.values():
        x = np.full(5, 3, np.float32)
        loop(x)
        assert (x == expected).all()


def wanted():
    return [loop for loop, _ in LOOPS.values()]


def test_a_helper_compiles_what_is_loaded_here(started, tmp_path, monkeypatch):
    """This process takes the most urgent loop and waits; the helper is told the others that do not call that one."""

    def wait(kernel):
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("kernels/*.kernel"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)

    before = log.compiled
    with monkeypatch.context() as waiting:
        waiting.setattr(jit.Kernel, "compiled", property(wait))
        make_ready(wanted())
    assert len(started) == 1
    assert started[0].returncode is not None
    assert log.compiled - before >= 2  # the helper's, this process did nothing
    assert halve.is_kept()


def test_what_was_compiled_together_needs_no_compiling(started):
    before, seconds = log.compiled, log.seconds
    make_ready(wanted())
    assert log.compiled - before == 4
    spent = log.seconds - seconds
    assert spent > 0
    check()
    assert (log.compiled - before, log.seconds - seconds) == (4, spent)
    make_ready(wanted())
    assert len(started) == 1  # nothing was left to be done


READY = "import sys; print(flush=True); "


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        READY + "import os, signal; sys.stdin.readline(); os.kill(os.getpid(), signal.SIGKILL)",
        READY + "[print(each, end='', flush=True) for each in sys.stdin]",
        READY + "sys.stdin.readline(); print('something else')",
        READY + "import time; time.sleep(100)",
    ],
)
def test_a_helper_that_does_not_help_costs_time_alone(program, started, monkeypatch):
    monkeypatch.setattr(compiling, "_PROGRAM", program)
    monkeypatch.setattr(compiling, "PATIENCE", 0.2)
    make_ready(wanted())
    check()
    assert [each.returncode is None for each in started] == [False]


def test_no_process_can_be_started(monkeypatch):
    def refuse(*args, **kwargs):
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(compiling.subprocess, "Popen", refuse)
    before = log.compiled
    make_ready(wanted())
    assert log.compiled - before == 4
    check()


@pytest.mark.parametrize("reason", ["one core", "no folder", "no interpreter", "few", "frozen"])
def test_where_helpers_are_of_no_use_there_are_none(reason, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    {
        "one core": lambda: monkeypatch.setattr(compiling, "usable_cores", lambda: 1),
        "no folder": lambda: monkeypatch.setenv("TRAINCTL_CACHE_DIR", str(tmp_path / "file" / "below")),
        "no interpreter": lambda: monkeypatch.setattr(sys, "executable", None),
        "few": lambda: monkeypatch.setattr(compiling, "FEW", 4),
        "frozen": lambda: monkeypatch.setattr(sys, "frozen", True, raising=False),
    }[reason]()
    asked = []
    monkeypatch.setattr(compiling, "_Helper", asked.append)
    make_ready(wanted())
    assert asked == []


def test_an_error_here_lets_the_helper_go(started, monkeypatch):
    def interrupted(kernel):
        raise KeyboardInterrupt

    monkeypatch.setattr(jit.Kernel, "compiled", property(interrupted))
    with pytest.raises(KeyboardInterrupt):
        make_ready(wanted())
    assert [each.returncode is None for each in started] == [False]


def test_a_loop_comes_after_those_that_it_calls_and_the_longest_way_first():
    work = compiling._Work(wanted())
    assert work.take() is add_one  # another one waits for it
    assert work.take() is halve
    assert work.take(0.01) is None  # add_one is not done
    work.give_back(add_one)
    assert work.take() is add_one
    work.note_done(add_one)
    assert work.take() is add_two
    assert work.take() is None


def test_a_helper_ends_with_the_process_that_started_it(tmp_path):
    """That one is killed; its helper has just been told to compile something."""
    script = (
        "import time\n"
        "from tests.backend.test_compiling import add_one\n"
        "from trainctl.backend import compiling\n"
        "helper = compiling._Helper(compiling._Work([add_one]))\n"
        "print(helper._process.pid, flush=True)\n"
        "time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TRAINCTL_CACHE_DIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        number = int(parent.stdout.readline())
        assert is_running(number)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_running(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(number)


def is_running(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
