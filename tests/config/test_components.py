from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from trainctl.config import components
from trainctl.config.components import Component, parse
from trainctl.config.problems import Faults
from trainctl.registry import TABLES, Entry

if TYPE_CHECKING:
    from somewhere_else import Missing


class Gadget:
    """A constructor with every form of argument; `json` and `copy` are methods of a pydantic model."""

    def __init__(
        self,
        size: int,
        wide: int,
        json: float = 0,
        copy: bool = False,
        mode: Literal["a", "b"] = "a",
        pair: int | tuple[int, int] = 1,
        many: Sequence[float] = (),
        share: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        maybe: str | None = None,
        anything: Any = None,
        plain=3,
        secret: Missing | None = None,
        *rest: int,
        keyword: int = 0,
        **more: int,
    ) -> None:
        """Take all of it."""


@pytest.fixture
def gadget(monkeypatch):
    """`Gadget` as a layer whose `wide` follows from the input."""
    entry = Entry(f"{__name__}:Gadget", excluded=("secret",), inferred={"wide": -1})
    monkeypatch.setitem(TABLES["layer"], "Gadget", entry)
    components._arguments.cache_clear()
    yield
    components._arguments.cache_clear()


def faults(value: Any, kind: Any = "layer") -> list[tuple[str, str]]:
    with pytest.raises(Faults) as caught:
        parse(kind, value)
    return [(".".join(map(str, fault.path)), fault.message) for fault in caught.value.faults]


@pytest.mark.usefixtures("gadget")
def test_defaults_are_filled_in_and_what_follows_from_the_input_is_left_out():
    assert parse("layer", {"Gadget": {"size": 2}}).args == {
        "size": 2,
        "json": 0.0,
        "copy": False,
        "mode": "a",
        "pair": 1,
        "many": (),
        "share": 0.5,
        "maybe": None,
        "anything": None,
        "plain": 3,
        "keyword": 0,
    }
    assert parse("layer", {"Gadget": {"size": 2, "wide": 3}}).args["wide"] == 3


@pytest.mark.usefixtures("gadget")
def test_a_default_is_of_the_type_it_would_have_if_it_were_written():
    defaults, written = parse("layer", {"Gadget": {"size": 1}}), parse("layer", {"Gadget": {"size": 1, "json": 0}})
    assert repr(defaults) == repr(written)


@pytest.mark.usefixtures("gadget")
@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"pair": [3, 4]}, (3, 4)),
        ({"pair": 5}, 5),
        ({"many": [1, 2.5]}, [1.0, 2.5]),
        ({"json": 2}, 2.0),
        ({"json": math.inf}, math.inf),
        ({"maybe": "x"}, "x"),
        ({"anything": {"a": [1]}}, {"a": [1]}),
        ({"plain": "x"}, "x"),
        ({"keyword": 4}, 4),
    ],
)
def test_values_that_fit(given, value):
    (name,) = given
    found = parse("layer", {"Gadget": {"size": 1, **given}}).args[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.usefixtures("gadget")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": "3"}, "expected an integer, got '3' (a string)"),
        ({"size": 3.0}, "expected an integer, got 3.0 (a number)"),
        ({"size": True}, "expected an integer, got true (a boolean)"),
        ({"size": None}, "expected an integer, got nothing (null)"),
        ({"wide": None}, "expected an integer, got nothing (null)"),
        ({"json": "1"}, "expected a number, got '1' (a string)"),
        ({"json": True}, "expected a number, got true (a boolean)"),
        ({"json": math.nan}, "expected a number, got nan (a number)"),
        ({"copy": 1}, "expected true or false, got 1 (an integer)"),
        ({"copy": "true"}, "expected true or false, got 'true' (a string)"),
        ({"mode": "c"}, "expected 'a' or 'b', got 'c' (a string)"),
        ({"pair": [3]}, "expected an integer or a list of 2 integers, got [3] (a list)"),
        ({"pair": [3, "4"]}, "expected an integer or a list of 2 integers, got [3, '4'] (a list)"),
        ({"pair": {"a": 1}}, "expected an integer or a list of 2 integers, got {'a': 1} (a mapping)"),
        ({"many": "12"}, "expected a list of numbers, got '12' (a string)"),
        ({"many": [1, None]}, "expected a list of numbers, got [1, None] (a list)"),
        ({"share": 1}, "expected a number >= 0 and < 1, got 1 (an integer)"),
        ({"maybe": 3}, "expected a string or null, got 3 (an integer)"),
        ({"secret": 3}, "Gadget has no such argument"),
        ({"rest": 3}, "Gadget has no such argument"),
        ({"more": 3}, "Gadget has no such argument"),
        ({"arg_size": 3}, "Gadget has no such argument"),
    ],
)
def test_values_that_do_not_fit(given, message):
    (name,) = given
    assert faults({"Gadget": {"size": 1, **given}}) == [(f"Gadget.{name}", message)]


