from __future__ import annotations

import errno
import signal

import pytest
import typer

from trainctl.cli.errors import report
from trainctl.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    Interrupted,
    Problem,
    UsageError,
)

MISSPELT = Problem("unknown key", "a.yaml", 3, 5, "    lerning_rate: 1", "did you mean lr?")
UNPLACED = Problem("expected an integer", "--seed")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (UsageError("no such thing", hint="do this"), 2, ["error: no such thing", "hint: do this"]),
        (DataError("a/b: truncated"), 4, ["error: a/b: truncated"]),
        (CheckpointError("a: damaged"), 4, ["error: a: damaged"]),
        (DivergedError("the loss is nan"), 5, ["error: the loss is nan"]),
        (
            ConfigError([MISSPELT, UNPLACED]),
            2,
            [
                "error: a.yaml:3:5: unknown key",
                "        lerning_rate: 1",
                "        ^",
                "    did you mean lr?",
                "error: --seed: expected an integer",
            ],
        ),
        (
            Interrupted("stopped by SIGTERM", signum=signal.SIGTERM, hint="trainctl train --resume runs/a"),
            143,
            ["stopped by SIGTERM", "resume: trainctl train --resume runs/a"],
        ),
        (
            ZeroDivisionError("division by zero"),
            1,
            [
                "error: internal error: ZeroDivisionError: division by zero",
                "hint: this is a bug in trainctl; run again with --debug and report what it prints",
            ],
        ),
        (
            MemoryError("Unable to allocate 9 TiB"),
            1,
            ["error: out of memory. Unable to allocate 9 TiB", "hint: a smaller data.batch_size needs less"],
        ),
        (typer.BadParameter("5 is odd"), 2, ["error: invalid value: 5 is odd"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_is_written_and_the_exit_code(error, code, lines, capfd):
    assert report(error) == code
    out, err = capfd.readouterr()
    assert (out, err.splitlines()) == ("", lines)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, 2),
        (errno.EROFS, 2),
        (errno.ENOENT, 2),
        (errno.EISDIR, 2),
        (errno.ENOSPC, 1),
        (errno.EIO, 1),
        (errno.EDQUOT, 1),
    ],
)
def test_what_the_system_refuses_is_named_with_its_file(number, code, capfd):
    error = OSError(number, "the reason", "runs/a/metrics.csv")
    assert report(error) == code
    assert capfd.readouterr().err == "error: runs/a/metrics.csv: the reason\n"


def test_a_system_error_without_a_file_or_a_reason_still_says_something(capfd):
    assert report(OSError(errno.ENOSPC, "No space left on device")) == 1
    assert report(ConnectionError()) == 1
    assert capfd.readouterr().err == "error: No space left on device\nerror: ConnectionError\n"


def test_only_debug_shows_the_traceback(capfd):
    error = DataError("a/b: truncated")
    report(error)
    assert "Traceback" not in capfd.readouterr().err
    with pytest.raises(DataError) as caught:
        raise error
    assert report(caught.value, debug=True) == 4
    shown = capfd.readouterr().err
    assert shown.startswith("Traceback (most recent call last):\n")
    assert shown.endswith("error: a/b: truncated\n")


def test_a_file_cannot_send_control_characters_to_the_terminal(capfd):
    report(ConfigError([Problem("unknown key '\x1b[2J'", "a\r.yaml", 1, 1, "\x1b[2J: 1\x9b")]))
    assert capfd.readouterr().err.splitlines()[:2] == [
        r"error: a\x0d.yaml:1:1: unknown key '\x1b[2J'",
        r"    \x1b[2J: 1\x9b",
    ]
