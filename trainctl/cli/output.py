"""Results as JSON: alone on stdout, or in a file that is whole or absent."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainctl.errors import UsageError

STDOUT = "-"
SCHEMA_VERSION = 1
"""Of the lines that ``--log-format json`` writes."""


def check_json_target(target: str | None) -> None:
    """Check that ``--json`` can write to ``target``; see :func:`check_target`."""
    check_target("--json", target)


def check_targets(targets: dict[str, str | None]) -> None:
    """Check what several options write to.

    Args:
        targets: by option; None where it was not given.

    Raises:
        UsageError: one cannot be written to, or two are the same.
    """
    taken: dict[str, str] = {}
    for option, target in targets.items():
        check_target(option, target)
        if target is not None:
            place = target if target == STDOUT else os.path.realpath(target)
            if place in taken:
                where = "stdout" if target == STDOUT else target
                raise UsageError(f"{taken[place]} and {option} both write to {where}", hint="write one to a file")
            taken[place] = option


def check_target(option: str, target: str | None) -> None:
    """Check that a result can be written to ``target``, before hours of work give one.

    Raises:
        UsageError: it cannot.
    """
    if target is None or target == STDOUT:
        return
    path = Path(target)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not target:
        raise UsageError(f"{option} {target or repr(target)}: expected a file or -, got a directory")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {target}: {folder} is not a directory that can be written to")


@contextmanager
def writing(target: str) -> Iterator[None]:
    """Give an error of the system, which knows only a number of a file, the name of what is written.

    Example:
        >>> with writing("out.json"):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'out.json'
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = "stdout" if target == STDOUT else target
        raise


def write_json(target: str, value: Any) -> None:
    """Write a result to a file, or to stdout for ``-``.

    Example:
        >>> write_json("-", {"loss": float("nan")})
        {
          "loss": null
        }
    """
    write_text(target, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def write_text(target: str, text: str) -> None:
    """Write a text to a file, which is whole or absent, or to stdout for ``-``."""
    with writing(target):
        _write_text(target, text)


def _write_text(target: str, text: str) -> None:
    path = Path(target)
    if target == STDOUT:
        sys.stdout.write(text)
    elif path.exists() and not path.is_file():
        path.write_text(
            text, encoding="utf-8", errors="backslashreplace"
        )  # a pipe or a device is written to, never replaced
    else:
        from trainctl.storage.files import replace_file

        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path.resolve(), text.encode(errors="backslashreplace"))


def json_line(event: str, facts: dict[str, Any]) -> str:
    """An event as one line of JSON, for a log.

    Example:
        >>> json_line("notice", {"message": "well"})
        '{"schema_version": 1, "event": "notice", "message": "well"}'
    """
    line = {"schema_version": SCHEMA_VERSION, "event": event, **facts}
    return json.dumps(finite(line), default=str, allow_nan=False)


def finite(value: Any) -> Any:
    """A value with None where JSON has no word for a number.

    Example:
        >>> finite({"loss": float("inf"), "lr": [0.1]})
        {'loss': None, 'lr': [0.1]}
    """
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
