from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.cli.text import clock, count, duration, number, printable, table


@given(st.text(st.characters(exclude_categories=[])))
def test_printable_text_moves_no_cursor(text):
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    shown.encode()


def test_printable_names_the_byte_of_a_file_name_that_is_no_text():
    assert printable(b"a\xff.yaml".decode(errors="surrogateescape")) == r"a\xff.yaml"


def test_printable_leaves_what_can_be_printed():
    assert printable("Größe\t→ 東京\n") == "Größe\t→ 東京\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0000"),
        (0.97634, "0.9763"),
        (-2.30259, "-2.3026"),
        (0.001, "0.0010"),
        (0.00099, "9.900e-04"),
        (99999.0, "99999.0000"),
        (100000.0, "1.000e+05"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_number(value, shown):
    assert number(value) == shown


@given(st.floats(-1e300, 1e300))
def test_a_number_is_within_a_thousandth_of_what_is_shown(value):
    assert float(number(value)) == pytest.approx(value, rel=1e-3, abs=5.001e-5 if abs(value) >= 1e-3 else 0)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0s"),
        (59.94, "59.9s"),
        (59.96, "1m 00s"),
        (119.6, "2m 00s"),
        (3599.6, "1h 00m"),
        (86400, "24h 00m"),
    ],
)
def test_duration(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (3599.4, "59:59"), (3599.6, "1:00:00"), (360000, "100:00:00")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_count_of_one_is_singular():
    assert [count(many, "step") for many in (0, 1, 2, 12345)] == ["0 steps", "1 step", "2 steps", "12,345 steps"]


def test_a_table_lines_up_and_ends_without_spaces():
    shown = table(["name", "n"], [["a", "1,000"], ["long name", ""]], "<>")
    assert shown.splitlines() == ["name           n", "a          1,000", "long name"]
