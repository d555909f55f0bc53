"""CSV files become the right samples, or an error with file and line."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.samples import outcome
from trainctl.data import CSV, DataLoader, Subset
from trainctl.errors import DataError

KINDS: dict[str, Any] = {"features": ["x", "y"], "target": "kind", "classes": ["a", "b"]}


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def samples(data: CSV) -> list[tuple[list[float], Any]]:
    inputs, targets = data.gather(np.arange(len(data)))
    return list(zip(inputs.tolist(), targets.tolist(), strict=True))


ROWS = [([1.0, 2.0], 0), ([3.5, -4.0], 1)]


@pytest.mark.parametrize(
    "content",
    [
        "x,y,kind\n1,2,a\n3.5,-4,b\n",
        "x,y,kind\n1,2,a\n3.5,-4,b",
        "x,y,kind\r\n1,2,a\r\n3.5,-4,b\r\n",
        "\ufeffx,y,kind\n1,2,a\n3.5,-4,b\n\n\n",
        ' x , y , kind\n"1", 2 ,a \n3.5,"-4",  "b"\n',
        "kind,other,y,x\na,?,2,1\nb,,-4e0,35e-1\n",
        'x,y,kind,note\n1,2,a,"two\nlines, ""and"" a comma"\n3.5,-4,b,\n',
    ],
)
def test_what_is_written_is_read(tmp_path, content):
    data = CSV(written(tmp_path, content), **KINDS)
    assert samples(data) == ROWS
    assert [(data[0][0].tolist(), data[0][1]), (data[-1][0].tolist(), data[-1][1])] == ROWS
    assert data.feature_names == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "changes", "place", "message"),
    [
        ("", {}, "", "the file is empty"),
        ("x,y,kind\n", {}, "", "expected samples, got none"),
        ("x,y,kind\n1,2\n", {}, ":2", "expected 3 columns, as the first row has, got 2"),
        ("x,y,kind\n1,2,a\n1,2,a,\n", {}, ":3", "expected 3 columns, as the first row has, got 4"),
        ("x,y,kind\n1,2,a\n\n1,2,a\n", {}, ":3", "a blank line between rows"),
        ("x,y,kind\n1,,a\n", {}, ":2", "column 'y': expected a number, got nothing: the value is missing"),
        ("x,y,kind\n1,two,a\n", {}, ":2", "column 'y': expected a number, got 'two'"),
        ("x,y,kind\n1,1_0,a\n", {}, ":2", "column 'y': expected a number, got '1_0'"),
        ("x,y,kind\n1,\u0663,a\n", {}, ":2", "column 'y': expected a number, got '\u0663'"),
        ("x,y,kind\n1,0x10,a\n", {}, ":2", "column 'y': expected a number, got '0x10'"),
        ('x,y,kind\n"1\n",nan,a\n', {}, ":2", "column 'y': expected a finite float32 number, got nan"),
        ("x,y,kind\n1,2,a\n-inf,2,a\n", {}, ":3", "column 'x': expected a finite float32 number, got -inf"),
        ("x,y,kind\n1,1e39,a\n", {}, ":2", "column 'y': expected a finite float32 number, got 1e+39"),
        ("x,y,kind\n1,2,c\n", {}, ":2", "expected one of the declared classes, got 'c'"),
        ("x,y,kind\n1,2,\n", {}, ":2", "expected one of the declared classes, got an empty label"),
        ("x,y,kind\n1,2,2\n", {"classes": 2}, ":2", "expected a class number 0 to 1, got '2'"),
        ("x,y,kind\n1,2,p\n", {"classes": 2}, ":2", "expected 2 classes, got 1: 'p'"),
        ("x,y,kind\n1,2,a\n", {"classes": None}, ":2", "column 'kind': expected a number, got 'a'"),
        ("x,x,kind\n1,2,a\n", {}, ":1", "expected column names that differ, got 'x' in columns 1 and 2"),
        ("x,yy,kind\n1,2,a\n", {}, ":1", "there is no column 'y'"),
        ("x,y,kind\n1,2,a\n", {"features": 3}, ":1", "expected 3 features beside the target, got 2 columns"),
        ('x,y,kind\n1,2,"a\n', {}, ":2", "unexpected end of data"),
        ('x,y,kind\n1,2,"a"b\n', {}, ":2", "',' expected after '\"'"),
        ("x,y,kind\n1,2," + "a" * 131_073, {}, ":2", "field larger than field limit (131072)"),
        ("x,y,kind\n1,2,a\n".encode("utf-16"), {}, "", "expected text in UTF-8, got UTF-16"),
        (b"x,y,kind\n1,2,a\n1,2,\xe9\n", {}, ":3", "expected text in UTF-8, got the byte 0xe9"),
        ("x,y,kind\n1,2,a\n", {"test_share": 0.5}, "", "test_share 0.5 of 1 rows leaves a part without any"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, content, changes, place, message):
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        len(CSV(path, **{**KINDS, **changes}))
    assert caught.value.message == f"{path}{place}: {message}"
    assert caught.value.hint or "limit" in message


@pytest.mark.parametrize("what", ["no such file", "a directory", "File name too long"])
def test_a_file_that_is_not_there_is_said_at_once(tmp_path, what):
    path = {"no such file": tmp_path / "no.csv", "a directory": tmp_path}.get(what, tmp_path / ("n" * 300))
    with pytest.raises(DataError, match=f"expected a CSV file, got {what}"):
        CSV(path, **KINDS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": 0}, "features should be 1 column or more, got 0"),
        ({"features": []}, "features should name a column, got none"),
        ({"features": ["x", "x"]}, "features has 'x' twice"),
        ({"features": ["x", "kind"]}, "features has 'kind', which is the target"),
        ({"target": []}, "target should name a column, got none"),
        ({"target": ["x", "kind"], "features": ["y"]}, "target should be one column where there are classes"),
        ({"classes": 1}, "classes should be 2 or more, got 1"),
        ({"classes": ["a"]}, "classes should name 2 or more"),
        ({"classes": ["a", " a"]}, "classes has 'a' twice"),
        ({"test_share": 1.0}, "test_share should be from 0 to below 1, got 1.0"),
        ({"test_share": math.nan}, "test_share should be from 0 to below 1, got nan"),
        ({"test_share": 0.1, "test_file": "t"}, "test_share and test_file both say"),
        ({"delimiter": ""}, "delimiter should be one character"),
        ({"delimiter": '"'}, "delimiter should be one character"),
    ],
)
def test_arguments_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        CSV.sample_spec("t.csv", **{**KINDS, **changes})


def test_labels_are_declared_counted_or_numbers(tmp_path):
    path = written(tmp_path, "x,kind\n0,pear\n1,apple\n2,pear\n")
    assert [target for _, target in samples(CSV(path, ["x"], "kind", 2))] == [1, 0, 1]
    assert [target for _, target in samples(CSV(path, ["x"], "kind", ["pear", "apple", "fig"]))] == [0, 1, 0]
    numbers = written(tmp_path, "x,kind\n0,2\n1,0\n")
    assert [target for _, target in samples(CSV(numbers, ["x"], "kind", 3))] == [2, 0]
    assert [target for _, target in samples(CSV(numbers, ["x"], "kind", [2, 1, 0]))] == [0, 2]


def test_counted_labels_of_the_test_part_are_those_of_the_training_part(tmp_path):
    train = written(tmp_path, "x,kind\n0,pear\n1,apple\n2,fig\n")
    test = written(tmp_path, "x,kind\n0,fig\n1,pear\n", "test.csv")
    data = CSV(train, ["x"], "kind", 3, test_file=test, train=False)
    assert [target for _, target in samples(data)] == [1, 2]
    assert data.place(1) == f"{test}:3"


def test_without_classes_targets_are_numbers(tmp_path):
    path = written(tmp_path, "a;b;c\n1;2;3\n4;5;6\n")
    assert samples(CSV(path, ["a"], ["c", "b"], delimiter=";")) == [([1.0], [3.0, 2.0]), ([4.0], [6.0, 5.0])]
    assert samples(CSV(path, 2, "b", delimiter=";")) == [([1.0, 3.0], [2.0]), ([4.0, 6.0], [5.0])]
    assert CSV.sample_spec(path, 2, "b").target.shape == (1,)


def test_a_file_without_names(tmp_path):
    path = written(tmp_path, "1,2,a\n3.5,-4,b\n")
    assert samples(CSV(path, [0, 1], 2, ["a", "b"], header=False)) == ROWS
    assert samples(CSV(path, 2, "2", ["a", "b"], header=False)) == ROWS


def test_a_share_of_one_file_is_the_test_part(tmp_path):
    path = written(tmp_path, "x,y\n" + "".join(f"{number},0\n" for number in range(100)))
    train, test = (CSV(path, ["x"], "y", test_share=0.2, train=part) for part in (True, False))
    numbers = [[inputs[0] for inputs, _ in samples(part)] for part in (train, test)]
    assert (len(train), len(test)) == (80, 20)
    assert sorted(numbers[0] + numbers[1]) == list(range(100))
    assert numbers[0] == sorted(numbers[0])
    assert test.place(3) == f"{path}:{int(numbers[1][3]) + 2}"
    assert samples(CSV(path, ["x"], "y", test_share=0.2, train=False)) == samples(test)
    assert CSV.has_test_part(file=path, test_share=0.2)
    assert not CSV.has_test_part(file=path)


def test_batches_are_gathered_and_transformed(tmp_path):
    path = written(tmp_path, "x,y,kind\n1,2,a\n3.5,-4,b\n")
    data = CSV(path, **KINDS, transform=lambda row: row * 2)
    ((inputs, targets),) = DataLoader(Subset(data, [1, 0]), batch_size=2)
    assert (inputs.tolist(), targets.tolist()) == ([[7.0, -8.0], [2.0, 4.0]], [1, 0])
    inputs.numpy()[:] = 0
    assert data[0][0].tolist() == [2.0, 4.0]


CELLS = st.one_of(
    st.text('0123456789.,eE+-"\n\r _\u0663\u00a0nafi;\x00', max_size=6),
    st.floats().map(str),
    st.integers(-(10**6), 10**6).map(str),
)


def plain_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?(e[-+]?\d\d?)?", cell, re.ASCII) is not None and abs(float(cell)) < 1e38


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=4), quote=st.booleans())
def test_any_cells_are_read_as_by_another_reader_or_refused(tmp_path_factory, rows, quote):
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        style: Any = csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
        csv.writer(file, quoting=style).writerows([["x", "y"], *rows])
    read, error = outcome(lambda: samples(CSV(path, ["x"], "y")))
    if error:
        assert error.message.startswith(f"{path}:")
        assert not all(len(row) == 2 and all(map(plain_number, row)) for row in rows) or not rows
    else:
        assert read == [([np.float32(x.strip())], [np.float32(y.strip())]) for x, y in rows]


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60), place=st.integers(0, 30))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, place):
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    whole = b"x,y,kind\n1,2,a\n3.5,-4,b\n"
    path.write_bytes(whole[:place] + content + whole[place:])
    read, error = outcome(lambda: samples(CSV(path, **KINDS)))
    if error:
        assert error.message.startswith(f"{path}:")
    else:
        assert np.isfinite([inputs for inputs, _ in read]).all()
