"""The IDX reader gives what the bytes say, or a DataError."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.data.idx_files import CODES, idx_bytes, idx_header
from trainctl.data.idx import read_idx
from trainctl.errors import DataError

REPO = Path(__file__).parents[2]
LABELS = idx_bytes(np.array([7, 2, 1], np.uint8))


def read_bytes(folder: Path, content: bytes) -> np.ndarray:
    path = folder / "file"
    path.write_bytes(content)
    return read_idx(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("idx")


@given(
    array=st.sampled_from(sorted(CODES)).flatmap(
        lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    ),
    zipped=st.booleans(),
)
def test_every_type_and_shape_comes_back_bit_for_bit(folder, array, zipped):
    content = idx_bytes(array)
    actual = read_bytes(folder, gzip.compress(content) if zipped else content)
    assert (actual.dtype, actual.shape) == (array.dtype, array.shape)
    assert actual.tobytes() == array.tobytes()  # NaN's bits too
    assert actual.flags.writeable


def spec(content: bytes) -> np.ndarray | None:
    """The format read in another way: element by element; None where the bytes are not IDX."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in CODES.values():
        return None
    kind = next(kind for kind, code in CODES.items() if code == content[2])
    size, ndim = int(kind[1]), content[3]
    if len(content) < 4 + 4 * ndim:
        return None
    dims = [int.from_bytes(content[at : at + 4], "big") for at in range(4, 4 + 4 * ndim, 4)]
    body = content[4 + 4 * ndim :]
    if len(body) != math.prod(dims) * size:
        return None
    if math.prod(filter(None, dims)) * size > sys.maxsize or ndim > 64:
        return None  # empty, and yet more than NumPy can describe
    letter = {"u1": "B", "i1": "b", "i2": "h", "i4": "i", "f4": "f", "f8": "d"}[kind]
    elements = [value for (value,) in struct.iter_unpack(f">{letter}", body)]
    return np.array(elements, kind).reshape(dims)


def gunzip(content: bytes) -> bytes | None:
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read()
    except (OSError, EOFError, zlib.error):
        return None


def check_against_spec(folder: Path, content: bytes) -> None:
    plain = gunzip(content) if content[:2] == b"\x1f\x8b" else content
    expected = None if plain is None else spec(plain)
    if expected is None:
        with pytest.raises(DataError) as caught:
            read_bytes(folder, content)
        assert str(folder / "file") in caught.value.message
        assert "expected" in caught.value.message
        assert "got" in caught.value.message
        assert caught.value.hint
    else:
        np.testing.assert_array_equal(read_bytes(folder, content), expected)


headers = st.builds(
    lambda zeros, code, dims: zeros + bytes([code, len(dims)]) + struct.pack(f">{len(dims)}I", *dims),
    st.sampled_from([b"\0\0", b"\0\1", b"\x1f\x8b"]),
    st.sampled_from([*CODES.values(), 0x0A, 0]),
    st.lists(st.sampled_from([0, 1, 2, 3, 2**16, 2**31, 2**32 - 1]), max_size=4),
)


@given(st.binary(max_size=40) | st.builds(lambda header, body: header + body, headers, st.binary(max_size=40)))
def test_any_bytes_are_read_by_the_spec_or_refused(folder, content):
    check_against_spec(folder, content)


@given(st.data())
def test_a_damaged_file_is_refused_or_still_says_what_it_says(folder, data):
    content = bytearray(idx_bytes(np.arange(24, dtype=np.int16).reshape(2, 3, 4)))
    if data.draw(st.booleans(), "zipped"):
        content = bytearray(gzip.compress(bytes(content), mtime=0))
    position = data.draw(st.integers(0, len(content) - 1), "position")
    match data.draw(st.sampled_from(["cut", "flip", "insert", "append"]), "damage"):
        case "cut":
            del content[position:]
        case "flip":
            content[position] ^= 1 << data.draw(st.integers(0, 7), "bit")
        case "insert":
            content.insert(position, data.draw(st.integers(0, 255), "byte"))
        case "append":
            content += data.draw(st.binary(min_size=1, max_size=20), "tail")
    check_against_spec(folder, bytes(content))


