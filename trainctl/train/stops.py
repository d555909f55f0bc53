"""Why a run stops before its end: a signal, or numbers that are no longer finite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainctl.errors import DivergedError, TrainctlError
from trainctl.train.checkpoint import Progress
from trainctl.train.commands import resume_command
from trainctl.train.events import Diverged
from trainctl.train.resolve import CHECKPOINTS
from trainctl.train.signals import StopSignals
from trainctl.train.store import CheckpointStore

if TYPE_CHECKING:
    from trainctl.config import Config


_SHOWN = 8  # samples


def stop_here(stop: StopSignals, run: Path, progress: Progress) -> None:
    """End a run that a signal came for, and whose state is saved.

    Raises:
        Interrupted: it came.
    """
    where = f"at epoch {progress.epoch}, step {progress.step}; everything up to there is saved"
    if progress.global_step == 0:
        where = "before the first step; nothing is trained yet"
    elif progress.step == 0:
        where = f"at the end of epoch {progress.epoch - 1}; everything up to there is saved"
    stop.check(where, resume_command(run))


def out_of_memory(run: Path, progress: Progress, error: MemoryError) -> TrainctlError:
    """Return the error of a run for which there was not enough memory.

    It has the exit code 1, of failures that are neither the config's nor the data's.
    """
    last = CheckpointStore(run / CHECKPOINTS).last()
    kept = f"its last checkpoint is {last}" if last else "it has no checkpoint yet"
    why = f": {error}" if str(error) else ""
    return TrainctlError(
        f"{run}: out of memory at epoch {progress.epoch}, after step {progress.step}{why}; {kept}",
        hint=f"with more memory, {resume_command(run)}; a new run with a smaller data.batch_size (and train.accumulate "
        "for the same steps) needs less",
    )


def diverged(event: Diverged, config: Config) -> DivergedError:
    """Return the error of a run whose numbers are no longer finite.

    Args:
        event: what there is to say of it.
        config: what it trains.
    """
    assert event.lr is not None
    kept = f"the last good checkpoint is {event.checkpoint}" if event.checkpoint else "no checkpoint was saved before"
    lines = [f"training diverged at epoch {event.epoch}, step {event.step} (lr {event.lr:g}): {event.reason}"]
    if event.finding:
        lines.append(f"first, at step {event.first_step} of the run: {event.finding}")
    if event.samples:
        more = f" and {len(event.samples) - _SHOWN} more" if len(event.samples) > _SHOWN else ""
        lines.append(f"samples of the {event.split} split: {', '.join(map(str, event.samples[:_SHOWN]))}{more}")
    if event.grad_norm is not None:
        lines.append(f"gradient norm: {event.grad_norm:g}")
    remedy = f"try a smaller step: --set {_smaller_step(config, event.lr)}"
    if event.quantity == "input":
        remedy = "the data, or a transform of it, is to blame: look at the samples"
    return DivergedError("\n  ".join(lines), hint=f"{remedy}; {kept}")


def _smaller_step(config: Config, lr: float | None) -> str:
    """The setting that decides how high the learning rate is, with a tenth of its value."""
    scheduler, optimizer, place = config.scheduler, config.optimizer, "optimizer"
    if isinstance(optimizer, tuple):
        optimizer, place = optimizer[0], "optimizer.0"
    if scheduler is not None:
        lr = optimizer.args["lr"]
        if isinstance(scheduler.args.get("max_lr"), float):
            return f"scheduler.{scheduler.name}.max_lr={scheduler.args['max_lr'] / 10:g}"
    assert lr is not None
    return f"{place}.{optimizer.name}.lr={lr / 10:g}"


def infinite_weight(model: Any) -> str | None:
    """Return the name of the first weight that is not finite, None where all are.

    A loss can be finite and the step after it not.

    Example:
        >>> from trainctl import nn
        >>> layer = nn.Linear(1, 1)
        >>> infinite_weight(layer) is None
        True
        >>> _ = layer.bias.data.fill_(float("nan"))
        >>> infinite_weight(layer)
        'bias'
    """
    for name, parameter in model.named_parameters():
        if not np.isfinite(parameter.detach().cpu().numpy()).all():
            return name
    return None
