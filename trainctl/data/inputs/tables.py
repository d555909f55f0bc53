"""CSV and TSV: a row a sample, a header or none."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, NoReturn

import numpy as np

from trainctl.data.inputs.block import Block, Columns, Expected
from trainctl.errors import DataError, UsageError

_LONGEST = 1 << 26
"""Characters in a line: what is longer is no table, and must not fill the memory."""


def read_table(
    name: str, file: IO[bytes], expected: Expected, columns: Columns, size: int, *, delimiter: str = ","
) -> Iterator[Block]:
    r"""Yield the rows of a table, ``size`` at a time. Empty lines are passed over.

    A first line with a field that is no number is a header, unless that field is an id.

    Raises:
        DataError: a row is not a sample; the message names the line.
        UsageError: ``columns`` names one that is not there.

    Example:
        >>> import io
        >>> from trainctl.data.spec import ArraySpec
        >>> text = io.BytesIO(b"id,a,b\nx,1,2\ny,3,4\n")
        >>> [block] = read_table("t.csv", text, Expected(ArraySpec((2,))), Columns(), 10)
        >>> block.ids, block.values.tolist()
        (['x', 'y'], [[1.0, 2.0], [3.0, 4.0]])
    """
    lines = _decoded(name, file)
    first = next((each for each in lines if each[1].strip()), None)
    if first is None:
        return
    fields = next(csv.reader([first[1]], delimiter=delimiter), [])
    header = fields if _is_header(fields, columns) else None
    layout = _layout(name, header, len(fields), columns, expected)
    reader = _Rows(name, expected, layout, delimiter)
    rest = lines if header else itertools.chain([first], lines)
    while chunk := list(itertools.islice(rest, size)):
        block = reader.block(chunk)
        if len(block.values):
            yield block


def _decoded(name: str, file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; a byte order mark at the start is no part of them."""
    for number in itertools.count(1):
        line = file.readline(_LONGEST)
        if not line:
            return
        if len(line) == _LONGEST:
            raise DataError(f"{name}:{number}: a line of more than {_LONGEST:,} bytes", hint="is it a table?")
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}:{number}: expected UTF-8, got the byte 0x{line[error.start]:02x}", hint="is it a table?"
            ) from error


def _is_header(fields: Sequence[str], columns: Columns) -> bool:
    """Whether fields are names: one that is given by its index as an id or to be dropped need not be a number."""
    told = {columns.id, *columns.drop}
    return any(_number(field) is None for index, field in enumerate(fields) if str(index) not in told)


def _number(text: str) -> float | None:
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


@dataclass(frozen=True)
class _Layout:
    """Where a row has its id and its numbers.

    Attributes:
        width: how many fields a row has.
        id: the column of the id, None where there is none.
        numbers: the columns of the numbers.
    """

    width: int
    id: int | None
    numbers: list[int]


def _layout(name: str, header: Sequence[str] | None, width: int, columns: Columns, expected: Expected) -> _Layout:
    names = [field.strip() for field in header] if header else []

    def place(column: str, option: str) -> int:
        if column in names:
            return names.index(column)
        if column.isdecimal() and int(column) < width:
            return int(column)
        hint = f"it has {', '.join(names)}" if names else f"it has no header; its columns are 0 to {width - 1}"
        raise UsageError(f"{option} {column}: {name} has no such column", hint=hint)

    own = None if columns.id is None else place(columns.id, "--id")
    if own is None and "id" in names:
        own = names.index("id")
    if names and columns.features:
        return _Layout(width, own, _named(name, names, columns.features))
    known = {names.index(each) for each in columns.targets if each in names}
    left_out = {own, *known, *(place(column, "--drop") for column in columns.drop)}
    numbers = [index for index in range(width) if index not in left_out]
    if len(numbers) != expected.size:
        hint = "--drop COLUMN passes over a column, --id COLUMN takes it for the row's name"
        raise DataError(
            f"{name}:1: expected {expected.words}, got {len(numbers)} column{'s' * (len(numbers) != 1)}", hint=hint
        )
    return _Layout(width, own, numbers)


def _named(name: str, names: Sequence[str], features: Sequence[str]) -> list[int]:
    """Where the model's columns are, whatever their order in the table; others are passed over."""
    missing = [each for each in features if each not in names]
    if missing:
        raise DataError(
            f"{name}:1: the model was trained on columns that are not there: {', '.join(missing[:8])}",
            hint=f"the table has {', '.join(names[:20])}",
        )
    return [names.index(each) for each in features]


class _Rows:
    """Reads rows in bulk, and one by one where that fails, to find the line that is wrong."""

    def __init__(self, name: str, expected: Expected, layout: _Layout, delimiter: str) -> None:
        self.name, self.expected, self.layout, self.delimiter = name, expected, layout, delimiter

    def block(self, chunk: list[tuple[int, str]]) -> Block:
        """The samples of some lines."""
        values = self._in_bulk([text for _, text in chunk])
        if values is None or self.expected.problem(values) is not None:
            return self._one_by_one(chunk)
        own = self.layout.id
        ids = None if own is None else [text.rstrip("\r\n").split(self.delimiter)[own] for _, text in chunk]
        return Block(values, ids)

    def _in_bulk(self, lines: list[str]) -> np.ndarray | None:
        """The numbers of lines without quotes, [n, size]; None where there is anything to be looked at closely."""
        cuts = self.layout.width - 1
        if any('"' in line or line.count(self.delimiter) != cuts for line in lines):
            return None
        try:
            values = np.loadtxt(
                lines, delimiter=self.delimiter, ndmin=2, comments=None, usecols=self.layout.numbers
            )  # fmt: skip
        except ValueError:
            return None
        return values if len(values) == len(lines) else None

    def _one_by_one(self, chunk: list[tuple[int, str]]) -> Block:
        ids, rows = [], []
        for line, text in chunk:
            fields = self._fields(line, text)
            if any(field.strip() for field in fields):
                rows.append(self._row(line, fields))
                ids.append(fields[self.layout.id or 0])
        values = np.array(rows, np.float64).reshape(len(rows), self.expected.size)
        return Block(values, None if self.layout.id is None else ids)

    def _fields(self, line: int, text: str) -> list[str]:
        if text.count('"') % 2:
            self._fail(line, "a quote without its end: a row is one line")
        try:
            return next(csv.reader([text], delimiter=self.delimiter), [])
        except csv.Error as error:
            self._fail(line, f"not a row of a table: {error}")

    def _row(self, line: int, fields: list[str]) -> np.ndarray:
        if len(fields) != self.layout.width:
            count = len(fields) - self.layout.width + len(self.layout.numbers)
            self._fail(line, f"expected {self.expected.words}, got {max(count, 0)}")
        numbers = []
        for column in self.layout.numbers:
            number = _number(fields[column])
            if number is None:
                self._fail(line, f"column {column + 1}: expected a number, got {_shortened(fields[column])}")
            numbers.append(number)
        row = np.array(numbers)
        problem = self.expected.problem(row)
        if problem:
            self._fail(line, problem)
        return row

    def _fail(self, line: int, message: str) -> NoReturn:
        raise DataError(f"{self.name}:{line}: {message}")


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
