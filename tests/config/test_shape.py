"""What may stand where: found in the schema as it is, and in what others may add to it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import pytest
from pydantic import PlainValidator

from trainctl.config import json_schema
from trainctl.config.accepts import Accepts
from trainctl.config.components import Component, parse
from trainctl.config.extends import merged
from trainctl.config.schema import Config, Section
from trainctl.config.shape import below, is_part, names, spelled
from trainctl.config.tree import Place, node_of
from trainctl.registry import TABLES

Layer = Annotated[Component, PlainValidator(partial(parse, "layer"))]
Optimizer = Annotated[Component, PlainValidator(partial(parse, "optimizer"))]


class Item(Section):
    """An item.

    Attributes:
        layers: of it.
    """

    layers: tuple[Layer, ...]


class Wider(Section):
    """A schema with what the present one has not.

    Attributes:
        optimizer: one or several.
        items: by name.
        both: a section or a class.
    """

    optimizer: Annotated[Any, PlainValidator(str), Accepts(Optimizer | list[Optimizer])]
    items: Annotated[Any, PlainValidator(str), Accepts(dict[str, Item])]
    both: Item | Layer | None = None


def at(schema: type, *keys: str) -> Any:
    hint: Any = schema
    for key in keys:
        hint = below(hint, key)
    return hint


@pytest.mark.parametrize(
    ("schema", "keys", "found"),
    [
        (Config, (), list(Config.model_fields)),
        (Config, ("data", "split"), ["val"]),
        (Config, ("optimizer",), list(TABLES["optimizer"])),
        (Config, ("optimizer", "SGD"), ["lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"]),
        (Config, ("optimizer", "SGD", "lr"), []),
        (Config, ("scheduler",), list(TABLES["scheduler"])),
        (Config, ("model",), [*TABLES["layer"], "outputs"]),
        (Config, ("model", "2", "Residual", "layers", "0", "ReLU"), ["inplace"]),
        (Config, ("model", "Parallel", "branches", "0", "1", "ReLU"), ["inplace"]),
        (Config, ("model", "stem"), ["from", "merge", "dim", "layers"]),
        (Config, ("model", "stem", "layers", "0", "ReLU"), ["inplace"]),
        (Config, ("blocks", "basic"), ["parameters", "layers"]),
        (Config, ("blocks", "basic", "layers", "0", "ReLU"), ["inplace"]),
        (Config, ("loss",), [*TABLES["loss"], "weights"]),
        (Config, ("loss", "digit", "HuberLoss"), ["reduction", "delta"]),
        (Config, ("model", "3"), list(TABLES["layer"])),
        (Config, ("model", "3", "ReLU"), ["inplace"]),
        (Config, ("scheduler", "SequentialLR", "schedulers", "0"), list(TABLES["phase"])),
        (Config, ("no", "such", "key"), []),
        (Wider, ("optimizer",), list(TABLES["optimizer"])),
        (Wider, ("optimizer", "0"), list(TABLES["optimizer"])),
        (Wider, ("items", "any", "layers", "0", "ReLU"), ["inplace"]),
        (Wider, ("both",), ["layers", *TABLES["layer"]]),
    ],
)
def test_the_keys_that_may_stand_there(schema, keys, found):
    assert names(at(schema, *keys)) == found


@pytest.mark.parametrize(
    ("keys", "key", "written"),
    [
        ((), "SEED", "seed"),
        (("optimizer",), "adamw", "AdamW"),
        (("scheduler", "CosineAnnealingLR"), "t_max", "T_max"),
        (("optimizer",), "nothing", "nothing"),
        (("nothing",), "SEED", "SEED"),
    ],
)
def test_a_key_is_spelled_as_the_schema_has_it(keys, key, written):
    assert spelled(at(Config, *keys), key) == written


@pytest.mark.parametrize(
    ("keys", "part"),
    [(("optimizer",), True), (("scheduler",), True), (("data",), False), (("model",), True), (("model", "0"), True)],
)
def test_where_a_class_is_named(keys, part):
    assert is_part(at(Config, *keys)) is part


def test_what_a_function_takes_merges_as_its_type_does():
    def over(base: Any, own: Any) -> Any:
        return merged(node_of(base, Place("b")), node_of(own, Place("a")), Wider).plain()

    sgd, adam = {"optimizer": {"SGD": {"lr": 1}}}, {"optimizer": {"Adam": {}}}
    assert over(sgd, adam) == adam
    assert over(sgd, {"optimizer": {"SGD": {"momentum": 2}}}) == {"optimizer": {"SGD": {"lr": 1, "momentum": 2}}}
    assert over({"items": {"x": {"layers": [1]}}}, {"items": {"y": {}}}) == {"items": {"x": {"layers": [1]}, "y": {}}}


def test_and_is_in_the_json_schema():
    schema = json_schema._tidy(Wider.model_json_schema(schema_generator=json_schema._Generator))
    one = {"$ref": "#/$defs/optimizer"}
    assert schema["properties"]["optimizer"] == {"anyOf": [one, {"type": "array", "items": one}]}
    assert schema["properties"]["items"]["additionalProperties"] == {"$ref": "#/$defs/Item"}
    assert schema["$defs"]["Item"]["properties"]["layers"]["items"] == {"$ref": "#/$defs/layer"}
