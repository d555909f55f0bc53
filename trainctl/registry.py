"""One explicit table from a name in a config to the class it stands for.

A class is imported when a config names it. Its constructor's signature is the schema of its arguments
(:mod:`trainctl.config.components`); the table says only what a signature cannot.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["layer", "loss", "optimizer", "dataset", "transform", "metric"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A class that a config may name.

    Attributes:
        target: ``module:Class``.
        excluded: constructor arguments that a config cannot give.
        inferred: arguments that may be left out, each with the axis of the input whose size it is.
        output: of a layer: the argument that says how many features or channels come out.
        input_shape: of a layer: the only kind of input it takes, such as ``[N, C, H, W]``.
        wants_classes: of a loss: its targets are class numbers, and outputs are one score a class.
    """

    target: str
    excluded: tuple[str, ...] = ()
    inferred: Mapping[str, int] = field(default_factory=dict)
    output: str | None = None
    input_shape: tuple[str, ...] | None = None
    wants_classes: bool = False


_PLACEMENT = ("device", "dtype")
_REDUCTION = ("size_average", "reduce")  # PyTorch's old names for what `reduction` says
_OPTIMIZED = ("params", "foreach", "fused", "capturable", "differentiable")  # the last: how, not what
_PART = ("train", "transform")  # what the config says elsewhere: the split, data.transforms


def _layer(name: str) -> Entry:
    return Entry(f"trainctl.nn:{name}")


def _convolution(name: str, *input_shape: str) -> Entry:
    return Entry(f"trainctl.nn:{name}", _PLACEMENT, {"in_channels": 1}, "out_channels", input_shape)


TABLES: dict[Kind, dict[str, Entry]] = {
    "layer": {
        "Conv1d": _convolution("Conv1d", "N", "C", "L"),
        "Conv2d": _convolution("Conv2d", "N", "C", "H", "W"),
        "Conv3d": _convolution("Conv3d", "N", "C", "D", "H", "W"),
        "Dropout": _layer("Dropout"),
        "Flatten": _layer("Flatten"),
        "Identity": _layer("Identity"),
        "Linear": Entry("trainctl.nn:Linear", _PLACEMENT, {"in_features": -1}, "out_features"),
        "LogSoftmax": _layer("LogSoftmax"),
        "ReLU": _layer("ReLU"),
        "Sigmoid": _layer("Sigmoid"),
        "Softmax": _layer("Softmax"),
        "Tanh": _layer("Tanh"),
        "Unflatten": _layer("Unflatten"),
    },
    "loss": {
        "CrossEntropyLoss": Entry("trainctl.nn:CrossEntropyLoss", (*_REDUCTION, "weight"), wants_classes=True),
        "MSELoss": Entry("trainctl.nn:MSELoss", _REDUCTION),
        "NLLLoss": Entry("trainctl.nn:NLLLoss", (*_REDUCTION, "weight"), wants_classes=True),
    },
    "optimizer": {
        "Adam": Entry("trainctl.optim:Adam", _OPTIMIZED),
        "SGD": Entry("trainctl.optim:SGD", _OPTIMIZED),
    },
    "dataset": {"MNIST": Entry("trainctl.data:MNIST", _PART)},
    "transform": {"Normalize": Entry("trainctl.data:Normalize")},
    "metric": {"accuracy": Entry("trainctl.train.metrics:Accuracy")},
}


def resolve(kind: Kind, name: str) -> Any:
    """Import the class that a name stands for.

    Raises:
        KeyError: the table has no such name.

    Example:
        >>> resolve("layer", "ReLU").__name__
        'ReLU'
    """
    module, _, attribute = TABLES[kind][name].target.partition(":")
    return getattr(importlib.import_module(module), attribute)
