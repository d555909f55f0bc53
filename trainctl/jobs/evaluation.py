"""Measure a trained model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from trainctl.errors import UsageError
from trainctl.jobs.experiments import build_from
from trainctl.jobs.places import RUNS
from trainctl.train.checkpoint import read_checkpoint, weights_sha256
from trainctl.train.resolve import find_checkpoint, latest_run
from trainctl.train.threads import blas_threads, eager_threads

SPLITS = ("train", "val", "test")

SCHEMA_VERSION = 1
"""Of what :func:`run_evaluation` returns."""


def run_evaluation(
    path: str | Path | None = None,
    *,
    split: str = "test",
    threads: int | None = None,
    batch_size: int | None = None,
) -> dict[str, Any]:
    """Measure a trained model and return its loss (mean over the samples) and metrics.

    Args:
        path: a run, whose best checkpoint is meant, or a checkpoint; default: the latest run.
        split: the samples to measure on: train, val or test.
        threads: BLAS threads; default: as the run had, which gives the very figures of its summary.
        batch_size: samples at a time; default: the config's ``data.eval_batch_size``.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        UsageError: the run has no such split.
        DataError: the run's data is missing or corrupt.

    Example:
        >>> run_evaluation("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    from trainctl.data import DataLoader
    from trainctl.train.evaluate import evaluate
    from trainctl.train.steps import Steps
    from trainctl.train.summary import number

    found = find_checkpoint(latest_run(RUNS) if path is None else path)
    checkpoint = read_checkpoint(found)
    experiment = build_from(checkpoint, found)
    data = getattr(experiment, f"{split}_data") if split in SPLITS else None
    if data is None:
        raise UsageError(
            f"{found}: the run has no {split} split",
            hint="the splits are train, val (if data.split holds some out) and test",
        )
    threads = threads or checkpoint.threads
    batch_size = batch_size or experiment.config.data.eval_batch_size
    started = time.perf_counter()
    steps = Steps(experiment, threads, checkpoint.kernels, lambda text: None)
    with blas_threads(eager_threads(experiment.config, threads)):
        loader: Any = DataLoader(data, batch_size)
        result = evaluate(experiment.model, experiment.loss, experiment.metrics, loader, measure=steps.measure)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": experiment.config.name,
        "checkpoint": str(found),
        "epochs": len(checkpoint.progress.history),
        "global_step": checkpoint.progress.global_step,
        "split": split,
        "samples": result.samples,
        "loss": number(result.loss),
        "metrics": {name: number(value) for name, value in result.metrics.items()},
        "threads": threads,
        "seconds": round(time.perf_counter() - started, 3),
        "weights_sha256": weights_sha256(found),
    }
