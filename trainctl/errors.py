"""The errors a user can cause or meet, each with the exit code that tells a shell what happened.

Everything below the command line raises one of these; only ``trainctl.cli`` catches them.

Example:
    >>> raise UsageError("unknown run", hint="trainctl runs list")
    Traceback (most recent call last):
    trainctl.errors.UsageError: unknown run
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class TrainctlError(Exception):
    """Base of every expected failure.

    Args:
        message: what went wrong: where, what was expected, what was found.
        hint: what to do next, one line; often the command to run.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TrainctlError):
    """The command line asks for something that cannot be done (exit 2)."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One mistake in a config: where it is, what it is, how to mend it.

    Attributes:
        message: the mistake in one sentence.
        file: the file's name as the user gave it, or where the value came from (``--set model.1``).
        line: line in the file, from 1; None when the value is not from a file.
        column: column in the line, from 1.
        text: the offending line itself.
        hint: "did you mean ...", or what to write instead.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    text: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        lines = [f"{place}: {self.message}" if place else self.message]
        if self.text is not None:
            lines.append(f"    {self.text}")
            if self.column is not None:
                lines.append("    " + " " * (self.column - 1) + "^")
        if self.hint:
            lines.append(f"    {self.hint}")
        return "\n".join(lines)


class ConfigError(TrainctlError):
    """A config with mistakes: all of them at once (exit 2)."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)


class GateError(TrainctlError):
    """A figure is not as good as was asked for (exit 3)."""

    exit_code = 3


class DataError(TrainctlError):
    """Data that is missing or corrupt (exit 4)."""

    exit_code = 4


class CheckpointError(TrainctlError):
    """A checkpoint or run directory that is missing or corrupt (exit 4)."""

    exit_code = 4


class DivergedError(TrainctlError):
    """Training produced NaN or Inf (exit 5)."""

    exit_code = 5


class Interrupted(TrainctlError):
    """A signal stopped the run after its state was saved (exit 128 + the signal's number)."""

    def __init__(self, message: str, *, signum: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.signum = signum
        self.exit_code = 128 + signum
