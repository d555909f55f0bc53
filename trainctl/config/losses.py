"""``loss:``: one, or one for each output of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator

from trainctl.config.accepts import Accepts
from trainctl.config.components import Component, parse
from trainctl.config.problems import Fault, Faults, misfit
from trainctl.config.words import Expected, did_you_mean
from trainctl.registry import TABLES

WEIGHTS = "weights"


@dataclass(frozen=True)
class Losses:
    """A loss for each output.

    Attributes:
        parts: by the output's name.
        weights: of some of them in the sum; 1 where it says nothing.
    """

    parts: Mapping[str, Component]
    weights: Mapping[str, float]

    def plain(self) -> dict[str, Any]:
        """As it stands in a config."""
        parts: dict[str, Any] = {name: part.plain() for name, part in self.parts.items()}
        return {**parts, WEIGHTS: dict(self.weights)} if self.weights else parts


def parse_loss(value: Any) -> Component | Losses:
    """Check a ``loss:``.

    Raises:
        Faults: every mistake in it.
    """
    if not isinstance(value, dict) or not any(map(_is_loss, value.values())):
        return parse("loss", value)
    parts, faults = {}, []
    for name, each in value.items():
        if name != WEIGHTS:
            try:
                parts[name] = parse("loss", each)
            except Faults as error:
                faults += [Fault((name, *fault.path), fault.message, fault.hint, fault.at) for fault in error.faults]
    weights = value.get(WEIGHTS, {})
    faults += _weight_faults(weights, value)
    if faults:
        raise Faults(faults)
    return Losses(parts, {name: float(weight) for name, weight in weights.items()})


OneLoss = Annotated[Component, PlainValidator(partial(parse, "loss")), Expected("a loss")]


class LossOfEach(BaseModel):
    """A loss for each output of the model, by the output's name.

    Attributes:
        weights: of some of them in the sum; 1 where it says nothing.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"minProperties": 1})
    __pydantic_extra__: dict[str, OneLoss]

    weights: dict[str, float] = {}


Loss = Annotated[Component | Losses, PlainValidator(parse_loss), Accepts(OneLoss | LossOfEach), Expected("a loss")]


def _is_loss(value: Any) -> bool:
    """Whether a value of a mapping is a loss itself, so that its key is an output."""
    name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else value
    return isinstance(name, str) and name in TABLES["loss"]


def _weight_faults(weights: Any, value: Mapping[str, Any]) -> list[Fault]:
    if not isinstance(weights, dict):
        return [misfit((WEIGHTS,), "a mapping of outputs to numbers", weights)]
    faults = []
    for name, weight in weights.items():
        if name not in value or name == WEIGHTS:
            hint = did_you_mean(name, [each for each in value if each != WEIGHTS])
            faults.append(Fault((WEIGHTS, name), f"there is no loss of an output '{name}'", hint, "key"))
        elif isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            faults.append(misfit((WEIGHTS, name), "a finite number", weight))
    return faults
