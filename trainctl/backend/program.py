"""Compiled loops that are called one after another, and side by side, without the interpreter.

A program is groups of tasks. A task is calls in order; the tasks of a group are independent of each other and are taken
by whichever thread is free; a group begins when the one before is done. Every thread runs :func:`_work` on the same
words in memory, so a thread that comes late, or never, holds nobody up but with the task that it is at.

Counters only grow, from one run to the next: a thread that is still at an earlier run finds nothing to take.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from trainctl.backend import jit, native
from trainctl.backend.atomics import add, call_at, give_way, load, pause, replace, store

Call = Callable[[], Any]
Task = Sequence[Call]

# words of a program's head: how often it was run, how many groups, and where the tables are; the first call that failed
_RUNS, _GROUPS, _FIRST_TASKS, _FIRST_CALLS, _CALLS, _COUNTERS, _FAILED = range(7)
_APART = 16  # words: two counters on one line of the cache would slow each other down
_PATIENCE = 64  # looks at a counter, with pauses in between, before another thread may have the core
_IDLE = 4000  # such looks without work before a thread goes to sleep: some tenths of a millisecond

# what a helper's own words say: whether it sleeps, the last announcement that it saw, whether it is at a program, and
# whether there is something for the interpreter to do
ASLEEP, SEEN, BUSY, CALLED = range(0, 4 * _APART, _APART)
SLOT = 4 * _APART
# what all helpers look at: the number of announcements, and the program announced last (0: none)
NUMBER, HEAD = 0, _APART


@jit.kernel("i8(i8, i8)")
def _task(head: int, number: int) -> int:
    """Make the calls of a task; return 0, or minus the place of the one that failed."""
    calls, firsts = load(head + 8 * _CALLS), load(head + 8 * _FIRST_CALLS)
    for place in range(load(firsts + 8 * number), load(firsts + 8 * number + 8)):
        each = calls + 16 * place
        if call_at(load(each), load(each + 8)) < 0:
            replace(head + 8 * _FAILED, 0, place + 1)
            return 0
    return 0


@jit.kernel("i8(i8)")
def run_alone(head: int) -> int:
    """Run a program; return 0, or the number of the call that failed, from 1."""
    store(head + 8 * _FAILED, 0)
    tasks = load(head + 8 * _FIRST_TASKS)
    for number in range(load(tasks + 8 * load(head + 8 * _GROUPS))):
        _task(head, number)
        if load(head + 8 * _FAILED) != 0:
            break
    return load(head + 8 * _FAILED)


@jit.kernel("i8(i8)")
def _work(head: int) -> int:
    """Take tasks until the program is done."""
    runs, tasks, counters = load(head + 8 * _RUNS), load(head + 8 * _FIRST_TASKS), load(head + 8 * _COUNTERS)
    for group in range(load(head + 8 * _GROUPS)):
        first = load(tasks + 8 * group)
        count = load(tasks + 8 * group + 8) - first
        taken = counters + 16 * _APART * group
        done, before, limit = taken + 8 * _APART, (runs - 1) * count, runs * count
        while True:
            number = load(taken)
            if number >= limit:
                break
            if replace(taken, number, number + 1) == 1:
                if load(head + 8 * _FAILED) == 0:
                    _task(head, first + number - before)
                add(done, 1)
        looks = 0
        while load(done) < limit:
            looks += 1
            pause()
            if looks % _PATIENCE == 0:
                give_way()
    return 0


@jit.kernel("i8(i8, i8)")
def announce(post: int, head: int) -> int:
    """Show the helpers a program (0: something else changed), to be run once more."""
    if head != 0:
        store(head + 8 * _FAILED, 0)
        add(head + 8 * _RUNS, 1)
    store(post + 8 * HEAD, head)
    return add(post + 8 * NUMBER, 1)


@jit.kernel("i8(i8)")
def run_shared(head: int) -> int:
    """Run a program that was announced; return 0, or the number of the call that failed, from 1."""
    _work(head)
    return load(head + 8 * _FAILED)


@jit.kernel("i8(i8, i8)")
def serve(post: int, slot: int) -> int:
    """Run what is announced; return 1 when the interpreter is called for, 0 when it is time to sleep."""
    looks = 0
    while True:
        number = load(post + 8 * NUMBER)
        if number != load(slot + 8 * SEEN):
            looks = 0
            store(slot + 8 * SEEN, number)
            store(slot + 8 * BUSY, 1)
            head = load(post + 8 * HEAD)
            if head != 0:
                _work(head)
            store(slot + 8 * BUSY, 0)
        if store(slot + 8 * CALLED, 0) == 1:
            return 1
        looks += 1
        pause()
        if looks % _PATIENCE == 0:
            give_way()
        if looks > _IDLE:
            store(slot + 8 * ASLEEP, 1)
            if load(post + 8 * NUMBER) == load(slot + 8 * SEEN) or replace(slot + 8 * ASLEEP, 1, 0) == 0:
                return 0
            looks = 0


@jit.kernel("i8(i8)")
def wake(slot: int) -> int:
    """Return 1 if a helper slept, and is to be woken by who asks."""
    return replace(slot + 8 * ASLEEP, 1, 0)


@jit.kernel("i8(i8)")
def call_for(slot: int) -> int:
    """Let a helper return to the interpreter with its next look at the announcements."""
    return store(slot + 8 * CALLED, 1)


@jit.kernel("i8(i8, i8, i8)")
def retract(post: int, slot: int, head: int) -> int:
    """Wait until a helper is not at a program, which is announced no more."""
    looks = 0
    replace(post + 8 * HEAD, head, 0)
    while load(slot + 8 * BUSY) == 1:
        looks += 1
        pause()
        if looks % _PATIENCE == 0:
            give_way()
    return 0


def loops(threads: int) -> tuple[jit.Kernel, ...]:
    """Return the loops that programs need to be run by so many threads."""
    return (run_shared, serve, announce, wake, call_for, retract) if threads > 1 else (run_alone,)


class Post:
    """Where a pool's helpers look for what there is to do.

    Args:
        helpers: how many there are.
    """

    def __init__(self, helpers: int) -> None:
        self._words = numpy.zeros(_APART * 2 + SLOT * helpers, numpy.int64)
        self._process = os.getpid()
        address = self._words.ctypes.data
        self._post = address
        self._slots = [address + 8 * (_APART * 2 + SLOT * number) for number in range(helpers)]
        for slot in range(helpers):
            self._words[_APART * 2 + SLOT * slot + ASLEEP] = 1
        self._announce, self._run, self._serve = announce.compiled, run_shared.compiled, serve.compiled
        self._wake, self._call_for, self._retract = wake.compiled, call_for.compiled, retract.compiled

    def run(self, program: Program, rouse: Callable[[int], Any]) -> int:
        """Run a program together with the helpers; ``rouse(number)`` lets one that sleeps look here."""
        program.posts.add(self)
        try:
            self._announce(self._post, program.head)
            self._rouse(range(len(self._slots)), rouse)
        finally:  # once begun it is run to its end, an interrupt or not: the helpers are at it
            failed = int(self._run(program.head))
        return failed

    def call_for(self, numbers: Sequence[int], rouse: Callable[[int], Any]) -> None:
        """Let helpers do what the interpreter has for them."""
        for number in numbers:
            self._call_for(self._slots[number])
        self._announce(self._post, 0)
        self._rouse(numbers, rouse)

    def _rouse(self, numbers: Sequence[int], rouse: Callable[[int], Any]) -> None:
        for number in numbers:
            if self._wake(self._slots[number]):
                rouse(number)

    def is_called(self, number: int) -> bool:
        """Work on what is announced, as helper ``number``; return whether the interpreter has work for it."""
        return self._serve(self._post, self._slots[number]) == 1

    def forget(self, program: Program) -> None:
        """Return when no helper looks at a program any more; a forked process has none of those before it."""
        for slot in self._slots if self._process == os.getpid() else ():
            self._retract(self._post, slot, program.head)


class Program:
    """Groups of tasks, laid out in memory.

    Args:
        groups: lists of tasks; a task is a list of calls, each a ``partial`` of a compiled loop and its arguments.
        arrays that calls are bound to are kept.

    Attributes:
        head: the address of its words.
        calls: all calls, in order.
        posts: where it was announced.
    """

    def __init__(self, groups: Sequence[Sequence[Task]]) -> None:
        tasks = [task for group in groups for task in group]
        self.calls = [call for task in tasks for call in task]
        entries = [entry for entry in map(native.entry_of, self.calls) if entry is not None]
        assert len(entries) == len(self.calls), "a call that is no compiled loop"
        words = [native.words_of(entry) for entry in entries]
        self._words = numpy.array([*itertools.chain.from_iterable(words)], numpy.int64)
        places = self._words.ctypes.data + 8 * _starts(words)[:-1]
        callers = native.callers_of(entries)
        self._tables = [
            _starts(groups),
            _starts(tasks),
            numpy.stack([numpy.array(callers, numpy.int64), places], 1),
            numpy.zeros(2 * _APART * len(groups), numpy.int64),
        ]
        self._head = numpy.array([0, len(groups), *(each.ctypes.data for each in self._tables), 0], numpy.int64)
        self.head = self._head.ctypes.data
        self.posts: set[Post] = set()

    def alone(self) -> int:
        """Run on this thread; return 0, or the number of the call that failed, from 1."""
        return int(run_alone.compiled(self.head))

    def __del__(self) -> None:
        for post in self.posts:
            post.forget(self)


def _starts(lists: Sequence[Sequence[Any]]) -> Any:
    """Return where each list begins when they are laid end to end, and where the last one ends."""
    return numpy.cumsum([0, *map(len, lists)], dtype=numpy.int64)
