"""The commands that a person goes on with after a run, as messages show them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from trainctl.storage.files import read_file
from trainctl.train.layout import CONFIG

_LARGEST_CONFIG = 1 << 24
_LONGEST_SECTION = 1 << 16


def resume_command(run: str | Path) -> str:
    """Return the command that goes on with a run, whatever config and overrides it began with.

    Example:
        >>> resume_command("runs/mnist-mlp")
        'trainctl train runs/mnist-mlp/config.resolved.yaml --resume runs/mnist-mlp'
    """
    config, quoted = shlex.quote(str(Path(run) / CONFIG)), shlex.quote(str(run))
    return f"trainctl train {config} --resume {quoted}{plugin_options(run)}"


def plugin_options(run: str | Path) -> str:
    """Return what a command on a run has to say of its plugins: ``" --plugins net.py"``, or nothing."""
    return "".join(f" --plugins {shlex.quote(each)}" for each in _plugins_of(Path(run)))


def _plugins_of(run: Path) -> list[str]:
    """The plugins that a run's config names: nothing of them is imported unless the command names them, too."""
    try:
        text = read_file(run / CONFIG, _LARGEST_CONFIG).decode()
    except (OSError, ValueError, MemoryError):  # this is for the message of an error: it must not hide that one
        return []
    section = re.search(r"^plugins:(?:\n[- ].*)+", text, re.MULTILINE)
    if section is None or len(section[0]) > _LONGEST_SECTION:
        return []
    try:
        listed = yaml.safe_load(section[0])["plugins"]
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    entries = listed if isinstance(listed, list) else []
    named = [each.get("file") or each.get("module") for each in entries if isinstance(each, dict)]
    return [each for each in named if isinstance(each, str)]
