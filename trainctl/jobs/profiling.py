"""Where the time and the memory of training go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainctl.errors import UsageError
from trainctl.jobs.experiments import checked_build
from trainctl.train.threads import blas_threads, eager_threads, resolve_threads

if TYPE_CHECKING:
    from trainctl.config import LoadedConfig


def run_profile(loaded: LoadedConfig, *, steps: int = 20) -> dict[str, Any]:
    """Train what a config describes for a few steps, write nothing, and return where time and memory went.

    Args:
        loaded: the config.
        steps: how many steps are timed as a whole, and then how many call by call; a few more come before, while the
            plan is made.

    Returns:
        As plain data: the time of a step; for each kind of op its share, its rates and what they are of the peaks that
        are measured after; the plan, or why there is none; the memory, in bytes.

    Raises:
        ConfigError: the config cannot be built.
        DataError: data is missing or corrupt.
        UsageError: it trains on a GPU.
    """
    from trainctl.train.profile import profile
    from trainctl.train.summary import device_of

    experiment = checked_build(loaded)
    device = device_of(experiment.model)
    if device != "cpu":
        raise UsageError(f"device {device}: profile times what the CPU does", hint="--device cpu")
    threads = resolve_threads(loaded.config.threads)
    with blas_threads(eager_threads(loaded.config, threads)):
        return profile(experiment, threads, steps)
