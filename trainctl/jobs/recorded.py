"""The config that a run or a checkpoint has recorded."""

from __future__ import annotations

from pathlib import Path

from trainctl.config import LoadedConfig, config_from_yaml
from trainctl.config.files import read_text
from trainctl.train.checkpoint import read_checkpoint
from trainctl.train.resolve import config_of, find_checkpoint, find_run


def recorded_config(path: str | Path) -> LoadedConfig:
    """Return the config that a run directory or a checkpoint was made with; the environment changes nothing.

    Args:
        path: a run, ``RUN/best``, ``RUN/last``, ``RUN/latest``, or a checkpoint.

    Raises:
        CheckpointError: there is neither, or the checkpoint is damaged.
        ConfigError: the config is not one of this version's.

    Example:
        >>> recorded_config("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    written = config_of(find_run(path))
    if written.is_file():
        return config_from_yaml(read_text(str(written)), str(written))
    found = find_checkpoint(path)
    return config_from_yaml(read_checkpoint(found).config, str(found))
