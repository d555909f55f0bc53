"""From an exception to the few lines a person reads and the exit code a shell reads."""

from __future__ import annotations

import errno
import sys
import traceback
from contextlib import suppress

import typer

from trainctl.cli.text import printable
from trainctl.errors import ConfigError, Interrupted, TrainctlError

# What the user named cannot be used: a mistake on the command line. Any other failure of the system,
# a full disk say, is nobody's usage.
_USER_PATH_ERRORS = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENOTEMPTY,
        errno.EPERM,
        errno.EROFS,
    }
)


def report(error: Exception, *, debug: bool = False) -> int:
    """Write an error to stderr and return its exit code.

    Args:
        error: what stopped the command.
        debug: show the traceback too.

    Example:
        >>> from trainctl.errors import DataError
        >>> report(DataError("datasets/mnist: no such folder"))
        4
    """
    messages, hint, code = _described(error)
    stopped = isinstance(error, Interrupted)
    lines = messages if stopped else [f"error: {message}" for message in messages]
    if hint:
        lines.append(f"{'resume' if stopped else 'hint'}: {hint}")
    with suppress(OSError):  # where stderr is gone, the exit code still speaks
        if debug:
            traceback.print_exception(error)
        print(printable("\n".join(lines)), file=sys.stderr)
    return code


def _described(error: Exception) -> tuple[list[str], str | None, int]:
    """The messages, the hint and the exit code of an exception."""
    match error:
        case ConfigError():
            return [str(problem) for problem in error.problems], error.hint, error.exit_code
        case TrainctlError():
            return [error.message], error.hint, error.exit_code
        case typer.TyperException():
            return [_usage_message(error)], _usage_hint(error), error.exit_code
        case OSError():
            return [_system_message(error)], None, 2 if error.errno in _USER_PATH_ERRORS else 1
        case MemoryError():
            return [f"out of memory. {error}".rstrip()], "a smaller data.batch_size needs less", 1
        case _:
            hint = "this is a bug in trainctl; run again with --debug and report what it prints"
            return [f"internal error: {type(error).__name__}: {error}"], hint, 1


def _usage_message(error: typer.TyperException) -> str:
    """Typer's message, with "did you mean" where an option is misspelt."""
    near = getattr(error, "possibilities", None)  # on NoSuchOption alone, which Typer keeps to itself
    message = error.message if near else error.format_message()
    message = message[:1].lower() + message[1:].rstrip(".")
    return f"{message}. Did you mean {' or '.join(sorted(near))}?" if near else message


def _usage_hint(error: typer.TyperException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context else None


def _system_message(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason
