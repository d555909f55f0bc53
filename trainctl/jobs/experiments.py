"""The experiment of a config, checked, or of a checkpoint, with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.train.checkpoint import INDEX, Checkpoint

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.config import LoadedConfig


def checked_build(loaded: LoadedConfig) -> Experiment:
    """Make what a config describes and open its data.

    Raises:
        ConfigError: its parts do not fit each other.
        DataError: data is missing or corrupt, or a split has no samples.
    """
    from trainctl.build import build
    from trainctl.train.lengths import check_experiment

    experiment = build(loaded)
    check_experiment(experiment)
    return experiment


def build_from(checkpoint: Checkpoint, path: Path) -> Experiment:
    """The experiment that a checkpoint is of, with its weights."""
    from trainctl.build import build
    from trainctl.config import config_from_yaml
    from trainctl.train.state import load_weights

    experiment = build(config_from_yaml(checkpoint.config, str(path / INDEX)))
    load_weights(checkpoint, experiment.model)
    return experiment
