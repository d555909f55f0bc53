"""The experiment of a config, checked, or of a checkpoint, with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def config_of(
    checkpoint: Checkpoint,
    path: Path,
    overrides: Sequence[str] = (),
    flags: Mapping[str, tuple[str, Any]] | None = None,
) -> LoadedConfig:
    """The config that a checkpoint was made with, with values replaced as ``load_config`` does.

    Raises:
        ConfigError: every mistake in it.
    """
    from trainctl.config import config_from_yaml

    return config_from_yaml(checkpoint.config, str(path / INDEX), overrides, flags)


def build_from(checkpoint: Checkpoint, path: Path, loaded: LoadedConfig | None = None) -> Experiment:
    """The experiment that a checkpoint is of, with its weights.

    Args:
        checkpoint: the checkpoint.
        path: where it is.
        loaded: its config; default: :func:`config_of` it.
    """
    from trainctl.build import build
    from trainctl.train.state import load_weights

    experiment = build(loaded or config_of(checkpoint, path))
    load_weights(checkpoint, experiment.model)
    return experiment
