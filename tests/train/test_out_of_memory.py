"""Whichever allocation of Python's fails in a save, the run loads its old state or its new one."""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.storage.faults import FaultyOs
from tests.train.faulty_runs import check_it_goes_on, in_memory, make_states, save
from trainctl.errors import TrainctlError
from trainctl.storage import files
from trainctl.train.rundir import RunDirectory

PYTHON_S_OWN = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGPROF)
"""How the interpreter itself may end for want of memory."""


@pytest.fixture(scope="module")
def states() -> Iterator[dict[str, Path]]:
    with TemporaryDirectory(dir=in_memory()) as root:
        yield make_states(Path(root))


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with TemporaryDirectory(dir=in_memory()) as root:
        yield Path(root)


def without_memory(act: Callable[[], object], number: int, rest: bool) -> int:
    """Run ``act`` in a process of its own whose ``number``-th allocation fails, or all from then on.

    Returns:
        0 where it worked, 1 where it raised one of our errors, 2 for another (CPython makes a TypeError of some that
        it meets in C), else the signal that ended the process, negative.
    """
    import _testcapi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fork: the child runs no other thread's code
        child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        faulthandler.disable()  # pytest's, which tells of what is expected here
        signal.setitimer(signal.ITIMER_PROF, 0.5)  # of processor time: CPython may go in circles without memory
        try:
            _testcapi.set_nomemory(number, 0 if rest else number + 1)
            act()
            status = 0
        except (TrainctlError, MemoryError):
            status = 1
        except BaseException:
            status = 2
        finally:
            _testcapi.remove_mem_hooks()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("rest", [False, True], ids=["once", "from-then-on"])
def test_any_allocation_may_fail_in_a_save(states: dict[str, Path], tmp_path: Path, rest: bool):
    pytest.importorskip("_testcapi", reason="this Python was built without its test module")

    def act(path: Path) -> None:
        with RunDirectory.open(path) as run:
            save(run, 4)

    files.os = FaultyOs(lambda number: False)  # no waiting for the disk
    try:
        ended = set()
        for number in range(0, 4000, int(os.environ.get("ALLOCATION_STEP", "193"))):
            path = Path(shutil.copytree(states["whole"], tmp_path / str(number), symlinks=True))
            ended.add(without_memory(lambda path=path: act(path), number, rest))
            check_it_goes_on(path, (3, 4))
            shutil.rmtree(path)
    finally:
        files.os = os
    assert ended <= {0, 1, 2, *PYTHON_S_OWN}
    assert 1 in ended
