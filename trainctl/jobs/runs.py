"""Runs side by side: what is there, how they stand, in what they differ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from trainctl.errors import UsageError
from trainctl.jobs.history import RunRecord, find_runs, read_run
from trainctl.jobs.places import RUNS

SCHEMA_VERSION = 1
"""Of what :func:`list_runs`, :func:`describe_run` and :func:`compare_runs` return."""

Order = Literal["age", "name", "status", "epochs", "best"]
_ABSENT = object()


def list_runs(root: str | Path | None = None, *, sort: Order = "age", reverse: bool = False) -> dict[str, Any]:
    """Return the runs in a folder, one row each, as plain data.

    Args:
        root: the folder; default: ``runs``.
        sort: by what: the newest, the first name, the most epochs, the lowest best value come first.
        reverse: the other way round.

    Raises:
        CheckpointError: there is no such folder.

    Example:
        >>> list_runs("no-such-folder")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: no-such-folder: no such folder
    """
    rows = [_row(record) for record in find_runs(Path(root or RUNS))]
    rows.sort(key=lambda row: _sort_key(row, sort), reverse=reverse)
    return {"schema_version": SCHEMA_VERSION, "runs": rows}


def _row(record: RunRecord) -> dict[str, Any]:
    return {
        "path": str(record.path),
        "name": record.name,
        "status": record.status,
        "epochs": record.epochs,
        "planned_epochs": record.planned,
        "monitor": record.monitor,
        "best_epoch": record.best and record.best["epoch"],
        "best_value": record.best and record.best["value"],
        "age_seconds": round(max(0.0, time.time() - record.modified), 1),
        "damage": record.damage,
    }


def _sort_key(row: dict[str, Any], sort: Order) -> tuple[Any, ...]:
    best = row["best_value"]
    keys = {
        "age": row["age_seconds"],
        "name": row["name"],
        "status": row["status"],
        "epochs": -row["epochs"],
        "best": (best is None, best if best is not None else 0),
    }
    return keys[sort], row["path"]


def describe_run(path: str | Path) -> dict[str, Any]:
    """Return all that a run directory says of its run, as plain data.

    Raises:
        CheckpointError: there is no run.
    """
    record = read_run(path)
    return {
        "schema_version": SCHEMA_VERSION,
        **_row(record),
        "diverged": record.diverged,
        "metrics": record.metrics,
        "weights_sha256": record.weights,
        "config": record.config,
        "summary": record.summary,
        "rows": record.rows,
    }


def compare_runs(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Return in what runs differ: their configs, their figures, their weights.

    Args:
        paths: two run directories or more; differences are to the first.

    Returns:
        As plain data: ``config``, the key paths whose values differ, with each run's (``missing`` lists the runs
        that have no such key); ``metrics``, each run's figures; ``weights_equal``, by the last checkpoints' SHA-256,
        None where one is not known.

    Raises:
        CheckpointError: one of them is no run.
        UsageError: fewer than two.
    """
    if len(paths) < 2:
        raise UsageError("compare takes two runs or more", hint="trainctl runs compare runs/a runs/b")
    records = [read_run(path) for path in paths]
    weights = [record.weights["last"] for record in records]
    return {
        "schema_version": SCHEMA_VERSION,
        "runs": [_row(record) for record in records],
        "config": _config_differences(records),
        "metrics": _figures(records),
        "weights_sha256": weights,
        "weights_equal": None if None in weights else len(set(weights)) == 1,
    }


def _config_differences(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    differences = []
    for path in dict.fromkeys(path for record in records for path in record.config):
        values = [record.config.get(path, _ABSENT) for record in records]
        if any(type(value) is not type(values[0]) or value != values[0] for value in values):
            shown = [None if value is _ABSENT else value for value in values]
            missing = [number for number, value in enumerate(values) if value is _ABSENT]
            differences.append({"path": path, "values": shown, "missing": missing})
    return differences


def _figures(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    figures = [record.metrics for record in records]
    rows = []
    for name in dict.fromkeys(name for each in figures for name in each):
        values = [each.get(name) for each in figures]
        first = values[0]
        differences = [None if first is None or value is None else value - first for value in values]
        rows.append({"name": name, "values": values, "differences": differences})
    return rows
