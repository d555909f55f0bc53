"""The sentences that every display for people shares."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from trainctl.cli.text import count, duration, number
from trainctl.train.commands import plugin_options
from trainctl.train.events import CheckpointSaved, TrainEnd, TrainStart


def start_line(event: TrainStart) -> str:
    """What is about to be trained, on what, and on how much."""
    validation = f", {event.val_samples:,} for validation" if event.val_samples else ""
    resumed = f"; goes on at epoch {event.start_epoch}, step {event.start_step}" if event.resumed else ""
    return (
        f"{event.name}: {count(event.parameters, 'parameter')} on {event.device} "
        f"({count(event.threads, 'thread')}), {count(event.train_samples, 'sample')}{validation}{resumed}"
    )


def saved_line(event: CheckpointSaved) -> str:
    """Where a checkpoint is."""
    return f"saved {event.path} (epoch {event.epoch}, step {event.global_step})"


def end_lines(event: TrainEnd) -> list[str]:
    """How well the run did, how long it took, where it is, and what to type next."""
    summary, run = event.summary, event.run_dir
    lines = []
    if summary.get("best_epoch") is not None:
        lines.append(f"best epoch {summary['best_epoch']}: {summary['monitor']} {number(summary['best_value'])}")
    if summary.get("test_loss") is not None:
        figures = {"loss": summary["test_loss"], **summary["test_metrics"]}
        shown = "  ".join(f"{name} {number(value)}" for name, value in figures.items() if value is not None)
        lines.append(f"test: {shown}")
    lines.append(f"{count(summary['steps'], 'step')} in {duration(summary['seconds'])}; the run is in {run}")
    lines.append(f"next: trainctl eval {shlex.quote(str(run))}{_split(summary)}{plugin_options(run)}")
    return lines


def _split(summary: Mapping[str, Any]) -> str:
    """The option for what a run without a test split can be measured on."""
    if summary.get("test_loss") is not None:
        return ""
    return " --split train" if summary.get("val_loss") is None else " --split val"
