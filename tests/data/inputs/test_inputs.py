"""Reading samples from files: what is a sample comes through in order, what is not is named by its line."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.data.inputs import Columns, Expected, expand, format_of, read_blocks
from trainctl.data.spec import ArraySpec
from trainctl.errors import DataError, TrainctlError, UsageError

FOUR = Expected(ArraySpec((1, 2, 2)))
TOKENS = Expected(ArraySpec((2,), "int64", high=5))


def read(text: str | bytes, format: str = "csv", expected: Expected = FOUR, size: int = 2, **columns):
    """Values, flat, and ids of a text, and the sizes of its blocks."""
    data = text.encode() if isinstance(text, str) else text
    blocks = list(read_blocks("-", format, expected, Columns(**columns), size, io.BytesIO(data)))
    values = [row for block in blocks for row in block.values.reshape(len(block.values), -1).tolist()]
    ids = [own for block in blocks for own in block.ids or []]
    return values, ids, [len(block.values) for block in blocks]


@pytest.mark.parametrize(
    ("text", "columns", "values", "ids"),
    [
        ("1,2,3,4\n5,6,7,8\n9,10,11,12\n", {}, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], []),
        ("a,b,c,d\n1,2,3,4", {}, [[1, 2, 3, 4]], []),
        ("\ufeffa,b,c,d\r\n1,2,3,4\r\n", {}, [[1, 2, 3, 4]], []),
        ("id,a,b,c,d\nx,1,2,3,4\ny,5,6,7,8\nz,9,9,9,9\n", {}, [[1, 2, 3, 4], [5, 6, 7, 8], [9] * 4], ["x", "y", "z"]),
        ("a,b,c,d,who\n1,2,3,4,ä\n", {"id": "who"}, [[1, 2, 3, 4]], ["ä"]),
        ("x,1,2,3,4\n", {"id": "0"}, [[1, 2, 3, 4]], ["x"]),
        ("1,2,3,4,7\n5,6,7,8,1\n", {"drop": ("4",)}, [[1, 2, 3, 4], [5, 6, 7, 8]], []),
        ("label,id,a,b,c,d\ncat,7,1,2,3,4\n", {"drop": ("label",)}, [[1, 2, 3, 4]], ["7"]),
        ('id,a,b,c,d\n"x, ""y""",1,2,"3",4\n', {}, [[1, 2, 3, 4]], ['x, "y"']),
        (" 1 , 2.5,-3e2,+.4\n\n\n5,6,7,8\n", {}, [[1, 2.5, -300, 0.4], [5, 6, 7, 8]], []),
        ("d,kind,c,b,a\n4,cat,3,2,1\n", {"features": ("a", "b", "c", "d")}, [[1, 2, 3, 4]], []),
        ("d,kind,c,b,a\n4,7,3,2,1\n", {"targets": ("kind",)}, [[4, 3, 2, 1]], []),
        ("1,2,3,4\n", {"features": ("a", "b", "c", "d"), "targets": ("kind",)}, [[1, 2, 3, 4]], []),
        ("", {}, [], []),
        ("\n\n", {}, [], []),
        ("a,b,c,d\n", {}, [], []),
    ],
)
def test_rows_of_a_table(text: str, columns: dict, values: list, ids: list):
    assert read(text, **columns)[:2] == (values, ids)


