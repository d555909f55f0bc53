"""A short run as the events it would yield, for displays to show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainctl.train.events import CheckpointSaved, EpochEnd, Event, Notice, StepEnd, TrainEnd, TrainStart

RUN = Path("runs/story")
SUMMARY: dict[str, Any] = {
    "best_epoch": 1,
    "monitor": "val_loss",
    "best_value": 0.25,
    "test_loss": 0.3,
    "test_metrics": {"accuracy": 0.875},
    "steps": 8,
    "seconds": 75.0,
}


def start(**changes: Any) -> TrainStart:
    facts: dict[str, Any] = {
        "run_dir": RUN,
        "name": "story",
        "device": "cpu",
        "threads": 2,
        "parameters": 101770,
        "epochs": 2,
        "steps_per_epoch": 4,
        "train_samples": 54000,
        "val_samples": 6000,
    }
    return TrainStart(**(facts | changes))


def step(number: int, epoch: int = 1, per_epoch: int = 4) -> StepEnd:
    return StepEnd(epoch, number, (epoch - 1) * per_epoch + number, 0.5, 0.01, 64)


def epoch(number: int, **changes: Any) -> EpochEnd:
    facts: dict[str, Any] = {
        "epoch": number,
        "global_step": 4 * number,
        "train_loss": 0.5 / number,
        "val_loss": 0.25 * number,
        "metrics": {"accuracy": 0.75},
        "lr": 0.01,
        "seconds": 1.25,
        "samples_per_second": 204.8,
        "is_best": number == 1,
    }
    return EpochEnd(**(facts | changes))


def saved(number: int) -> CheckpointSaved:
    return CheckpointSaved(RUN / f"checkpoints/step-{number:08d}", 1, number)


def story() -> Iterator[Event]:
    """Two epochs of four steps."""
    yield start()
    for number in (1, 2):
        yield from (step(each, number) for each in (1, 2, 3, 4))
        yield epoch(number)
        yield saved(4 * number)
    yield Notice("that was it")
    yield TrainEnd(RUN, SUMMARY)
