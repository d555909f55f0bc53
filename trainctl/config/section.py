"""What the sections of a config are made of: the base of a mapping with fixed keys, and lists of layers."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, Strict

from trainctl.config.components import Component, parse
from trainctl.config.problems import Faults, misfit
from trainctl.config.words import Expected


class Section(BaseModel):
    """A mapping of the config: an unknown key is a mistake, and no value is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _not_empty(layers: tuple[Component, ...]) -> tuple[Component, ...]:
    if not layers:
        raise Faults([misfit((), "at least one layer", [])])
    return layers


Layer = Annotated[Component, PlainValidator(partial(parse, "layer")), Expected("a layer")]
# Not strict: YAML's lists become tuples.
AnyLayers = Annotated[tuple[Layer, ...], Strict(False), Expected("a list of layers")]
Layers = Annotated[tuple[Layer, ...], Strict(False), AfterValidator(_not_empty), Expected("a list of layers")]