@pytest.mark.usefixtures("gadget")
def test_every_mistake_in_the_arguments_at_once():
    assert faults({"Gadget": {"copy": 1, "mode": "x", "sise": 3}}) == [
        ("Gadget", "missing argument 'size'"),
        ("Gadget.copy", "expected true or false, got 1 (an integer)"),
        ("Gadget.mode", "expected 'a' or 'b', got 'x' (a string)"),
        ("Gadget.sise", "Gadget has no such argument"),
    ]


@pytest.mark.parametrize("value", ["ReLU", {"ReLU": None}, {"ReLU": {}}, {"ReLU": {"inplace": False}}])
def test_a_name_alone_or_with_arguments(value):
    assert parse("layer", value) == Component("ReLU", {"inplace": False})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, [("", "expected a layer, got 3 (an integer)")]),
        (None, [("", "expected a layer, got nothing (null)")]),
        ([], [("", "expected a layer, got [] (a list)")]),
        ({}, [("", "expected a layer, got {} (a mapping)")]),
        ("", [("", "unknown layer ''")]),
        ({"Nothing": {}}, [("Nothing", "unknown layer 'Nothing'")]),
        ({"x": 1, "y": 2}, [("y", "expected one layer, got 2 keys: 'x', 'y'")]),
        ({"bias": True, "Linear": None}, [("bias", "expected one layer, got 2 keys: 'bias', 'Linear'")]),
        ([1, 2], [("", "expected a layer, got [1, 2] (a list)")]),
        ("Linear", [("Linear", "missing argument 'out_features'")]),
        ({"Linear": 3}, [("Linear", "expected arguments by name, got 3 (an integer)")]),
    ],
)
def test_not_a_layer(value, expected):
    assert faults(value) == expected


def test_articles():
    assert faults(3, kind="optimizer") == [("", "expected an optimizer, got 3 (an integer)")]


@pytest.mark.parametrize(
    ("component", "plain"),
    [
        (Component("ReLU"), "ReLU"),
        (Component("Linear", {"out_features": 3}), {"Linear": {"out_features": 3}}),
    ],
)
def test_plain(component, plain):
    assert component.plain() == plain


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in TABLES.items() for name in names])
def test_every_registered_class_has_a_schema(kind, name):
    model = components.arguments(kind, name)
    required = {field.alias: _example(field.alias) for field in model.model_fields.values() if field.is_required()}
    parsed = parse(kind, {name: required})
    assert required.keys() <= parsed.args.keys()
    assert parse(kind, parsed.plain()) == parsed


def _example(argument: str) -> Any:
    examples = {
        "root": "somewhere",
        "file": "somewhere",
        "features": ["width"],
        "target": "kind",
        "shape": [28, 28],
        "inputs": "somewhere",
        "size": 8,
        "classes": 2,
        "sequence_length": 8,
        "degrees": 15,
        "unflattened_size": [2, 5],
        "dims": [0, 2, 1],
        "mean": 0.5,
        "std": 0.5,
        "milestones": [1],
        "layers": ["ReLU"],
        "branches": [["ReLU"], []],
        "schedulers": [{"LinearLR": {"start_factor": 0.1}}, "CosineAnnealingLR"],
    }
    return examples.get(argument, 1)


def test_when_a_scheduler_steps_is_said_beside_its_arguments():
    assert parse("scheduler", {"StepLR": {"step_size": 3}}).args == {"step_size": 3, "gamma": 0.1, "interval": "epoch"}
    assert parse("scheduler", {"OneCycleLR": {"max_lr": 1.0}}).args["interval"] == "step"
    assert parse("phase", {"StepLR": {"step_size": 3}}).args == {"step_size": 3, "gamma": 0.1}


def test_the_phases_of_a_scheduler_are_components():
    given = {"schedulers": [{"StepLR": {"step_size": 3}}, "CosineAnnealingLR"], "milestones": [2]}
    parsed = parse("scheduler", {"SequentialLR": given})
    assert parsed.args["schedulers"] == (
        Component("StepLR", {"step_size": 3, "gamma": 0.1}),
        Component("CosineAnnealingLR", {"eta_min": 0.0}),
    )
