"""Why a run stops before its end: a signal, or numbers that are no longer finite."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainctl.errors import DivergedError, Interrupted
from trainctl.train.checkpoint import Progress
from trainctl.train.resolve import CHECKPOINTS, resume_command
from trainctl.train.store import CheckpointStore

if TYPE_CHECKING:
    from trainctl.config import Config


def interrupted(run: Path, progress: Progress, signum: int) -> Interrupted:
    """Return the error of a run that a signal stopped and whose state is saved."""
    at_end = f"the end of epoch {progress.epoch - 1}"
    where = f"epoch {progress.epoch}, step {progress.step}" if progress.step else at_end
    message = f"stopped by {signal.Signals(signum).name} at {where}; everything up to there is saved"
    return Interrupted(message, signum=signum, hint=resume_command(run))


def diverged(run: Path, progress: Progress, config: Config, what: str) -> DivergedError:
    """Return the error of a run whose numbers are no longer finite.

    Args:
        run: its directory.
        progress: where it is: ``progress.step`` is the step that went wrong.
        config: what it trains.
        what: what is not finite.
    """
    saved = CheckpointStore(run / CHECKPOINTS).last()
    kept = f"the last good checkpoint is {saved}" if saved else "no checkpoint was saved before"
    return DivergedError(
        f"training diverged at epoch {progress.epoch}, step {progress.step} (lr {progress.lr:g}): {what}",
        hint=f"try a smaller step: --set {_smaller_step(config, progress.lr)}; {kept}",
    )


def _smaller_step(config: Config, lr: float | None) -> str:
    """The setting that decides how high the learning rate is, with a tenth of its value."""
    scheduler, optimizer = config.scheduler, config.optimizer
    if scheduler is not None:
        lr = optimizer.args["lr"]
        if isinstance(scheduler.args.get("max_lr"), float):
            return f"scheduler.{scheduler.name}.max_lr={scheduler.args['max_lr'] / 10:g}"
    assert lr is not None
    return f"optimizer.{optimizer.name}.lr={lr / 10:g}"


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