def test_tabs_and_blocks():
    text = "".join(f"{row}\t0\t0\t0\n" for row in range(7))
    values, _, sizes = read(text, "tsv", size=3)
    assert [row[0] for row in values] == list(range(7))
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4\n5,6,7\n", "stdin:2: expected 4 numbers, for [1, 2, 2], got 3"),
        ("1,2,3\n", "stdin:1: expected 4 numbers, for [1, 2, 2], got 3 columns"),
        ("a,b,c,d\n1,2,3,4\n5,6,seven,8\n", "stdin:3: column 3: expected a number, got 'seven'"),
        ("1,2,3,4\n5,6,,8\n", "stdin:2: column 3: expected a number, got ''"),
        ("1,2,3,4\n\n5,nan,7,8\n", "stdin:3: expected finite numbers, got nan"),
        ("1,2,3,4\n5,1e999,7,8\n", "stdin:2: expected finite numbers, got inf"),
        ("1,2,3,4\n5,1_0,7,8\n", "stdin:2: column 2: expected a number, got '1_0'"),
        ("1,2,3,4\n5,٣,7,8\n", "stdin:2: column 2: expected a number, got '٣'"),
        ('1,2,3,4\n5,"6,7,8\n', "stdin:2: a quote without its end"),
        (b"1,2,3,4\n5,\xff,7,8\n", "stdin:2: expected UTF-8, got the byte 0xff"),
        (b"1,2,3,4\n5,\x00,7,8\n", "stdin:2: column 2: expected a number"),
        ("1;2;3;4\n", "stdin:1: expected 4 numbers, for [1, 2, 2], got 1 column"),
        ("id,a,b,c,d\nx,1,2,3,4\ny,1,2,3\n", "stdin:3: expected 4 numbers, for [1, 2, 2], got 3"),
    ],
)
def test_a_row_that_is_no_sample_is_named(text: str | bytes, message: str):
    with pytest.raises(DataError) as caught:
        read(text)
    assert message in caught.value.message


def test_columns_that_are_not_there_are_named():
    with pytest.raises(
        DataError, match="stdin:1: the model was trained on columns that are not there: c, d"
    ) as missing:
        read("a,b,x,y\n1,2,3,4\n", features=("a", "b", "c", "d"))
    assert missing.value.hint == "the table has a, b, x, y"
    with pytest.raises(UsageError, match="--id who: stdin has no such column") as caught:
        read("a,b,c,d\n1,2,3,4\n", id="who")
    assert caught.value.hint == "it has a, b, c, d"
    with pytest.raises(UsageError, match="--drop 9: stdin has no such column"):
        read("1,2,3,4\n", drop=("9",))


@pytest.mark.parametrize(
    ("text", "values", "ids"),
    [
        ("[1, 2, 3, 4]\n\n[[1, 2], [3, 4]]\n[[[1, 2], [3, 4]]]", [[1, 2, 3, 4]] * 3, []),
        (
            '{"id": "x", "input": [1, 2, 3, 4]}\n{"input": [5, 6, 7, 8.5]}\n',
            [[1, 2, 3, 4], [5, 6, 7, 8.5]],
            ["x", None],
        ),
    ],
)
def test_json_lines(text: str, values: list, ids: list):
    assert read(text, "jsonl", size=9)[:2] == (values, ids)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2, 3, 4]\n[1, 2, 3]\n", "stdin:2: expected 4 numbers, for [1, 2, 2], got 3"),
        ("[1, 2, 3, 4", "stdin:1: not JSON"),
        ("[1, 2, 3, NaN]", "stdin:1: NaN is not JSON"),
        ("[1, 2, 3, 1e999]", "stdin:1: expected finite numbers, got inf"),
        ('[1, 2, 3, "4"]', 'expected 4 numbers, for [1, 2, 2], got "4"'),
        ("[1, 2, 3, true]", "expected 4 numbers, for [1, 2, 2], got true"),
        ("[1, 2, 3, null]", "got null"),
        ("[[1, 2], [3]]", "lists of different lengths"),
        ("[[1, 2, 3, 4], [5, 6, 7, 8]]", "got 8"),
        ("[[1], [2], [3], [4]]", "expected samples of 4 numbers"),
        ('{"inputs": [1, 2, 3, 4]}', "got the keys 'inputs'"),
        ("{}", "got the keys of nothing"),
        ('{"id": [1], "input": [1, 2, 3, 4]}', "expected an id that is a string or a number, got [1]"),
        ('{"id": 1e999, "input": [1, 2, 3, 4]}', "expected an id"),
        ("3", "expected a list of numbers"),
        ("[" * 100_000, "stdin:1: lists in lists, too deep"),
        (b"\xff", "expected UTF-8, got the byte 0xff"),
        (f"[1, 2, 3, {'9' * 400}]", "expected 4 numbers, for [1, 2, 2], got numbers that are too large"),
    ],
)
def test_a_line_that_is_no_sample_is_named(text: str | bytes, message: str):
    with pytest.raises(DataError) as caught:
        read(text, "jsonl")
    assert message in caught.value.message


