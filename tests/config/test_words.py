from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, Strict

from trainctl.config.words import Expected, did_you_mean, expected, got, quoted, repair


class Section(BaseModel):
    """A section."""

    first: int
    second: int = 0


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "an integer"),
        (bool, "true or false"),
        (Any, "a value"),
        (str | None, "a string or null"),
        (str | pathlib.Path | os.PathLike[str], "a string or a path"),
        (Annotated[int, Strict()] | tuple[Annotated[int, Strict()], int], "an integer or a list of 2 integers"),
        (int | str | tuple[int, ...], "an integer, a string or a list of integers"),
        (list, "a list of values"),
        (Sequence[float], "a list of numbers"),
        (tuple[()], "a list of values"),
        (Literal["mean", "sum", 3], "'mean', 'sum' or 3"),
        (dict[str, int], "a mapping"),
        (Section, "a mapping with 'first', 'second'"),
    ],
)
def test_what_a_type_accepts(hint, words):
    assert expected(hint) == words


class Bounded(BaseModel):
    """Fields as a schema has them, so that the marks are pydantic's own."""

    a: Annotated[int, Field(ge=1)]
    b: Annotated[float, Field(gt=0, le=1)]
    c: Annotated[int, Field(ge=1), Expected("a dozen")]


@pytest.mark.parametrize(
    ("name", "words"), [("a", "an integer >= 1"), ("b", "a number > 0 and <= 1"), ("c", "a dozen")]
)
def test_bounds(name, words):
    field = Bounded.model_fields[name]
    assert expected(Annotated[field.annotation, *field.metadata]) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("abc", "'abc' (a string)"),
        (3, "3 (an integer)"),
        (2.5, "2.5 (a number)"),
        (True, "true (a boolean)"),
        (None, "nothing (null)"),
        ([1, "a"], "[1, 'a'] (a list)"),
        ({}, "{} (a mapping)"),
        (["x" * 100, 2], "a list of 2"),
        ("x" * 100, "'" + "x" * 58 + "… (a string)"),
        ("a\x1b[0m\n", r"'a\x1b[0m\n' (a string)"),
        (pathlib.PurePath("a"), f"{pathlib.PurePath('a')!r} (a value)"),
    ],
)
def test_what_was_found(value, words):
    assert got(value) == words


@pytest.mark.parametrize(
    ("value", "wanted", "hint"),
    [
        ("3", "an integer >= 1", "write it without quotes: 3"),
        ("1e-3", "a number", "write it without quotes: 1e-3"),
        ("nan", "a number", None),
        (".inf", "a number", None),
        ("1_000", "an integer", "write it without underscores: 1000"),
        ("٣", "an integer", None),
        ("fast", "a number", None),
        ("Yes", "true or false", "write true"),
        ("off", "true or false or null", "write false"),
        ("maybe", "true or false", None),
        (64.0, "an integer", "write 64"),
        (64.5, "an integer", None),
        (float("inf"), "an integer", None),
        (7, "a string", "put it in quotes: '7'"),
        (True, "a string", "put it in quotes: 'true'"),
        (7, "a mapping", None),
        (None, "a list of metrics", "write the items below it, or [] for an empty list"),
        (None, "an integer or a list of integers", None),
        ("accuracy", "a list of metrics", "write [accuracy]"),
        ({"Flatten": None}, "a list of layers", "begin each item with '- '"),
        ("inf", "a number", "write .inf"),
        ("-Infinity", "a number", "write -.inf"),
        ("1,5", "a number", "write 1.5"),
        ("1,5,2", "a number", None),
        ("zero", "'zeros', 'reflect' or 'circular'", "did you mean 'zeros'?"),
        ("MEAN", "'none', 'mean' or 'sum'", "did you mean 'mean'?"),
        ("gpu:1", "auto, cpu, cuda or cuda:N", "write cuda:1"),
        ("tpu", "auto, cpu, cuda or cuda:N", None),
        (0.1, "a mapping with 'val'", "write {val: 0.1}"),
        (True, "a mapping with 'val'", "write {val: true}"),
        ("val", "a mapping with 'val'", None),
        ("epochs 10", "a mapping with 'epochs', 'monitor'", "write `epochs: 10`"),
        ("epochs=10", "a mapping with 'epochs', 'monitor'", "write `epochs: 10`"),
        ("epochs of 10", "a mapping with 'epochs', 'monitor'", None),
        (10, "a mapping with 'epochs', 'monitor'", None),
        *(
            (
                text,
                "a number",
                "a file's text is taken as it is; set a value from outside with a TRAINCTL__A__B variable or --set",
            )
            for text in ("$LR", "${LR}", "${oc.env:LR}", "{{ lr }}")
        ),
    ],
)
def test_how_to_write_what_is_nearly_right(value, wanted, hint):
    assert repair(value, wanted) == hint


@pytest.mark.parametrize(
    ("name", "names", "hint"),
    [
        ("Liner", ["Linear", "ReLU"], "did you mean 'Linear'?"),
        ("RELU", ["Linear", "ReLU"], "did you mean 'ReLU'?"),
        ("zzz", ["b", "a"], "valid: 'b', 'a'"),
        ("", ["a"], "valid: 'a'"),
        ("x", [], None),
    ],
)
def test_did_you_mean(name, names, hint):
    assert did_you_mean(name, names) == hint


def test_a_very_long_name_is_compared_in_no_time():
    assert did_you_mean("x" * 10**6, ["epochs"]) == "valid: 'epochs'"


def test_a_long_list_of_names_is_cut():
    assert quoted("abcde", most=3) == "'a', 'b', 'c' and 2 more"
