"""A run directory: the record of one training run, written by one process at a time."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from trainctl.errors import CheckpointError, TrainctlError, UsageError
from trainctl.storage.files import TEMPORARY, replace_file
from trainctl.train.resolve import CHECKPOINTS, CONFIG, resume_command
from trainctl.train.store import BEST, LAST, CheckpointStore, steps

SCHEMA_VERSION = 1
"""Of the rows of metrics.jsonl and of summary.json."""

METRICS_JSONL, METRICS_CSV, SUMMARY, LOCK = "metrics.jsonl", "metrics.csv", "summary.json", ".trainctl.lock"
DIVERGED = "diverged.json"


class RunDirectory:
    """A run directory under this process's lock. Make one with :meth:`create` or :meth:`open`.

    Attributes:
        path: the directory.
        checkpoints: its checkpoints.

    Example:
        >>> import tempfile
        >>> with RunDirectory.create(tempfile.mkdtemp() + "/run") as run:
        ...     run.write_config("seed: 0")
        ...     (run.path / "config.resolved.yaml").read_text()
        'seed: 0'
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.checkpoints = CheckpointStore(path / CHECKPOINTS)
        self._lock = lock

    @classmethod
    def create(cls, path: str | Path, *, force: bool = False) -> Self:
        """Make a run directory for a fresh run.

        Args:
            path: where; its parents are made as needed.
            force: delete the run that is there. Only what a run wrote goes; other files stay.

        Raises:
            UsageError: the directory is in use, holds something already, or cannot be made.
        """
        path = Path(path)
        check_available(path, force=force)
        try:
            path.mkdir(parents=True, exist_ok=True)
            run = cls(path, _take_lock(path))
            try:
                check_available(path, force=force)  # again, now that no other process can write
                _clear(path)
            except BaseException:
                run.close()
                raise
        except OSError as error:
            raise _refused(path, error) from error
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the directory of a run that is to go on.

        Raises:
            CheckpointError: there is no run.
            UsageError: the run is in use, or cannot be written.
        """
        path = Path(path)
        if not is_run(path):
            raise CheckpointError(f"{path}: no run to resume there", hint="without --resume, a new run starts")
        try:
            return cls(path, _take_lock(path))
        except OSError as error:
            raise _refused(path, error) from error

    def close(self) -> None:
        """Let another process have the run."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write_config(self, text: str) -> None:
        """Write ``config.resolved.yaml``."""
        with _writing(self.path):
            replace_file(self.path / CONFIG, text.encode())

    def read_config(self) -> str | None:
        """Return ``config.resolved.yaml``, None where the run was killed before it was written."""
        path = self.path / CONFIG
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None

    def write_metrics(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write both metrics files anew: one row an epoch, nothing else in them."""
        rows = list(rows)
        lines = "".join(map(_json_line, rows))
        table = _csv_line(columns) + "".join(_csv_line([row[name] for name in columns]) for row in rows)
        with _writing(self.path):
            replace_file(self.path / METRICS_JSONL, lines.encode())
            replace_file(self.path / METRICS_CSV, table.encode())

    def append_metrics(self, columns: Sequence[str], row: Mapping[str, Any]) -> None:
        """Add one epoch's row to both metrics files."""
        lines = {METRICS_JSONL: _json_line(row), METRICS_CSV: _csv_line([row[name] for name in columns])}
        for name, line in lines.items():
            with _writing(self.path), open(self.path / name, "a", encoding="utf-8", newline="") as file:
                file.write(line)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, by which a run is finished."""
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        with _writing(self.path):
            replace_file(self.path / SUMMARY, text.encode())

    def read_summary(self) -> dict[str, Any] | None:
        """Return what ``summary.json`` holds, None where there is none that can be read."""
        try:
            summary = json.loads((self.path / SUMMARY).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return summary if isinstance(summary, dict) else None

    def remove_summary(self) -> None:
        """Delete ``summary.json`` and ``diverged.json``: the run goes on."""
        for name in (SUMMARY, DIVERGED):
            (self.path / name).unlink(missing_ok=True)

    def write_diverged(self, message: str) -> None:
        """Write ``diverged.json``: why a run ended with numbers that were not finite.

        Where it cannot be written, that is not said: the run's own end is what counts.
        """
        text = json.dumps({"schema_version": SCHEMA_VERSION, "message": message}, indent=2) + "\n"
        with suppress(OSError):
            replace_file(self.path / DIVERGED, text.encode())


def check_available(path: str | Path, *, force: bool = False) -> None:
    """Check that a new run may be written at ``path``, touching nothing.

    Raises:
        UsageError: something is there already; with ``force``, something that is not a run.
    """
    path = Path(path)
    if not path.is_dir():
        for place in (path, *path.parents):
            if place.exists() and not place.is_dir():
                raise UsageError(
                    f"{place}: a file, where a run directory was to be", hint="choose another --output-dir"
                )
        return
    if all(_is_scaffolding(entry) for entry in path.iterdir()):
        return
    if not is_run(path):
        raise UsageError(
            f"{path}: the directory is not empty and is not a run; nothing in it is touched",
            hint="choose another --output-dir",
        )
    if not force:
        raise UsageError(
            f"{path}: holds a run already",
            hint="--resume goes on with it, --force starts it anew, --output-dir puts the new run elsewhere",
        )


def is_run(path: Path) -> bool:
    """Return whether a directory is a run's, be it one that was killed as it began."""
    return (path / CONFIG).is_file() or (path / LOCK).is_file()


# -- what belongs to a run ----------------------------------------------------------------------------


def _is_scaffolding(entry: Path) -> bool:
    """Whether an entry says nothing about a run: its lock, or a file that was never finished."""
    return entry.name == LOCK or entry.name.startswith(TEMPORARY)


def _clear(path: Path) -> None:
    """Delete what a run wrote; the config last, so that a half-cleared directory is still known for a run."""
    checkpoints = path / CHECKPOINTS
    if checkpoints.is_dir():
        _clear_checkpoints(checkpoints)
    for entry in path.glob(TEMPORARY + "*"):
        entry.unlink()
    for name in (METRICS_JSONL, METRICS_CSV, SUMMARY, DIVERGED, CONFIG):
        (path / name).unlink(missing_ok=True)


def _clear_checkpoints(directory: Path) -> None:
    temporary = directory.glob(TEMPORARY + "*")
    for entry in (directory / LAST, directory / BEST, *steps(directory), *temporary):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    if not directory.is_symlink() and not any(directory.iterdir()):
        directory.rmdir()


def _take_lock(path: Path) -> int:
    """Lock the run; the system lets go when the process ends, however it ends."""
    descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            f"{path}: another process is training this run",
            hint="wait for it, or choose another --output-dir",
        ) from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say which run it was that the system did not let be written."""
    try:
        yield
    except OSError as error:
        raise TrainctlError(
            f"{error.filename or path}: cannot be written: {error.strerror}",
            hint=f"once there is room, {resume_command(path)}",
        ) from error


def _refused(path: Path, error: OSError) -> UsageError:
    where = error.filename or path
    return UsageError(f"{where}: cannot write the run: {error.strerror}", hint="choose another --output-dir")


# -- rows ---------------------------------------------------------------------------------------------


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **row}, allow_nan=False) + "\n"


def _csv_line(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
