"""``summary.json``: a finished run in one object."""

from __future__ import annotations

import hashlib
import math
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainctl.train.checkpoint import Progress, weights_sha256
from trainctl.train.evaluate import EvalResult
from trainctl.train.lengths import samples_per_epoch
from trainctl.train.rundir import SCHEMA_VERSION
from trainctl.version import __version__

if TYPE_CHECKING:
    from trainctl.build import Experiment


def summarize(
    experiment: Experiment,
    progress: Progress,
    test: EvalResult | None,
    *,
    monitor: str,
    stopped_early: bool,
    threads: int,
    last: Path,
    best: Path,
) -> dict[str, Any]:
    """Return what ``summary.json`` holds.

    Args:
        experiment: the run's objects.
        progress: where it ended.
        test: the best weights measured on the test split; None where there is none.
        monitor: what the best epoch is best in.
        stopped_early: whether early stopping left out epochs.
        threads: BLAS threads.
        last: the last checkpoint.
        best: the checkpoint whose weights were measured.
    """
    config, row, best_epoch = experiment.config, progress.history[-1], progress.best
    return {
        "schema_version": SCHEMA_VERSION,
        "name": config.name,
        "config_sha256": config_sha256(experiment),
        "epochs": row["epoch"],
        "steps": progress.global_step,
        "stopped_early": stopped_early,
        "monitor": monitor,
        "best_epoch": best_epoch and best_epoch.epoch,
        "best_value": best_epoch and best_epoch.value,
        "train_loss": row["train_loss"],
        "val_loss": row["val_loss"],
        "val_metrics": {} if experiment.val_data is None else {name: row[name] for name in experiment.metrics},
        "test_loss": number(test.loss) if test else None,
        "test_metrics": {name: number(value) for name, value in test.metrics.items()} if test else {},
        "parameters": sum(parameter.numel() for parameter in experiment.model.parameters()),
        "seconds": round(progress.seconds, 3),
        "samples_per_second": round(_trained_samples(experiment, progress) / progress.train_seconds, 1),
        "seed": config.seed,
        "device": device_of(experiment.model),
        "threads": threads,
        "versions": {"trainctl": __version__, "numpy": np.__version__, "python": platform.python_version()},
        "weights_sha256": weights_sha256(last),
        "best_weights_sha256": weights_sha256(best),
    }


def config_sha256(experiment: Experiment) -> str:
    """Return the SHA-256 of a run's resolved config."""
    return hashlib.sha256(experiment.loaded.to_yaml().encode()).hexdigest()


def number(value: float | None) -> float | None:
    """Return a figure as JSON can hold it: None where it is not finite.

    Example:
        >>> number(0.5), number(float("nan"))
        (0.5, None)
    """
    return value if value is not None and math.isfinite(value) else None


def device_of(model: Any) -> str:
    """Return the name of the device that a model's parameters are on.

    Example:
        >>> from trainctl import nn
        >>> device_of(nn.Linear(1, 1))
        'cpu'
    """
    return next((str(parameter.device) for parameter in model.parameters()), "cpu")


def _trained_samples(experiment: Experiment, progress: Progress) -> int:
    return len(progress.history) * samples_per_epoch(experiment)
