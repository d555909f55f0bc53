"""What run directories hold, read with suspicion: nothing is built, imported or followed out of one, nothing crashes."""

from __future__ import annotations

import fcntl
import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from trainctl.errors import CheckpointError, ConfigError
from trainctl.train.checkpoint import INDEX
from trainctl.train.resolve import CHECKPOINTS, CONFIG
from trainctl.train.rundir import DIVERGED, LOCK, METRICS_JSONL, SUMMARY

Status = Literal["finished", "running", "stopped", "diverged", "damaged"]

_MOST_BYTES = 64 << 20  # of a file that is read whole
_MARKS = (CONFIG, SUMMARY, METRICS_JSONL, LOCK, CHECKPOINTS)


@dataclass
class RunRecord:
    """What can be said of one run without its code and data.

    Attributes:
        path: its directory.
        damage: what of it could not be read, a sentence each.
        config: the resolved config's values by key path, such as ``optimizer.SGD.lr``.
        summary: what ``summary.json`` holds; empty where the run is not finished.
        rows: those of the metrics file, one an epoch.
        best: the best epoch so far, ``{"value", "epoch"}``, None where there is none.
        diverged: why it diverged, None where it did not.
        weights: the SHA-256 of the last checkpoint's weights, and of the best one's.
    """

    path: Path
    damage: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    diverged: str | None = None
    weights: dict[str, str | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the config has it; else the directory's name."""
        name = self.config.get("name")
        return name if isinstance(name, str) else self.path.name

    @cached_property
    def status(self) -> Status:
        """How the run stands."""
        if _is_locked(self.path / LOCK):
            return "running"
        if self.damage:
            return "damaged"
        if self.diverged is not None:
            return "diverged"
        return "finished" if self.summary else "stopped"

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        done = max((row["epoch"] for row in self.rows if isinstance(row.get("epoch"), int)), default=0)
        return max(done, len(self.rows))

    @property
    def planned(self) -> int | None:
        """How many epochs the run is to have."""
        planned = self.config.get("train.epochs")
        return planned if isinstance(planned, int) else None

    @property
    def monitor(self) -> str:
        """What the best epoch is best in."""
        named = self.summary.get("monitor") or self.config.get("train.monitor")
        has_validation = any(row.get("val_loss") is not None for row in self.rows)
        return named if isinstance(named, str) else "val_loss" if has_validation else "train_loss"

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that runs are compared by: the last epoch's, and those on the test split."""
        last = self.rows[-1] if self.rows else {}
        figures = {
            name: value for name, value in last.items() if name not in ("schema_version", "epoch", "global_step")
        }
        if self.best:
            figures[f"best {self.monitor}"] = self.best["value"]
        tested = self.summary.get("test_metrics")
        figures["test loss"] = self.summary.get("test_loss")
        figures |= {f"test {name}": value for name, value in tested.items()} if isinstance(tested, dict) else {}
        return {name: value for name, value in figures.items() if is_figure(value)}

    @property
    def modified(self) -> float:
        """When it was last written to, in seconds since 1970."""
        places = [self.path / name for name in (CONFIG, METRICS_JSONL, SUMMARY)]
        places += [self.path / CHECKPOINTS / link / INDEX for link in ("last", "best")]
        return max((time for place in places if (time := _time_of(place)) is not None), default=0.0)


def is_figure(value: Any) -> bool:
    """Return whether a value of a file is a finite number.

    Example:
        >>> is_figure(0.5), is_figure(True), is_figure(float("nan")), is_figure("0.5")
        (True, False, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def looks_like_a_run(path: Path) -> bool:
    """Return whether a directory holds something that a run wrote."""
    try:
        return path.is_dir() and any((path / name).exists() for name in _MARKS)
    except OSError:
        return False


def find_runs(root: Path) -> list[RunRecord]:
    """Return the runs in a folder, and in the folders of that; a run itself counts alone.

    Raises:
        CheckpointError: there is no such folder.
    """
    if looks_like_a_run(root):
        return [read_run(root)]
    if not root.is_dir():
        raise CheckpointError(f"{root}: no such folder", hint="trainctl train CONFIG makes runs in runs/")
    return [read_run(path) for path in _places(root, depth=2)]


def _places(root: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(root) as entries:
            folders = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for folder in map(Path, folders):
        if looks_like_a_run(folder):
            yield folder
        elif depth > 1:
            yield from _places(folder, depth - 1)


def read_run(path: str | Path) -> RunRecord:
    """Read what a run directory holds; what cannot be read is noted.

    Raises:
        CheckpointError: there is no run.

    Example:
        >>> read_run("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run
    """
    path = Path(path)
    if not looks_like_a_run(path):
        found = "not a run: there is no config or checkpoint in it" if path.exists() else "no such run"
        raise CheckpointError(f"{path}: {found}", hint="trainctl runs list")
    record = RunRecord(path)
    record.config = _config(record)
    record.summary = _object(record, SUMMARY)
    record.rows = _rows(record)
    reason = _object(record, DIVERGED).get("message")
    record.diverged = reason if isinstance(reason, str) else None
    for link in ("last", "best"):
        index = _object(record, f"{CHECKPOINTS}/{link}/{INDEX}", follow=True)
        record.best = _best(index) or record.best
        record.weights[link] = _weights(index)
    return record


# -- files --------------------------------------------------------------------------------------------


def _config(record: RunRecord) -> dict[str, Any]:
    from trainctl.config.reader import read

    text = _text(record, CONFIG)
    if text is None:
        return {}
    try:
        tree, problems = read(text, CONFIG)
    except ConfigError as error:
        problems, tree = list(error.problems), None
    if problems or tree is None:
        record.damage.append(f"{CONFIG}: {problems[0].message if problems else 'empty'}")
        return {}
    plain = tree.plain()
    return dict(_flat(plain)) if isinstance(plain, dict) else {}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a config with their key paths."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [pair for key, each in items for pair in _flat(each, f"{path}.{key}" if path else str(key))]
    yield from below or [(path, value)]


def _rows(record: RunRecord) -> list[dict[str, Any]]:
    text = _text(record, METRICS_JSONL) or ""
    rows = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        row = _parsed(line)
        if isinstance(row, dict):
            rows.append(row)
        elif line.endswith("\n"):  # one that does not end is what a kill left; a resumed run mends it
            record.damage.append(f"{METRICS_JSONL}:{number}: not a JSON object")
            break
    return rows


def _object(record: RunRecord, name: str, *, follow: bool = False) -> dict[str, Any]:
    text = _text(record, name, follow=follow)
    if text is None:
        return {}
    value = _parsed(text)
    if not isinstance(value, dict):
        record.damage.append(f"{name}: not a JSON object")
        return {}
    return value


def _parsed(text: str) -> Any:
    """What JSON text stands for, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _text(record: RunRecord, name: str, *, follow: bool = False) -> str | None:
    """What a file of a run holds, None where there is none or it is not what a run writes.

    A file that is a link is not followed; ``last`` and ``best`` are links by right, within the run.
    """
    path = record.path / name
    if not os.path.lexists(path):
        if follow and os.path.lexists(path.parent):
            record.damage.append(f"{path.parent.relative_to(record.path)}: names a checkpoint that is not there")
        return None
    try:
        if follow and not path.resolve().is_relative_to(record.path.resolve()):
            raise OSError("leads out of the run")
        # Not to wait for a writer, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                raise OSError("not a file, or one far too large")
            return file.read(_MOST_BYTES).decode()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        record.damage.append(f"{name}: cannot be read: {reason}")
        return None


def _best(index: dict[str, Any]) -> dict[str, Any] | None:
    progress = index.get("progress")
    best = progress.get("best") if isinstance(progress, dict) else None
    if isinstance(best, dict) and is_figure(best.get("value")) and isinstance(best.get("epoch"), int):
        return {"value": best["value"], "epoch": best["epoch"]}
    return None


def _weights(index: dict[str, Any]) -> str | None:
    for part in ("files", "model.safetensors", "sha256"):
        found = index.get(part)
        if not isinstance(found, dict):
            return found if isinstance(found, str) else None
        index = found
    return None


def _time_of(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _is_locked(path: Path) -> bool:
    """Whether a process holds a run's lock: asked with a shared lock, which is let go at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
