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
    """One optimizer step. ``loss`` is the mean over its samples, of which there are ``samples``.

    ``lr`` is the first parameter group's; ``grad_norm`` that of all gradients before they were clipped, None where
    they are not.
    """

    epoch: int
    step: int
    global_step: int
    loss: float
    lr: float
    samples: int
    grad_norm: float | None = None


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """One epoch, validation included.

    ``train_loss`` is the mean over the epoch's samples; ``val_loss`` is None where there is no
    validation split; ``metrics`` are measured on validation data (empty without a split);
    ``lr`` is the first parameter group's and ``lrs`` are those of all, in the last step; ``grad_norm`` is the mean
    of the steps'; ``seconds`` and ``samples_per_second`` count training alone.
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
    lrs: tuple[float, ...] = ()
    grad_norm: float | None = None


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
class Diverged:
    """The run ends because a number is not finite: ``reason`` is what was noticed at the step named.

    The rest is what a look at the step that went wrong found, each None where it could not be found out. ``quantity``
    is the first thing that is not finite, ``input``, ``weight``, ``output``, ``loss``, ``gradient`` or ``update`` (the
    weights after the step), of ``layer``, at ``first_step`` of the run; ``samples`` are those of the batch that are
    concerned, by their indices in the dataset's part that ``split`` is of; ``grad_norm`` is of all gradients.
    """

    epoch: int
    step: int
    global_step: int
    reason: str
    lr: float | None
    split: str
    first_step: int | None = None
    quantity: str | None = None
    layer: str | None = None
    layer_type: str | None = None
    finding: str | None = None
    samples: tuple[int, ...] = ()
    grad_norm: float | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """The run ends before its last epoch; ``reason`` is half a sentence, ``best_epoch`` has the weights that are kept."""

    epoch: int
    reason: str
    best_epoch: int | None


@dataclass(frozen=True, slots=True)
class TrainEnd:
    """The run is over; ``summary`` is what ``summary.json`` holds."""

    run_dir: Path
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """One line that the user should read: something went otherwise than asked for."""

    message: str


Event = TrainStart | StepEnd | EpochEnd | CheckpointDue | CheckpointSaved | Diverged | EarlyStop | TrainEnd | Notice
