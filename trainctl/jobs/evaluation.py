"""Measure a trained model, hold it to its gates, compare it with a baseline."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.errors import ConfigError, UsageError
from trainctl.jobs.comparison import Baseline, check_numbers
from trainctl.jobs.experiments import config_of
from trainctl.jobs.gates import check_names, judge, parse_gate
from trainctl.jobs.measuring import SPLITS, Subject
from trainctl.jobs.places import RUNS
from trainctl.jobs.runtimes import Runtime, on_runtime
from trainctl.train.checkpoint import read_checkpoint, weights_sha256
from trainctl.train.resolve import find_checkpoint, latest_run

if TYPE_CHECKING:
    from trainctl.config import LoadedConfig

__all__ = ["SPLITS", "run_evaluation"]

SCHEMA_VERSION = 1
"""Of what :func:`run_evaluation` returns."""

_REPLACEABLE = ("data", "metrics")


def run_evaluation(
    path: str | Path | None = None,
    *,
    split: str = "test",
    threads: int | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    overrides: Sequence[str] = (),
    fail_if: Sequence[str] = (),
    baseline: str | Path | None = None,
    compare: Sequence[str] = (),
    alpha: float = 0.05,
    max_drop: float = 0.0,
    per_class: bool = False,
    runtime: Runtime = "trainctl",
) -> dict[str, Any]:
    """Measure a trained model and return its loss (mean over the samples) and metrics, as plain data.

    A gate that fails raises nothing: ``passed`` is False, and :func:`trainctl.jobs.failures` has the reasons.

    Args:
        path: a run, whose best checkpoint is meant, or a checkpoint; default: the latest run.
        split: the samples to measure on: train, val or test.
        threads: BLAS threads; default: as the run had, which gives the very figures of its summary.
        batch_size: samples at a time; default: the config's ``data.eval_batch_size``.
        device: where to compute; default: as the config says.
        overrides: ``a.b=c`` each, of the config's ``data`` and ``metrics``.
        fail_if: gates, such as ``accuracy<0.97``.
        baseline: a run or checkpoint to compare with, on the same samples.
        compare: the figures that decide the comparison; default: the metrics, or the loss where there are none.
        alpha: the comparison's level of significance.
        max_drop: how much worse than the baseline's a figure may be, in its own unit.
        per_class: measure precision, recall and F1 of each class, too.
        runtime: what runs the model; the baseline is run by trainctl.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        ConfigError: an override does not fit.
        UsageError: the run has no such split, a gate names no figure, the baseline does not fit, or there are several
            outputs where one is needed.
        DataError: the run's data is missing or corrupt.

    Example:
        >>> run_evaluation("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    gates = [parse_gate(text) for text in dict.fromkeys(fail_if)]
    check_numbers(alpha, max_drop)
    if compare and baseline is None:
        raise UsageError("--compare says what a comparison decides by, and there is none", hint="--baseline RUN")
    check_replaceable(overrides)
    found = find_checkpoint(latest_run(RUNS) if path is None else path)
    checkpoint = read_checkpoint(found)
    loaded = config_of(checkpoint, found, overrides, {"device": ("--device", device)})
    figures, tables = _measured(loaded)
    check_names([gate.name for gate in gates], figures, tables, "--fail-if")
    check_names(compare, figures, tables, "--compare")
    subject = Subject.build(found, checkpoint, loaded, threads, batch_size)
    if runtime == "onnxruntime":
        subject.experiment = on_runtime(subject.experiment, found, checkpoint, subject.threads)
    _check_one_output(subject, "--baseline" if baseline else "--per-class" if per_class else None)
    against = baseline and Baseline(
        baseline, subject, threads, deciding=compare, alpha=alpha, max_drop=max_drop
    )  # fmt: skip
    started = time.perf_counter()
    with _per_class_fits(found):
        result = subject.measure(split, _tables(subject, per_class), [against.observe] if against else [])
    values = {"loss": result.loss, **result.metrics}
    judged = judge(gates, values)
    compared = against.compare(split, values) if against else None
    facts = {
        "schema_version": SCHEMA_VERSION,
        "name": loaded.config.name,
        "checkpoint": str(found),
        "epochs": len(checkpoint.progress.history),
        "global_step": checkpoint.progress.global_step,
        "split": split,
        "samples": result.samples,
        "loss": result.loss,
        "metrics": result.metrics,
        "tables": {name: _labelled(table, subject.data(split)) for name, table in result.tables.items()},
        "gates": judged,
        "baseline": compared,
        "passed": all(each["passed"] for each in judged) and (compared is None or compared["passed"]),
        "runtime": runtime,
        "threads": subject.threads,
        "seconds": round(time.perf_counter() - started, 3),
        "weights_sha256": weights_sha256(found),
    }
    return {key: _plain(value) for key, value in facts.items()}


def _plain(value: Any) -> Any:
    """A value with None for each number that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_replaceable(overrides: Sequence[str]) -> None:
    """Check that overrides are of what an evaluation may replace.

    Raises:
        UsageError: one is not.
    """
    for text in overrides:
        key = text.partition("=")[0].partition(".")[0]
        if key not in _REPLACEABLE:
            raise UsageError(
                f"--set {text}: expected a key of data or metrics, got {key!r}",
                hint="an evaluation replaces data.* and metrics; the rest belongs to the trained model",
            )


def _check_one_output(subject: Subject, option: str | None) -> None:
    from trainctl.train.batches import output_names

    names = output_names(subject.experiment.loss)
    if option and names:
        raise UsageError(
            f"{option}: takes models of one output; {subject.found} has {', '.join(names)}",
            hint="the loss, the metrics and --fail-if work with several",
        )


def _measured(loaded: LoadedConfig) -> tuple[list[str], list[str]]:
    """The names of the figures, and those of the tables."""
    from trainctl.config.schema import is_table

    metrics = loaded.config.metrics
    tables = [metric.label for metric in metrics if is_table(metric)]
    return ["loss", *(metric.label for metric in metrics if metric.label not in tables)], tables


def _tables(subject: Subject, per_class: bool) -> Mapping[str, Any]:
    from trainctl.train.metrics import PerClass

    tables = dict(subject.experiment.tables)
    return {**tables, PerClass.label: PerClass()} if per_class else tables


@contextmanager
def _per_class_fits(found: Path) -> Iterator[None]:
    """Say of a model without classes what was asked of it; a config that names the table is told of itself."""
    from trainctl.train.metrics import PerClass

    try:
        yield
    except ConfigError as error:
        reason = error.problems[0].message
        if not reason.startswith(f"{PerClass.label} "):
            raise
        message = f"--per-class: the model of {found} does not answer with classes: {reason}"
        raise UsageError(message, hint="leave out --per-class") from error


def _labelled(table: Any, data: Any) -> Any:
    """A table with the names of the classes, where the dataset has them."""
    while hasattr(data, "dataset"):
        data = data.dataset
    names = getattr(data, "classes", None)
    if not isinstance(table, dict) or not names or len(names) != len(table.get("values", ())):
        return table
    return {**table, "labels": [str(name) for name in names]}
