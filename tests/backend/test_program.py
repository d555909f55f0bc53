"""Programs of compiled loops: what they compute does not depend on who takes part."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

from trainctl.backend import jit
from trainctl.backend.native import entry_of
from trainctl.backend.threads import Pool

pytestmark = pytest.mark.skipif(not jit.available(), reason="Numba is not installed")
F4 = np.float32


@jit.kernel("void(f4[::1], f4[::1])")
def add_one(x, y):
    """Leave each element and 1."""
    for i in range(y.size):
        y[i] = x[i] + numpy_one


@jit.kernel("i8(f4[:,:], i8, f8, b1, UniTuple(i8, 2))")
def tell(x, whole, number, flag, pair):
    """Leave the arguments in the array, and return the first."""
    x[0, 0], x[0, 1], x[1, 0], x[1, 1] = number, flag, pair[0], pair[1]
    return whole


numpy_one = F4(1)


def chain(rounds, parts, size=64):
    """Return (program, array): ``rounds`` groups that each add 1 to every element, in independent parts."""
    from trainctl.backend.program import Program

    arrays = [np.zeros(parts * size, F4) for _ in range(rounds + 1)]
    cuts = [slice(part * size, (part + 1) * size) for part in range(parts)]
    groups = [
        [[partial(add_one.compiled, before[cut], after[cut])] for cut in cuts]
        for before, after in itertools.pairwise(arrays)
    ]
    return Program(groups), arrays


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_groups_are_in_order(threads):
    program, arrays = chain(rounds=20, parts=7)
    pool = Pool(threads)
    for turn in range(200):
        arrays[0][:] = turn
        arrays[-1][:] = -1
        assert pool.execute(program) == 0
        np.testing.assert_array_equal(arrays[-1], turn + 20)


def test_a_helper_that_sleeps_is_woken_and_one_that_never_comes_is_not_waited_for():
    pool, (program, arrays) = Pool(3), chain(rounds=5, parts=5)
    for pause in (0, 0.05, 0, 0.05):
        time.sleep(pause)
        arrays[-1][:] = -1
        assert pool.execute(program) == 0
        assert (arrays[-1] == 5).all()


def test_tasks_of_the_interpreter_and_programs_take_turns():
    pool, (program, arrays) = Pool(2), chain(rounds=3, parts=4)
    done = []
    for turn in range(50):
        arrays[-1][:] = -1
        assert pool.execute(program) == 0
        assert (arrays[-1] == 3).all()
        pool.run([partial(done.append, turn)] * 3)
    assert done.count(49) == 3
    assert len(done) == 150


def test_programs_come_and_go():
    pool = Pool(2)
    for rounds in range(1, 40):
        program, arrays = chain(rounds, parts=3)
        assert pool.execute(program) == 0
        assert (arrays[-1] == rounds).all()
        del program
        gc.collect()


def test_two_threads_use_one_pool():
    """One has the helpers; the other works alone."""
    pool, wrong = Pool(2), []

    def work():
        program, arrays = chain(rounds=4, parts=4)
        for _ in range(100):
            arrays[-1][:] = -1
            if pool.execute(program) or not (arrays[-1] == 4).all():
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_that_fails_is_named_and_the_rest_is_left(threads):
    from trainctl.backend.program import Program

    room = np.zeros((2, 2), F4)
    good, bad = (partial(tell.compiled, room, whole, 0.5, True, (3, 4)) for whole in (0, -1))
    source, target = np.zeros(8, F4), np.zeros(8, F4)
    program = Program([[[good]], [[good, bad]], [[partial(add_one.compiled, source, target)]]])
    pool = Pool(threads)
    for _ in range(3):
        assert pool.execute(program) == 3
        assert not target.any()
    np.testing.assert_array_equal(room, [[0.5, 1], [3, 4]])


def test_what_a_loop_was_not_compiled_for_is_no_entry():
    x, y = np.zeros(8, F4), np.zeros(8, F4)
    assert entry_of(partial(add_one.compiled, x, y)) is not None
    fixed = x.copy()
    fixed.flags.writeable = False
    for wrong in (x[::2], x.astype(float), x.reshape(2, 4), fixed, 3, None):
        assert entry_of(partial(add_one.compiled, wrong, y)) is None
    assert entry_of(partial(np.add, x, y)) is None
    assert entry_of(partial(add_one.compiled, x)) is None
    assert entry_of(lambda: None) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_threads_of_its_own():
    script = (
        "import os, sys\n"
        "from tests.backend.test_program import chain\n"
        "from trainctl.backend.threads import pool\n"
        "program, arrays = chain(4, 4)\n"
        "assert pool(2).execute(program) == 0\n"
        "if os.fork() == 0:\n"
        "    arrays[-1][:] = -1\n"
        "    assert pool(2).execute(program) == 0\n"
        "    os._exit(0 if (arrays[-1] == 4).all() else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
