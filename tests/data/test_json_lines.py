"""JSONL files become the right samples, or an error with file and line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.samples import outcome
from trainctl.data import JSONL
from trainctl.errors import DataError

KINDS: dict[str, Any] = {"features": ["x", "y"], "target": "kind", "classes": ["a", "b"]}
PICTURES: dict[str, Any] = {"features": "x", "shape": [2, 2], "target": "y"}


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "t.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def samples(data: JSONL) -> list[tuple[Any, Any]]:
    inputs, targets = data.gather(np.arange(len(data)))
    return list(zip(inputs.tolist(), targets.tolist(), strict=True))


@pytest.mark.parametrize(
    "content",
    [
        '{"x": 1, "y": 2, "kind": "a"}\n{"x": 3.5, "y": -4e0, "kind": "b"}\n',
        '\ufeff{"x": 1, "y": 2, "kind": "a", "more": [{}, null]}\r\n {"kind": " b", "y": -4, "x": 35e-1}\r\n\n',
    ],
)
def test_what_is_written_is_read(tmp_path, content):
    data = JSONL(written(tmp_path, content), **KINDS)
    assert samples(data) == [([1.0, 2.0], 0), ([3.5, -4.0], 1)]
    assert data.place(1) == f"{tmp_path / 't.jsonl'}:2"


@pytest.mark.parametrize("array", ["[[1, 2], [3, 4.5]]", "[1, 2, 3, 4.5]"])
def test_a_key_may_hold_an_array(tmp_path, array):
    data = JSONL(written(tmp_path, f'{{"x": {array}, "y": 7}}'), **PICTURES)
    assert samples(data) == [([[1.0, 2.0], [3.0, 4.5]], [7.0])]
    assert JSONL.sample_spec("t", **PICTURES).inputs.shape == (2, 2)


def test_labels_may_be_whole_numbers(tmp_path):
    data = JSONL(written(tmp_path, '{"x": 1, "y": 1}\n{"x": 2, "y": "0"}'), ["x"], "y", classes=2)
    assert [target for _, target in samples(data)] == [1, 0]


@pytest.mark.parametrize(
    ("content", "arguments", "place", "message"),
    [
        ("", KINDS, "", "expected samples, got none"),
        ("[1]", KINDS, ":1", "expected a JSON object, got [1]"),
        ("{", KINDS, ":1:2", "Expecting property name enclosed in double quotes"),
        ('{"x": 1, "x": 2}', KINDS, ":1", "the key 'x' is there twice"),
        ('{"x": NaN}', KINDS, ":1", "expected a finite number, got NaN"),
        ('{"x": 1}\n\n{"x": 1}', PICTURES | {"features": ["x"], "shape": None, "target": "x1"}, ":1", "there is no key 'x1'"),
        ('{"x": 1, "y": 2, "kind": "a"}\n\n{"x": 1}', KINDS, ":2", "a blank line between objects"),
        ('{"x": 1, "y": "2", "kind": "a"}', KINDS, ":1", "key 'y': expected a number, got \"2\""),
        ('{"x": 1, "y": true, "kind": "a"}', KINDS, ":1", "key 'y': expected a number, got true"),
        ('{"x": 1, "y": null, "kind": "a"}', KINDS, ":1", "key 'y': expected a number, got null"),
        ('{"x": 1, "y": 1e39, "kind": "a"}', KINDS, ":1", "column 'y': expected a finite float32 number, got 1e+39"),
        ('{"x": 1, "y": 2, "kind": "c"}', KINDS, ":1", "expected one of the declared classes, got 'c'"),
        ('{"x": 1, "y": 2, "kind": 1.0}', KINDS, ":1", "key 'kind': expected a label, a string or a whole number, got 1.0"),
        ('{"x": [1, 2, 3], "y": 1}', PICTURES, ":1", "key 'x': expected an array [2, 2], got a list of 3"),
        ('{"x": [[1, 2], [3]], "y": 1}', PICTURES, ":1", "key 'x': expected an array [2, 2], got a list of 1"),
        ('{"x": [[1, 2], 3], "y": 1}', PICTURES, ":1", "key 'x': expected an array [2, 2], got 3"),
        ('{"x": 1, "y": 1}', PICTURES, ":1", "key 'x': expected an array [2, 2], got 1"),
        ('{"x": [1, 2, 3, "4"], "y": 1}', PICTURES, ":1", "key 'x': expected numbers in its array [2, 2], got \"4\""),
        (b'{"x": "\xff"}', KINDS, ":1", "expected text in UTF-8, got the byte 0xff"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path, content, arguments, place, message):
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        len(JSONL(path, **arguments))
    assert caught.value.message == f"{path}{place}: {message}"
    assert caught.value.hint


@pytest.mark.parametrize("depth", [10**5, 10**6])
def test_deep_nesting_is_refused(tmp_path, depth):
    with pytest.raises(DataError, match=r"t\.jsonl:1"):
        len(JSONL(written(tmp_path, "[" * depth), **KINDS))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [2]}, "shape belongs to features that are one key"),
        ({"features": "x"}, "shape belongs to features that are one key"),
        ({"features": "x", "shape": [0]}, "shape should be sizes of 1 or more"),
        ({"test_share": -0.1}, "test_share should be from 0"),
    ],
)
def test_arguments_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        JSONL.sample_spec("t.jsonl", **{**KINDS, **changes})


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3), st.lists, max_leaves=4
)


@settings(max_examples=150, deadline=None)
@given(records=st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES), min_size=1, max_size=4))
def test_any_objects_are_read_as_by_another_reader_or_refused(tmp_path_factory, records):
    path = tmp_path_factory.getbasetemp() / "objects.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    read, error = outcome(lambda: samples(JSONL(path, ["x"], "y")))
    if error:
        assert error.message.startswith(f"{path}:")
        numbers = [record.get(key) for record in records for key in "xy"]
        assert not all(type(each) in (int, float) and abs(each) < 1e38 for each in numbers)
    else:
        assert read == [([np.float32(each["x"])], [np.float32(each["y"])]) for each in records]
        assert all(math.isfinite(inputs[0]) for inputs, _ in read)
