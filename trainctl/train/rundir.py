"""A run directory: the record of one training run, written by one process at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from trainctl.errors import CheckpointError, TrainctlError, UsageError
from trainctl.storage.files import (
    TEMPORARY,
    append_file,
    is_directory,
    listing,
    make_directory,
    read_file,
    remove,
    remove_temporaries,
    replace_file,
)
from trainctl.storage.locks import Lock, Taken
from trainctl.storage.strict_json import parse
from trainctl.train.commands import resume_command
from trainctl.train.layout import BEST, CHECKPOINTS, CONFIG, LAST, step_of, steps
from trainctl.train.store import CheckpointStore

SCHEMA_VERSION = 1
"""Of the rows of metrics.jsonl and of summary.json."""

METRICS_JSONL, METRICS_CSV, SUMMARY, LOCK = "metrics.jsonl", "metrics.csv", "summary.json", ".trainctl.lock"
DIVERGED = "diverged.json"

_MAX_CONFIG, _MAX_SUMMARY = 1 << 20, 4 << 20


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

    def __init__(self, path: Path, lock: Lock) -> None:
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
            make_directory(path)
            run = cls(path, _take_lock(path))
            try:
                check_available(path, force=force)  # again, now that no other process can write
                _clear(path)
            except BaseException:
                run.close()
                raise
        except (OSError, MemoryError) as error:
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
            run = cls(path, _take_lock(path))
            try:
                remove_temporaries(path)
            except BaseException:
                run.close()
                raise
        except (OSError, MemoryError) as error:
            raise _refused(path, error) from error
        return run

    def close(self) -> None:
        """Let another process have the run."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write_config(self, text: str) -> None:
        """Write ``config.resolved.yaml``."""
        with _writing(self.path):
            replace_file(self.path / CONFIG, text.encode())

    def read_config(self) -> str | None:
        """Return ``config.resolved.yaml``, None where the run was killed before it was written.

        Raises:
            CheckpointError: it cannot be read.
        """
        try:
            return read_file(self.path / CONFIG, _MAX_CONFIG).decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(f"{self.path / CONFIG}: {error.strerror}", hint=_NOT_RUN) from error

    def write_metrics(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write both metrics files anew: one row an epoch, nothing else in them.

        Raises:
            CheckpointError: a row, which a resumed run has from its checkpoint, lacks a column.
        """
        rows = list(rows)
        lacking = [name for row in rows for name in columns if name not in row]
        if lacking:
            raise CheckpointError(f"{self.path}: the checkpoint's history has no {lacking[0]}", hint=_NOT_RUN)
        lines = "".join(map(_json_line, rows))
        table = _csv_line(columns) + "".join(_csv_line([row[name] for name in columns]) for row in rows)
        with _writing(self.path):
            replace_file(self.path / METRICS_JSONL, lines.encode())
            replace_file(self.path / METRICS_CSV, table.encode())

    def append_metrics(self, columns: Sequence[str], row: Mapping[str, Any]) -> None:
        """Add one epoch's row to both metrics files."""
        lines = {METRICS_JSONL: _json_line(row), METRICS_CSV: _csv_line([row[name] for name in columns])}
        for name, line in lines.items():
            with _writing(self.path):
                append_file(self.path / name, line.encode())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, by which a run is finished."""
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        with _writing(self.path):
            replace_file(self.path / SUMMARY, text.encode())

    def read_summary(self) -> dict[str, Any] | None:
        """Return what ``summary.json`` holds, None where there is none that can be read."""
        try:
            summary = parse(read_file(self.path / SUMMARY, _MAX_SUMMARY))
        except (OSError, ValueError):
            return None
        return summary if isinstance(summary, dict) else None

    def remove_summary(self) -> None:
        """Delete ``summary.json`` and ``diverged.json``: the run goes on."""
        with _writing(self.path):
            for name in (SUMMARY, DIVERGED):
                remove(self.path / name)

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
    if all(_is_scaffolding(entry) for entry in _entries(path)):
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


def _entries(path: Path) -> list[Path]:
    try:
        return listing(path)
    except OSError as error:
        raise _refused(path, error) from error


def _clear(path: Path) -> None:
    """Delete what a run wrote; the config last, so that a half-cleared directory is still known for a run."""
    checkpoints = path / CHECKPOINTS
    if is_directory(checkpoints):
        _clear_checkpoints(checkpoints)
    elif checkpoints.is_symlink():
        remove(checkpoints)  # the link; what it leads to is not the run's
    remove_temporaries(path)
    for name in (METRICS_JSONL, METRICS_CSV, SUMMARY, DIVERGED, CONFIG):
        remove(path / name)


def _clear_checkpoints(directory: Path) -> None:
    remove_temporaries(directory)
    links = [entry for entry in listing(directory) if entry.is_symlink() and step_of(entry) is not None]
    for entry in (directory / LAST, directory / BEST, *links, *steps(directory)):
        remove(entry)
    if not listing(directory):
        remove(directory)


def _take_lock(path: Path) -> Lock:
    """Lock the run; the system lets go when the process ends, however it ends."""
    try:
        return Lock(path / LOCK)
    except Taken as error:
        by = f": {error.holder}" if error.holder else ""
        hint = "wait for it or stop it, or choose another --output-dir"
        raise UsageError(f"{path}: another process is training this run{by}", hint=hint) from None


_NOT_RUN = "the run directory was changed by hand or is damaged; name one of its checkpoints, or use a copy"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say which run it was that the system did not let be written."""
    try:
        yield
    except (OSError, MemoryError) as error:
        raise TrainctlError(
            f"{_named(error, path)}: cannot be written: {_reason(error)}",
            hint=f"once there is room, {resume_command(path)}",
        ) from error


def _refused(path: Path, error: OSError | MemoryError) -> UsageError:
    where = getattr(error, "filename", None) or path
    return UsageError(f"{where}: cannot write the run: {_reason(error)}", hint="choose another --output-dir")


def _reason(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory: {error}".removesuffix(": ")
    return error.strerror or str(error)


# -- rows ---------------------------------------------------------------------------------------------


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **row}, allow_nan=False) + "\n"


def _csv_line(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _named(error: OSError | MemoryError, path: Path) -> Path:
    """The file that could not be written, by the name that it was to have; the directory where that is not known."""
    file = Path(getattr(error, "filename", None) or path)
    return file.with_name(file.name.removeprefix(TEMPORARY))
