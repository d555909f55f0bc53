from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.storage.strict_json import MAX_DEPTH, parse

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_json_wrote_is_read(value):
    assert parse(json.dumps(value)) == value
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "the key 'c' twice"),
        ("NaN", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e400", "1e400 is too large"),
        ("9" * 41, "is too large"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"over {MAX_DEPTH} levels"),
        ("[" * 100_000, "levels"),
        ("[" + "1," * 500_000 + "1]", "over 400000 values"),
        ("{", "Expecting"),
        ("[1] 2", "Extra data"),
        ("", "Expecting value"),
    ],
)
def test_what_goes_beyond_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize("data", [b"\xff", "[1]".encode("utf-16"), b"\xef\xbb\xbf[1]"])
def test_bytes_are_plain_utf_8(data):
    with pytest.raises(ValueError, match=r"codec|BOM|Expecting"):
        parse(data)


def test_the_depth_allowed_is_read():
    found, depth = parse("[" * MAX_DEPTH + "]" * MAX_DEPTH), 1
    while found:
        (found,) = found
        depth += 1
    assert depth == MAX_DEPTH