def test_whole_numbers_of_a_range():
    assert read("[0, 4]\n[1, 2]", "jsonl", TOKENS)[0] == [[0, 4], [1, 2]]
    for text, message in (
        ("0,5\n", "expected 0 to 4, got 5"),
        ("-1,0\n", "got -1"),
        ("0.5,1\n", "whole numbers, got 0.5"),
    ):
        with pytest.raises(DataError, match=message):
            read(text, expected=TOKENS)


@given(st.binary(max_size=80), st.sampled_from(["csv", "tsv", "jsonl"]))
def test_no_bytes_do_anything_else(data: bytes, format: str):
    with contextlib.suppress(TrainctlError):
        read(data, format)


def test_memory_does_not_grow_with_the_table():
    class Endless(io.RawIOBase):
        rows = 0

        def readline(self, size: int | None = -1) -> bytes:
            self.rows += 1
            return b"0.25,0.5,0.75,1.0\n" if self.rows <= 100_000 else b""

    tracemalloc.start()
    count = sum(len(block.values) for block in read_blocks("-", "csv", FOUR, Columns(), 500, Endless()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 1_000_000


# -- arrays -------------------------------------------------------------------------------------------

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)


def blocks(path: Path, format: str | None = None, expected: Expected = FOUR) -> list[np.ndarray]:
    return [block.values for block in read_blocks(str(path), format or format_of(str(path)), expected, Columns(), 2)]


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 1, 2, 2), (3, 4), (3, 2, 2, 1)])
def test_arrays_of_any_form_of_a_sample(tmp_path: Path, shape: tuple[int, ...]):
    np.save(tmp_path / "a.npy", PIXELS.reshape(shape))
    np.savez_compressed(tmp_path / "a.npz", x=PIXELS.reshape(shape), y=np.arange(3))
    for name in ("a.npy", "a.npz"):
        first, second = blocks(tmp_path / name)
        assert first.dtype == np.uint8
        assert first.shape == (2, 1, 2, 2)
        assert np.concatenate([first, second]).reshape(3, 2, 2).tolist() == PIXELS.tolist()


def test_one_sample_by_itself_and_other_types(tmp_path: Path):
    np.save(tmp_path / "one.npy", PIXELS[0][None].astype(np.float32))
    assert [part.dtype for part in blocks(tmp_path / "one.npy")] == [np.float64]
    np.save(tmp_path / "none.npy", PIXELS[:0])
    assert blocks(tmp_path / "none.npy") == []


def test_idx_files(tmp_path: Path):
    data = struct.pack(">4B3I", 0, 0, 8, 3, 3, 2, 2) + PIXELS.tobytes()
    (tmp_path / "a-idx3-ubyte").write_bytes(data)
    (tmp_path / "a-idx3-ubyte.gz").write_bytes(gzip.compress(data))
    for name in ("a-idx3-ubyte", "a-idx3-ubyte.gz"):
        assert np.concatenate(blocks(tmp_path / name)).reshape(3, 2, 2).tolist() == PIXELS.tolist()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 5)), "expected samples of 4 numbers, for [1, 2, 2], got [5] a sample"),
        (np.zeros(4), "got single numbers"),
        (np.zeros(()), "got a single number"),
        (np.array([["a"] * 4]), "expected an array of numbers, got one of <U1"),
        (np.zeros((1, 4), complex), "expected an array of numbers, got one of complex128"),
        (np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]]), "sample 1: expected finite numbers, got nan"),
        (np.zeros((1, 4), np.longdouble), "expected numbers of 64 bits at most, got float128"),
        (np.array([[{}] * 4]), "expected an array of numbers, got one of object"),
    ],
)
def test_arrays_that_are_no_samples_are_refused(tmp_path: Path, array: np.ndarray, message: str):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError) as caught:
        blocks(tmp_path / "a.npy")
    assert message in caught.value.message


