"""Samples without targets, for a model to answer: from CSV, JSON lines, NumPy files, IDX files and images.

Files are read a block of samples at a time, in order, so that memory does not grow with them; of a compressed archive
(NPZ, gzipped IDX) the whole array is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from trainctl.data.images import SUFFIXES
from trainctl.data.inputs.arrays import read_idx_blocks, read_image, read_npy, read_npz
from trainctl.data.inputs.block import Block, Columns, Expected
from trainctl.data.inputs.json_lines import read_json_lines
from trainctl.data.inputs.tables import read_table
from trainctl.errors import DataError, UsageError

__all__ = ["FORMATS", "STDIN", "Block", "Columns", "Expected", "expand", "format_of", "read_blocks"]

STDIN = "-"
FORMATS = ("csv", "tsv", "jsonl", "npy", "npz", "idx", "image")
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".npy": "npy",
    ".npz": "npz",
    ".idx": "idx",
    **dict.fromkeys(SUFFIXES, "image"),
}
_TEXT = ("csv", "tsv", "jsonl")


def format_of(path: str) -> str:
    """Return the format of a file, by its name.

    Raises:
        UsageError: the name does not say.

    Example:
        >>> format_of("digits/t10k-images-idx3-ubyte.gz"), format_of("rows.CSV")
        ('idx', 'csv')
    """
    name = Path(path).name.lower().removesuffix(".gz")
    if any(f"-idx{dims}-" in name or f".idx{dims}-" in name for dims in range(1, 10)):
        return "idx"
    found = _SUFFIXES.get(Path(name).suffix)
    if found is None:
        raise UsageError(
            f"{path}: its name does not say what it holds", hint=f"--input-format {'|'.join(FORMATS)} says it"
        )
    return found


def expand(paths: list[str]) -> list[str]:
    """Return the files of what a user named: of a folder, the images in it, by name.

    Raises:
        DataError: there is nothing there, or no image in a folder.
    """
    files = []
    for path in paths:
        if path != STDIN and Path(path).is_dir():
            images = sorted(str(each) for each in Path(path).iterdir() if _SUFFIXES.get(each.suffix.lower()) == "image")
            if not images:
                raise DataError(
                    f"{path}: a folder without images",
                    hint="name files, or a folder of images, each with its own ending",
                )
            files += images
        elif path != STDIN and not Path(path).exists():
            raise DataError(f"{path}: no such file")
        else:
            files.append(path)
    return files


def read_blocks(
    path: str, format: str, expected: Expected, columns: Columns, size: int, stdin: IO[bytes] | None = None
) -> Iterator[Block]:
    """Yield the samples of one file, ``size`` at a time.

    Args:
        path: the file, or ``-`` for ``stdin``.
        format: one of ``FORMATS``.
        expected: what a sample is.
        columns: of a table: which column names its rows, and which are passed over.
        size: samples in a block, at most.
        stdin: what ``-`` means.

    Raises:
        DataError: the file is missing, damaged, or a row is not a sample; the message names the line.
        UsageError: a format that cannot be read from a pipe.
    """
    if path == STDIN:
        if format not in _TEXT:
            raise UsageError(f"{format} cannot be read from stdin", hint="csv, tsv and jsonl can")
        assert stdin is not None
        yield from _read_text("stdin", stdin, format, expected, columns, size)
    elif format in _TEXT:
        with _opened(path) as file:
            yield from _read_text(path, file, format, expected, columns, size)
    else:
        reader = {"npy": read_npy, "npz": read_npz, "idx": read_idx_blocks, "image": read_image}[format]
        yield from reader(path, expected, size)


def _read_text(
    name: str, file: IO[bytes], format: str, expected: Expected, columns: Columns, size: int
) -> Iterator[Block]:
    if format == "jsonl":
        return read_json_lines(name, file, expected, size)
    return read_table(name, file, expected, columns, size, delimiter="\t" if format == "tsv" else ",")


def _opened(path: str) -> IO[bytes]:
    try:
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
