"""A dataset for tests: what its samples are is said in each test."""

from __future__ import annotations

from typing import Any

import pytest

from trainctl.config import config_from_yaml
from trainctl.config.load import LoadedConfig
from trainctl.data import Dataset
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.registry import TABLES, Entry


class Made(Dataset[Any]):
    """Nothing is in it."""

    spec: SampleSpec

    def __init__(self, train: bool = True, transform: Any = None) -> None:
        """Read nothing."""

    @classmethod
    def sample_spec(cls) -> SampleSpec:
        """What the test said."""
        return cls.spec


def made(monkeypatch: pytest.MonkeyPatch, inputs: Any, target: Any) -> None:
    """Have configs know the dataset ``Made``, of these samples."""
    Made.spec = SampleSpec(inputs, target)
    monkeypatch.setitem(TABLES["dataset"], "Made", Entry(f"{__name__}:Made", ("train", "transform")))


TEMPLATE = """\
name: test
data: {{dataset: Made}}
loss: {loss}
optimizer: SGD
train: {{epochs: 1}}
model:
{model}
"""


def load(model: str, loss: str = "MSELoss") -> LoadedConfig:
    """A config with this model and loss."""
    return config_from_yaml(TEMPLATE.format(model=model, loss=loss), "c.yaml")


NUMBERS = ArraySpec((6,))
"""Inputs: six numbers."""
