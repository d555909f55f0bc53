"""CSV files: rows of numbers and labels, each cell checked as it is read."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from trainctl.data.spec import SampleSpec
from trainctl.data.tables import Columns, Row, TableDataset, check_parts
from trainctl.errors import DataError

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class CSV(TableDataset):
    r"""Samples that are rows of a CSV file: some columns are the input, another is the target.

    The format is RFC 4180's, in UTF-8 (a byte order mark is passed over), with LF or CRLF. An input is float32
    [features]. Where there are ``classes``, a target is a class number; else it is float32 [targets], as for
    regression. Blanks around a cell do not count. A file is read at the first use.

    Args:
        file: the training samples; without ``test_file``, those of the test part too.
        features: the names of the input's columns; or how many, and they are all columns but the target.
        target: the column to predict, or a list of them.
        classes: the labels in the order of their class numbers; or how many, and the labels are the numbers from 0,
            or names, which are numbered in the order of the alphabet. Left out, targets are numbers.
        test_file: the test samples, in the same form.
        test_share: the share of ``file``'s rows to take for the test part; always the same rows.
        delimiter: what stands between cells.
        header: whether the first row names the columns; else they are called 0, 1, 2 and so on.
        train: the training part; False: the test part.
        transform: called with an input, or with a batch of them where it has ``takes_batches``.

    Raises:
        DataError: a file is missing (at once), or a row is not as declared (at the first use): the message has file
            and line.
        ValueError: arguments that make no sense together.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "pets.csv")
        >>> _ = file.write_text("weight,kind\n4.5,cat\n30,dog\n")
        >>> pets = CSV(file, features=["weight"], target="kind", classes=["cat", "dog"])
        >>> len(pets), pets[1]
        (2, (tensor([30.]), 1))
    """

    @classmethod
    def sample_spec(
        cls,
        file: str | Path,
        features: list[str | int] | int,
        target: str | int | list[str | int],
        classes: list[str | int] | int | None = None,
        test_file: str | Path | None = None,
        test_share: float = 0.0,
        delimiter: str = ",",
        header: bool = True,
    ) -> SampleSpec:
        """What a sample is, by what is declared."""
        check_parts(test_file, test_share)
        if len(delimiter) != 1 or delimiter in "\r\n\"'0123456789.+-eE " or not delimiter.isascii():
            raise ValueError(f"delimiter should be one character such as ',' ';' or a tab, got {delimiter!r}")
        return Columns.of(features, target, classes).spec

    @classmethod
    def has_test_part(cls, test_file: str | Path | None = None, test_share: float = 0.0, **_: Any) -> bool:
        """Whether there are test samples."""
        return bool(test_file or test_share)

    def __init__(
        self,
        file: str | Path,
        features: list[str | int] | int,
        target: str | int | list[str | int],
        classes: list[str | int] | int | None = None,
        test_file: str | Path | None = None,
        test_share: float = 0.0,
        delimiter: str = ",",
        header: bool = True,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.sample_spec(file, features, target, classes, test_file, test_share, delimiter, header)
        columns = Columns.of(features, target, classes)
        super().__init__(file, columns, test_file, test_share, train, transform, "a CSV file")
        self.delimiter, self.header = delimiter, header

    def _rows(self, path: Path) -> Iterator[Row]:
        cells = read_csv(path, self.delimiter)
        first = next(cells, None)
        if first is None:
            raise DataError(f"{path}: the file is empty", hint="expected a row of column names, and samples after it")
        line, header = first
        names = [cell.strip() for cell in header] if self.header else [str(number) for number in range(len(header))]
        reader = _RowReader(path, names, self.columns)
        self.feature_names[:] = reader.feature_names
        if not self.header:
            yield reader.row(line, header)
        for line, row in cells:
            yield reader.row(line, row)


class _RowReader:
    """Makes samples of a file's rows, once its columns are known."""

    def __init__(self, path: Path, names: list[str], columns: Columns) -> None:
        self.path, self.names = path, names
        repeated = [name for number, name in enumerate(names) if name in names[:number]]
        if repeated:
            numbers = [str(number) for number, name in enumerate(names, start=1) if name == repeated[0]]
            raise DataError(
                f"{path}:1: expected column names that differ, got '{repeated[0]}' in columns {' and '.join(numbers)}",
                hint="rename one of them; for a file without a row of names, write `header: false`",
            )
        self.targets = [self._find(name) for name in columns.targets]
        self.is_label = columns.labels is not None
        if isinstance(columns.features, int):
            self.features = [number for number in range(len(names)) if number not in self.targets]
            self._check_count(columns.features)
        else:
            self.features = [self._find(name) for name in columns.features]
        self.feature_names = [names[number] for number in self.features]

    def _find(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        near = difflib.get_close_matches(name, self.names, n=1)
        shown = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise DataError(f"{self.path}:1: there is no column '{name}'", hint=f"{hint}the columns are {shown}")

    def _check_count(self, declared: int) -> None:
        if len(self.features) != declared:
            raise DataError(
                f"{self.path}:1: expected {declared} features beside the target, got {len(self.features)} columns",
                hint=f"write `features: {len(self.features)}`, or the names of those that you want",
            )

    def row(self, line: int, cells: list[str]) -> Row:
        if len(cells) != len(self.names):
            expected = f"{len(self.names)} columns, as the first row has"
            hint = "a cell with a comma or a line break in it needs quotes" if len(cells) > 1 else "is the line blank?"
            raise DataError(f"{self.path}:{line}: expected {expected}, got {len(cells)}", hint=hint)
        features = self._numbers(line, cells, self.features)
        if self.is_label:
            return Row(line, features, cells[self.targets[0]].strip())
        return Row(line, features, self._numbers(line, cells, self.targets))

    def _numbers(self, line: int, cells: list[str], columns: Sequence[int]) -> list[float]:
        chosen = [cells[column] for column in columns]
        written = ",".join(chosen)
        try:
            if "_" in written or not written.isascii():  # which Python takes: 1_000, and digits of other scripts
                raise ValueError
            return list(map(float, chosen))
        except ValueError:
            raise self._wrong_number(line, cells, columns) from None

    def _wrong_number(self, line: int, cells: list[str], columns: Sequence[int]) -> DataError:
        column = next(column for column in columns if not is_number(cells[column]))
        cell = cells[column].strip()
        got = f"'{cell[:40]}{'...' if len(cell) > 40 else ''}'" if cell else "nothing: the value is missing"
        return DataError(
            f"{self.path}:{line}: column '{self.names[column]}': expected a number, got {got}",
            hint="fill the gap, or leave the row out" if not cell else "leave the column out of `features`, or mend it",
        )


def is_number(text: str) -> bool:
    """Return whether a cell is a number as CSV files have them.

    Example:
        >>> is_number(" 1e-3"), is_number("1_000"), is_number("")
        (True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()


def read_csv(path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file with the lines they begin in; blank lines at its end are passed over.

    Raises:
        DataError: the file cannot be read, is not text in UTF-8, or its quotes do not match.
    """
    blank = 0
    try:
        with open_text(path) as file:
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            line = 1
            for row in reader:
                if not row or (len(row) == 1 and not row[0].strip()):
                    blank = blank or line
                elif blank:
                    raise DataError(f"{path}:{blank}: a blank line between rows", hint="delete the line")
                else:
                    yield line, row
                line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{line}: {error}", hint="is a quote missing, or one too many, from here on?") from error
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}", hint="check its permissions") from error


def open_text(path: Path) -> TextIO:
    """Open a text file in UTF-8, past a byte order mark; line ends stay as they are.

    Raises:
        DataError: it is UTF-16.
    """
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise DataError(f"{path}: expected text in UTF-8, got UTF-16", hint="save it again as UTF-8")
    return path.open(encoding="utf-8-sig", newline="")


def not_utf8(path: Path, error: UnicodeDecodeError) -> DataError:
    """Return the error of a text file that is not UTF-8, with the first line where it is not."""
    line = path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    first = next((n for n, text in enumerate(line, start=1) if any("\udc80" <= each <= "\udcff" for each in text)), 1)
    byte = error.object[error.start]
    return DataError(f"{path}:{first}: expected text in UTF-8, got the byte {byte:#04x}", hint="save it again as UTF-8")