@pytest.mark.parametrize(
    ("content", "expected", "got"),
    [
        (b"", "an IDX header of at least 4 bytes", "got 0 bytes"),
        (b"\0\0\x08", "an IDX header of at least 4 bytes", "got 3 bytes"),
        (b"\x89PNG\r\n", "an IDX magic number: 00 00", "got 89 50 4e 47"),
        (idx_header(0x0A, 1) + b"\0", "one of 08 09 0b 0c 0d 0e", "got 00 00 0a 01"),
        (idx_header(0x08, 3)[:7], "a header with 1 dimensions", "got 3 bytes"),
        (LABELS[:-1], "3 bytes of data for [3] of uint8", "got 2: the file is cut short"),
        (LABELS + b"\0", "3 bytes of data for [3] of uint8", "got more"),
        (gzip.compress(LABELS[:-1]), "3 bytes of data for [3] of uint8", "got 2"),
        (gzip.compress(LABELS + b"\0"), "3 bytes of data for [3] of uint8", "got more"),
        (gzip.compress(LABELS)[:-9], "intact gzip data", "end-of-stream"),
        (gzip.compress(LABELS)[:-5] + b"\0" + gzip.compress(LABELS)[-4:], "intact gzip data", "CRC"),
        (gzip.compress(LABELS) + b"tail", "intact gzip data", "Not a gzipped file"),
        (idx_header(0x0E, 2**32 - 1, 2**32 - 1, 9), "bytes of data", "got 16 at most: the file is cut short"),
        (gzip.compress(idx_header(0x0E, 2**32 - 1, 9)), "bytes of data", "at most: the file is cut short"),
        (idx_header(0x08, 0, *[2**32 - 1] * 3), "dimensions that NumPy can hold", "[0, 4294967295"),
        (idx_header(0x08, *[1] * 65) + b"\0", "dimensions that NumPy can hold", "[1, 1"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, expected, got):
    with pytest.raises(DataError) as caught:
        read_bytes(tmp_path, content)
    assert caught.value.exit_code == 4
    assert expected in caught.value.message
    assert got in caught.value.message


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    plain, zipped = tmp_path / "plain.gz", tmp_path / "zipped"
    plain.write_bytes(LABELS)
    zipped.write_bytes(gzip.compress(LABELS))
    assert read_idx(plain).tolist() == read_idx(str(zipped)).tolist() == [7, 2, 1]


def test_gzip_may_come_in_several_members(tmp_path):
    content = gzip.compress(LABELS[:6]) + gzip.compress(LABELS[6:])
    assert read_bytes(tmp_path, content).tolist() == [7, 2, 1]


def test_a_header_that_lies_reserves_no_memory(tmp_path):
    tracemalloc.start()
    try:
        for content in (idx_header(0x08, 2**31), gzip.compress(idx_header(0x08, 2**31))):
            with pytest.raises(DataError):
                read_bytes(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_running_out_of_memory_is_said(tmp_path, monkeypatch):
    def no_memory(*args):
        raise MemoryError

    monkeypatch.setattr(np, "empty", no_memory)
    with pytest.raises(DataError, match=r"3 bytes of data .* not enough memory"):
        read_bytes(tmp_path, LABELS)


@pytest.mark.parametrize(
    ("name", "found"), [("absent", "no such file"), (".", "a directory"), ("no\0name", "no such file")]
)
def test_what_is_no_file_is_said(tmp_path, name, found):
    with pytest.raises(DataError, match=f"expected an IDX file, got {found}"):
        read_idx(tmp_path / name)


def test_an_unreadable_file_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(LABELS)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="expected a readable file, got Permission denied"):
        read_idx(tmp_path / "file")


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="expected an IDX file"):
        read_idx(tmp_path / "pipe")


def test_the_files_of_mnist_are_the_originals():
    source = (REPO / "datasets/mnist/SOURCE.md").read_text()
    files = sorted((REPO / "datasets/mnist").glob("*.gz"))
    assert len(files) == 4
    for path in files:
        assert f"| {path.name} | {hashlib.sha256(path.read_bytes()).hexdigest()} |" in source
