"""Configs: YAML with places -> a typed, checked :class:`Config`; overrides; every mistake at once."""

from __future__ import annotations

from trainctl.config.components import Component
from trainctl.config.load import LoadedConfig, Setting, config_from_yaml, load_config
from trainctl.config.plugins import allow as allow_plugins
from trainctl.config.schema import Config
from trainctl.config.tree import Place

__all__ = [
    "Component",
    "Config",
    "LoadedConfig",
    "Place",
    "Setting",
    "allow_plugins",
    "config_from_yaml",
    "load_config",
]
