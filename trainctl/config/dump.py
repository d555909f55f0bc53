"""A :class:`~trainctl.config.schema.Config` -> YAML that reads back as the same config."""

from __future__ import annotations

import os
import re
from typing import Any

import yaml
from pydantic import BaseModel

from trainctl.config.components import Component
from trainctl.config.losses import Losses
from trainctl.config.models import OUTPUTS, Graph
from trainctl.config.plugins import Plugin
from trainctl.config.scalars import TAG, add_rules


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or 1.2 would take for something else than a string."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes these line breaks into single quotes, where every reader makes a space of them.
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar(TAG + "str", text, style=style)


add_rules(_Dumper)
_Dumper.add_representer(str, _string)


def plain(value: Any) -> Any:
    """A config as the mappings, lists and scalars it is written with."""
    if isinstance(value, BaseModel):
        return {info.alias or name: plain(getattr(value, name)) for name, info in type(value).model_fields.items()}
    if isinstance(value, Component | Losses | Plugin):
        return plain(value.plain())
    if isinstance(value, Graph):
        return {**plain(value.nodes), OUTPUTS: plain(value.outputs)}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def dump(config: BaseModel) -> str:
    """The config as YAML, defaults included, in the order of the schema.

    Example:
        >>> from trainctl.config.schema import InitConfig
        >>> print(dump(InitConfig(path="runs/a")))
        {path: runs/a, strict: true, sha256: null}
        <BLANKLINE>
    """
    return yaml.dump(
        plain(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
