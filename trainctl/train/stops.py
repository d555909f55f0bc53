"""Why a run stops before its end: a signal, or numbers that are no longer finite."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np

from trainctl.errors import DivergedError, Interrupted
from trainctl.train.checkpoint import Progress
from trainctl.train.resolve import resume_command
from trainctl.train.rundir import RunDirectory


def interrupted(run: RunDirectory, progress: Progress, signum: int) -> Interrupted:
    """Return the error of a run that a signal stopped and whose state is saved."""
    at_end = f"the end of epoch {progress.epoch - 1}"
    where = f"epoch {progress.epoch}, step {progress.step}" if progress.step else at_end
    message = f"stopped by {signal.Signals(signum).name} at {where}; everything up to there is saved"
    return Interrupted(message, signum=signum, hint=resume_command(run.path))


def diverged(run: RunDirectory, progress: Progress, optimizer: str, lr: float, what: str) -> DivergedError:
    """Return the error of a run whose numbers are no longer finite.

    Args:
        run: the run.
        progress: where it is: ``progress.step`` is the step that went wrong.
        optimizer: its name in the config.
        lr: its learning rate.
        what: what is not finite.
    """
    saved = run.checkpoints.last()
    kept = f"the last good checkpoint is {saved}" if saved else "no checkpoint was saved before"
    return DivergedError(
        f"training diverged at epoch {progress.epoch}, step {progress.step} (lr {lr:g}): {what}",
        hint=f"try a smaller step: --set optimizer.{optimizer}.lr={lr / 10:g}; {kept}",
    )


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
