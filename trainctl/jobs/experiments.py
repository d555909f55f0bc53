"""The experiment of a config, checked, or of a checkpoint, with its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.errors import UsageError
from trainctl.train.checkpoint import INDEX, Checkpoint
from trainctl.train.events import Event, Notice

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


def first_build(loaded: LoadedConfig, on_event: Callable[[Event], object]) -> Experiment:
    """Make the experiment of a run at its beginning: with the weights of ``init_from``, whose SHA-256 it records.

    Args:
        loaded: the config.
        on_event: called with a notice where not all weights are used.

    Raises:
        ConfigError: as :func:`checked_build`.
        DataError: as :func:`checked_build`.
        CheckpointError: the weights are missing, or not this model's.
    """
    from trainctl.train.initial import load_initial

    experiment, init = checked_build(loaded), loaded.config.init_from
    if init is not None:
        sha256, left_out = load_initial(experiment.model, init.path, strict=init.strict, sha256=init.sha256)
        if left_out:
            on_event(Notice(left_out))
        recorded = init.model_copy(update={"sha256": sha256})
        experiment.loaded = replace(loaded, config=loaded.config.model_copy(update={"init_from": recorded}))
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
        UsageError: the model is quantized, and is to run elsewhere than on the CPU.
    """
    from trainctl.config import config_from_yaml

    loaded = config_from_yaml(checkpoint.config, str(path / INDEX), overrides, flags)
    if checkpoint.quantization is None:
        return loaded
    _, device = (flags or {}).get("device", ("", None))
    if device not in (None, "auto", "cpu"):
        raise UsageError(f"--device {device}: {path} is quantized, and integers are computed with on the CPU")
    return on_cpu(loaded)


def on_cpu(loaded: LoadedConfig) -> LoadedConfig:
    """Return a config whose model is on the CPU, whatever it was trained on."""
    return replace(loaded, config=loaded.config.model_copy(update={"device": "cpu", "devices": ()}))


def build_from(checkpoint: Checkpoint, path: Path, loaded: LoadedConfig | None = None) -> Experiment:
    """The experiment that a checkpoint is of, with its weights.

    Args:
        checkpoint: the checkpoint.
        path: where it is.
        loaded: its config; default: :func:`config_of` it.
    """
    from trainctl.build import build
    from trainctl.train.aware import as_saved
    from trainctl.train.state import load_weights

    experiment = build(loaded or config_of(checkpoint, path))
    as_saved(experiment.model, experiment.rounding, checkpoint)
    load_weights(checkpoint, experiment.model)
    return experiment
