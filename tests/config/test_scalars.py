from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainctl.config.reader import read
from trainctl.config.scalars import value_of

VALUES = {
    # floats, with and without a point, as YAML 1.2 has them
    "1e-3": 0.001,
    "1.e3": 1000.0,
    ".5": 0.5,
    "5.": 5.0,
    "-1E+2": -100.0,
    "+1.5": 1.5,
    "1e10": 1e10,
    ".inf": math.inf,
    "-.Inf": -math.inf,
    "+.INF": math.inf,
    # integers
    "0": 0,
    "-7": -7,
    "+7": 7,
    "007": 7,
    "0x1F": 31,
    "0o17": 15,
    "9223372036854775807": 2**63 - 1,
    "-9223372036854775808": -(2**63),
    # booleans and null
    "true": True,
    "True": True,
    "FALSE": False,
    "null": None,
    "~": None,
    "": None,
    # strings, though YAML 1.1 says otherwise of most
    "yes": "yes",
    "no": "no",
    "on": "on",
    "Off": "Off",
    "y": "y",
    "tRUE": "tRUE",
    "nan": "nan",
    "inf": "inf",
    "1_000": "1_000",
    "1,000": "1,000",
    "12:30": "12:30",
    "0b11": "0b11",
    "0x": "0x",
    "0o8": "0o8",
    "-0x1f": "-0x1f",
    "1e": "1e",
    "e3": "e3",
    ".": ".",
    "2026-01-01": "2026-01-01",
    "2026-01-01 10:00:00": "2026-01-01 10:00:00",
    "=": "=",
    "1e-3 s": "1e-3 s",
    "'1e-3'": "1e-3",
    '"true"': "true",
    "!!str 3": "3",
    "!!int 3": 3,
    "!!float 3": 3.0,
}


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_what_a_word_means(text, value):
    tree, problems = read(f"k: {text}", "a.yaml")
    found = tree.child("k").value
    assert (found, type(found)) == (value, type(value))
    assert problems == []


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_nan(text):
    assert math.isnan(value_of("float", text))


@given(st.floats(allow_nan=False))
def test_every_float_reads_back(number):
    written = yaml.safe_dump(number).partition("\n")[0]
    assert read(f"k: {written}", "a.yaml")[0].plain() == {"k": number}


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "1" * 5000, "0x" + "f" * 5000])
def test_an_integer_beyond_64_bits_is_a_mistake(text):
    _, problems = read(f"k: {text}", "a.yaml")
    assert [each.message for each in problems] == ["an integer of more than 64 bits"]


def test_a_number_that_would_become_infinite_is_a_mistake():
    _, problems = read("k: 1e999", "a.yaml")
    assert [(each.message, each.column) for each in problems] == [("a number too large for a float", 4)]


@pytest.mark.parametrize(("kind", "text"), [("int", "1.5"), ("float", "x"), ("bool", "yes"), ("null", "0")])
def test_a_tag_must_fit_its_word(kind, text):
    with pytest.raises(ValueError, match=f"'{text}' is not what its tag says"):
        value_of(kind, text)