def test_damaged_and_wrong_files_are_refused(tmp_path: Path):
    np.save(tmp_path / "a.npy", PIXELS)
    np.savez(tmp_path / "a.npz", one=PIXELS, two=PIXELS)
    whole, archive = (tmp_path / "a.npy").read_bytes(), (tmp_path / "a.npz").read_bytes()
    for name, data in {
        "cut.npy": whole[:-3],
        "head.npy": whole[:40],
        "x.npz": b"PK\x03\x04",
        "y.npz": whole,
        "e.npy": b"",
        "tokens.npy": whole[:10] + b"(" + whole[11:],
        "tokens.npz": archive.replace(b"'descr'", b'"""escr'),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            blocks(tmp_path / name)
    with pytest.raises(DataError, match="expected one array, or one called input or x, got one, two"):
        blocks(tmp_path / "a.npz")
    for name in ("gone.npy", "gone.csv"):
        with pytest.raises(DataError, match="No such file"):
            blocks(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        expand([str(tmp_path / "gone.csv")])
    with pytest.raises(UsageError, match="npy cannot be read from stdin"):
        list(read_blocks("-", "npy", FOUR, Columns(), 2, io.BytesIO()))
    with pytest.raises(UsageError, match="does not say what it holds"):
        format_of("rows.parquet")


# -- images -------------------------------------------------------------------------------------------


def save_image(path: Path, pixels: np.ndarray, **options) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path, **options)


def test_images_grey_and_coloured(tmp_path: Path):
    save_image(tmp_path / "b.png", PIXELS[0])
    save_image(tmp_path / "a.png", np.stack([PIXELS[1]] * 3, axis=-1))
    (tmp_path / "notes.txt").write_text("not an image")
    files = expand([str(tmp_path)])
    assert [Path(each).name for each in files] == ["a.png", "b.png"]
    grey = [blocks(Path(each))[0] for each in files]
    assert [each.tolist() for each in grey] == [[[PIXELS[1].tolist()]], [[PIXELS[0].tolist()]]]
    [colour] = blocks(tmp_path / "b.png", expected=Expected(ArraySpec((3, 2, 2))))
    assert (colour.dtype, colour.shape) == (np.uint8, (1, 3, 2, 2))


def test_images_that_do_not_fit_are_refused(tmp_path: Path):
    save_image(tmp_path / "big.png", np.zeros((3, 2), np.uint8))
    save_image(tmp_path / "deep.png", np.zeros((2, 2), np.uint16))
    (tmp_path / "cut.png").write_bytes((tmp_path / "big.png").read_bytes()[:20])
    (tmp_path / "text.jpg").write_text(json.dumps([1, 2]))
    (tmp_path / "page.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n")  # for Ghostscript
    for name, message in (
        ("big.png", "expected an image of 2 x 2 pixels, got 2 x 3"),
        ("deep.png", "expected 8 bits a channel"),
        ("cut.png", "expected an intact image"),
        ("text.jpg", "expected an intact image"),
        ("page.jpg", "expected an intact image"),
        ("gone.png", "No such file"),
    ):
        with pytest.raises(DataError, match=message):
            blocks(tmp_path / name)
    with pytest.raises(UsageError, match="which are no images"):
        blocks(tmp_path / "big.png", expected=TOKENS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="a folder without images"):
        expand([str(tmp_path / "empty")])


def test_without_pillow_the_hint_is_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_image(tmp_path / "a.png", PIXELS[0])
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(UsageError) as caught:
        blocks(tmp_path / "a.png")
    assert caught.value.hint == "pip install 'trainctl[images]'"
