"""A trained model against a baseline, on the same samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainctl.errors import UsageError
from trainctl.jobs.experiments import config_of
from trainctl.jobs.measuring import Subject, like
from trainctl.train.checkpoint import read_checkpoint, weights_sha256
from trainctl.train.records import Recorder
from trainctl.train.resolve import find_checkpoint

REGRESSION = "regression"


class Baseline:
    """A model that another is compared with. Made before the other is measured, so that mistakes come first.

    Args:
        path: a run, whose best checkpoint is meant, or a checkpoint.
        subject: the model that is compared with it.
        threads: default: as the baseline's run had.
        deciding: the names of the figures in which a regression fails the evaluation; by default the metrics, or the
            loss where there are none.
        alpha: how often, at most, models that are equally good are taken for different.
        max_drop: how much worse a figure may be, in its own unit.

    Attributes:
        observe: takes in each batch of the subject's evaluation.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        UsageError: it does not fit the subject's data, or a number is out of range.
    """

    def __init__(
        self,
        path: str | Path,
        subject: Subject,
        threads: int | None,
        *,
        deciding: Sequence[str] = (),
        alpha: float = 0.05,
        max_drop: float = 0.0,
    ) -> None:
        check_numbers(alpha, max_drop)
        self.alpha, self.max_drop = alpha, max_drop
        found = find_checkpoint(path)
        checkpoint = read_checkpoint(found)
        self.other, self.same_loss = like(subject, found, checkpoint, config_of(checkpoint, found), threads)
        metrics, loss = subject.experiment.metrics, subject.experiment.loss
        if hasattr(loss, "losses"):
            names = ", ".join(name for name, _ in loss.losses.items())
            raise UsageError(f"--baseline {found}: compares models of one output; the run's has {names}")
        self.deciding = set(deciding) or set(metrics) or {"loss"}
        if "loss" in self.deciding and not self.same_loss:
            raise UsageError(
                f"--baseline {found}: its outputs are not what the run's loss takes, so their losses cannot be compared",
                hint="--compare METRIC decides by a metric",
            )
        self.observe = Recorder(loss, metrics)
        self._theirs = Recorder(self.other.experiment.loss, metrics)

    def compare(self, split: str, figures: Mapping[str, float]) -> dict[str, Any]:
        """Measure the baseline on the subject's samples and return the comparison, as plain data.

        Args:
            split: the samples.
            figures: the subject's, by name, its loss among them.
        """
        from trainctl.train.threads import blas_threads

        measured = self.other.measure(split, observers=[self._theirs])
        theirs = {"loss": measured.loss, **measured.metrics}
        names = [name for name in figures if name != "loss" or self.same_loss]
        with blas_threads(1):  # the last bits of sums must not depend on the machine's cores
            rows = [self._row(name, figures[name], theirs[name]) for name in names]
        self._judge(rows)
        return {
            "checkpoint": str(self.other.found),
            "name": self.other.experiment.config.name,
            "weights_sha256": weights_sha256(self.other.found),
            "samples": measured.samples,
            "alpha": self.alpha,
            "max_drop": self.max_drop,
            "passed": not any(row["decides"] and row["verdict"] == REGRESSION for row in rows),
            "comparisons": rows,
        }

    def _row(self, name: str, value: float, baseline: float) -> dict[str, Any]:
        from trainctl.train.significance import difference

        found = difference(name, self.observe, self._theirs, self.alpha)
        return {
            "name": name,
            "value": value,
            "baseline": baseline,
            "difference": found and found.difference,
            "interval": found and list(found.interval),
            "p": found and found.p,
            "p_adjusted": found and found.p,
            "test": found and found.test,
            "higher_is_better": self.observe.metrics[name].higher_is_better,
            "decides": name in self.deciding,
        }

    def _judge(self, rows: list[dict[str, Any]]) -> None:
        """Add the verdicts. Figures that decide are judged together: by chance, one of many always looks different."""
        from trainctl.train.significance import holm

        tested = [row for row in rows if row["decides"] and row["p"] is not None]
        for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
            row["p_adjusted"] = p
        for row in rows:
            row["verdict"] = verdict(row, self.alpha, self.max_drop)


def verdict(row: Mapping[str, Any], alpha: float, max_drop: float) -> str:
    """Return what a comparison of one figure comes to.

    Example:
        >>> row = {"value": 0.9, "baseline": 0.95, "difference": -0.05, "p_adjusted": 0.01, "higher_is_better": True}
        >>> verdict(row, 0.05, 0.0), verdict(row, 0.05, 0.1), verdict(row, 0.001, 0.0)
        ('regression', 'worse, within max-drop', 'no significant difference')
    """
    if row["p_adjusted"] is None:
        spoiled = not math.isfinite(row["value"]) and math.isfinite(row["baseline"])
        return REGRESSION if spoiled else "not comparable"
    if row["p_adjusted"] >= alpha:
        return "no significant difference"
    drop = -row["difference"] if row["higher_is_better"] else row["difference"]
    if drop <= 0:
        return "improvement"
    return REGRESSION if drop > max_drop else "worse, within max-drop"


def check_numbers(alpha: float, max_drop: float) -> None:
    """Check what a comparison is told.

    Raises:
        UsageError: a number is out of range.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"--alpha: expected a number between 0 and 1, got {alpha:g}", hint="0.05 is usual")
    if alpha < 1e-4:
        raise UsageError(f"--alpha: expected 0.0001 or more, got {alpha:g}", hint="less would take too many resamples")
    if not (max_drop >= 0 and math.isfinite(max_drop)):
        raise UsageError(f"--max-drop: expected a number of 0 or more, got {max_drop:g}", hint="a drop is positive")
