"""How long an epoch is, and what would stop a run only later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainctl.errors import DataError

if TYPE_CHECKING:
    from trainctl.build import Experiment


def check_experiment(experiment: Experiment) -> None:
    """Find out before a run begins what would stop it only later; all data is opened.

    Raises:
        DataError: a split has no samples, or its data is missing or corrupt.
        ConfigError: a scheduler is over before the run is.
    """
    steps_per_epoch(experiment)
    _ = experiment.schedule
    for name, data in (("validation", experiment.val_data), ("test", experiment.test_data)):
        if data is not None and not len(data):
            raise DataError(f"the {name} split has no samples", hint="see `data:` in the config")


def steps_per_epoch(experiment: Experiment) -> int:
    """Return the number of optimizer steps in an epoch.

    Raises:
        DataError: there is none.
    """
    config = experiment.config
    return -(-samples_per_epoch(experiment) // (config.data.batch_size * config.train.accumulate))


def samples_per_epoch(experiment: Experiment) -> int:
    """Return how many samples an epoch learns from.

    Raises:
        DataError: they do not make one batch.
    """
    data, samples = experiment.config.data, len(experiment.train_data)
    if data.drop_last:
        samples -= samples % data.batch_size
    if not samples:
        raise DataError(
            f"{len(experiment.train_data)} training samples make no batch of {data.batch_size}",
            hint="lower data.batch_size, or leave out data.drop_last",
        )
    return samples
