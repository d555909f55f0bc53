"""What the training loop says while it runs.

The loop (:mod:`trainctl.train.loop`) is a generator of these and touches no files; what keeps the run's files
(:mod:`trainctl.train.recorder`), the display and a user's own logger read them. Epochs and steps count from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainctl.train.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class TrainStart:
    """Everything is built; the first step comes next.

    ``start_epoch`` and ``start_step`` name the next step to run: 1 and 1 for a fresh run.
    """

    run_dir: Path
    name: str
    device: str
    threads: int
    parameters: int
    epochs: int
    steps_per_epoch: int
    train_samples: int
    val_samples: int
    start_epoch: int = 1
    start_step: int = 1
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class StepEnd:
    """One optimizer step. ``loss`` is the mean over the batch, ``samples`` the batch's size."""

    epoch: int
    step: int
    global_step: int
    loss: float
    lr: float
    samples: int


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """One epoch, validation included.

    ``train_loss`` is the mean over the epoch's samples; ``val_loss`` is None where there is no
    validation split; ``metrics`` are measured on validation data (empty without a split);
    ``seconds`` and ``samples_per_second`` count training alone.
    """

    epoch: int
    global_step: int
    train_loss: float
    val_loss: float | None
    metrics: Mapping[str, float]
    lr: float
    seconds: float
    samples_per_second: float
    is_best: bool


@dataclass(frozen=True, slots=True)
class CheckpointDue:
    """The state of the run as it is now, to be saved before anything else happens; ``best``: it is the best so far.

    Arrays are shared with the run, whose next step changes them. :class:`trainctl.train.recorder.Recorder` saves it
    and tells of it as :class:`CheckpointSaved`.
    """

    checkpoint: Checkpoint
    epoch: int
    global_step: int
    best: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A checkpoint is on disk, whole."""

    path: Path
    epoch: int
    global_step: int


@dataclass(frozen=True, slots=True)
class TrainEnd:
    """The run is over; ``summary`` is what ``summary.json`` holds."""

    run_dir: Path
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """One line that the user should read: something went otherwise than asked for."""

    message: str


Event = TrainStart | StepEnd | EpochEnd | CheckpointDue | CheckpointSaved | TrainEnd | Notice
