from __future__ import annotations

import pathlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from trainctl.config.components import Component
from trainctl.config.dump import dump, plain
from trainctl.config.reader import read


class Holder(BaseModel):
    """Anything."""

    value: object


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.sampled_from(
        ["1e-3", "no", "null", "<<", "0x1f", "0o17", "12:30", "2026-01-01", "1_000", "=", "~", "", " a ", "#", ".5"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab=:#yn ", max_size=3), inner, max_size=3),
)


@given(VALUES)
def test_what_is_written_reads_back(value):
    tree, problems = read(dump(Holder(value=value)), "a.yaml")
    assert problems == []
    assert repr(tree.plain()) == repr({"value": value})


@given(SCALARS)
def test_other_readers_of_yaml_see_the_same(value):
    assert repr(yaml.safe_load(dump(Holder(value=value)))) == repr({"value": value})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ((1, 2), [1, 2]),
        (Component("ReLU"), "ReLU"),
        (Component("Conv2d", {"kernel_size": (3, 3)}), {"Conv2d": {"kernel_size": [3, 3]}}),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        ({"a": (Component("ReLU"),)}, {"a": ["ReLU"]}),
        (Holder(value=1), {"value": 1}),
    ],
)
def test_plain(value, written):
    assert plain(value) == written
