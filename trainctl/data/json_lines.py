"""JSONL files: one JSON object a line, with numbers and labels under its keys."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.data.csv_files import not_utf8, open_text
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.data.tables import Columns, Row, TableDataset, check_parts
from trainctl.errors import DataError

_LONGEST = 1 << 24  # characters of one line


class JSONL(TableDataset):
    r"""Samples that are lines of a JSONL file: an object whose keys hold the input and the target.

    An input is float32 [features], one number from each key; or what one key holds, an array of the declared
    ``shape``. Where there are ``classes``, a target is a class number; else it is float32 [targets]. Keys that are
    not asked for may be there or not. A file is read at the first use.

    Args:
        file: the training samples; without ``test_file``, those of the test part too.
        features: keys that hold a number each; or one key (not in a list) that holds an array.
        target: the key to predict, or a list of them.
        classes: as :class:`trainctl.data.CSV` has it; a label is a string or a whole number.
        shape: of the array that ``features`` names; nested lists, or one flat list, of so many numbers.
        test_file: the test samples, in the same form.
        test_share: the share of ``file``'s lines to take for the test part; always the same lines.
        train: the training part; False: the test part.
        transform: called with an input, or with a batch of them where it has ``takes_batches``.

    Raises:
        DataError: a file is missing (at once), or a line is not as declared (at the first use): the message has file
            and line.
        ValueError: arguments that make no sense together.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "pets.jsonl")
        >>> _ = file.write_text('{"weight": 4.5, "kind": "cat"}\n{"weight": 30, "kind": "dog"}\n')
        >>> pets = JSONL(file, features=["weight"], target="kind", classes=["cat", "dog"])
        >>> len(pets), pets[1]
        (2, (tensor([30.]), 1))
    """

    @classmethod
    def sample_spec(
        cls,
        file: str | Path,
        features: list[str] | str,
        target: str | list[str],
        classes: list[str | int] | int | None = None,
        shape: list[int] | None = None,
        test_file: str | Path | None = None,
        test_share: float = 0.0,
    ) -> SampleSpec:
        """What a sample is, by what is declared."""
        check_parts(test_file, test_share)
        if isinstance(features, str) != (shape is not None):
            raise ValueError(
                "shape belongs to features that are one key with an array, `features: pixels`, and only there"
            )
        if shape is not None and (not shape or min(shape) < 1):
            raise ValueError(f"shape should be sizes of 1 or more, got {shape}")
        spec = _columns(features, target, classes).spec
        return SampleSpec(ArraySpec(tuple(shape)), spec.target) if shape else spec

    @classmethod
    def has_test_part(cls, test_file: str | Path | None = None, test_share: float = 0.0, **_: Any) -> bool:
        """Whether there are test samples."""
        return bool(test_file or test_share)

    def __init__(
        self,
        file: str | Path,
        features: list[str] | str,
        target: str | list[str],
        classes: list[str | int] | int | None = None,
        shape: list[int] | None = None,
        test_file: str | Path | None = None,
        test_share: float = 0.0,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.sample_spec(file, features, target, classes, shape, test_file, test_share)
        columns = _columns(features, target, classes)
        super().__init__(file, columns, test_file, test_share, train, transform, "a JSONL file")
        self.shape = tuple(shape) if shape else None

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        inputs, targets = super()._read()
        return inputs.reshape(-1, *(self.shape or inputs.shape[1:])), targets

    def _rows(self, path: Path) -> Iterator[Row]:
        reader = _RecordReader(path, self.columns, self.shape)
        self.feature_names[:] = reader.feature_names
        for line, record in read_jsonl(path):
            yield reader.row(line, record)


def _columns(features: list[str] | str, target: str | list[str], classes: list[str | int] | int | None) -> Columns:
    return Columns.of([features] if isinstance(features, str) else features, target, classes)


class _RecordReader:
    """Makes samples of a file's objects."""

    def __init__(self, path: Path, columns: Columns, shape: tuple[int, ...] | None) -> None:
        assert not isinstance(columns.features, int)
        self.path, self.columns, self.shape = path, columns, shape
        self.features = columns.features
        self.feature_names = [self.features[0]] * math.prod(shape) if shape else list(self.features)

    def row(self, line: int, record: dict[str, Any]) -> Row:
        if self.shape is None:
            features = [self._number(line, record, key) for key in self.features]
        else:
            features = self._array(line, self.features[0], self._value(line, record, self.features[0]), self.shape)
        if self.columns.labels is not None:
            return Row(line, features, self._label(line, record, self.columns.targets[0]))
        return Row(line, features, [self._number(line, record, key) for key in self.columns.targets])

    def _value(self, line: int, record: dict[str, Any], key: str) -> Any:
        if key in record:
            return record[key]
        near = difflib.get_close_matches(key, list(record), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"the keys are {', '.join(record)[:200] or 'none'}"
        raise DataError(f"{self.path}:{line}: there is no key '{key}'", hint=hint)

    def _number(self, line: int, record: dict[str, Any], key: str) -> float:
        value = self._value(line, record, key)
        if type(value) is float or type(value) is int:
            return as_float(value)
        raise self._wrong(line, key, "a number", value)

    def _label(self, line: int, record: dict[str, Any], key: str) -> str:
        value = self._value(line, record, key)
        if isinstance(value, str) or type(value) is int:
            return str(value).strip()
        raise self._wrong(line, key, "a label, a string or a whole number", value)

    def _array(self, line: int, key: str, value: Any, shape: tuple[int, ...]) -> list[float]:
        """The numbers of an array, flat or nested as its shape."""
        flat: list[float] = []
        sizes = shape if isinstance(value, list) and value and isinstance(value[0], list) else (math.prod(shape),)
        level: list[Any] = [value]
        for size in sizes:
            for each in level:
                if not isinstance(each, list) or len(each) != size:
                    raise self._wrong(line, key, f"an array {list(shape)}", each)
            level = [item for each in level for item in each]
        for item in level:
            if type(item) is not float and type(item) is not int:
                raise self._wrong(line, key, f"numbers in its array {list(shape)}", item)
            flat.append(as_float(item))
        return flat

    def _wrong(self, line: int, key: str, expected: str, value: Any) -> DataError:
        if isinstance(value, list):
            got = f"a list of {len(value)}"
        else:
            text = json.dumps(value, ensure_ascii=False)
            got = text if len(text) <= 40 else f"{text[:40]}..."
        return DataError(
            f"{self.path}:{line}: key '{key}': expected {expected}, got {got}",
            hint="leave the line out, or mend it",
        )


def as_float(value: float | int) -> float:
    """Return a number as a float; infinity for an integer that is too large for one.

    Example:
        >>> as_float(3), as_float(10**400)
        (3.0, inf)
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSONL file with their lines; blank lines at its end are passed over.

    Raises:
        DataError: the file cannot be read, or a line is not a JSON object whose keys differ.
    """
    blank = 0
    try:
        with open_text(path) as file:
            lines = iter(lambda: file.readline(_LONGEST), "")
            for number, line in enumerate(lines, start=1):
                if len(line) == _LONGEST:
                    raise DataError(f"{path}:{number}: a line of more than {_LONGEST:,} characters")
                if not line.strip():
                    blank = blank or number
                elif blank:
                    raise DataError(f"{path}:{blank}: a blank line between objects", hint="delete the line")
                else:
                    yield number, _parse(path, number, line)
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}", hint="check its permissions") from error


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    place = f"{path}:{number}"
    try:
        record = json.loads(line, object_pairs_hook=_without_doubles, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}:{error.colno}: {error.msg}", hint="expected one JSON object a line") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: {error}", hint="expected one JSON object a line") from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: expected a JSON object, got {line.strip()[:40]}", hint='such as {"x": 1, "y": 0}')
    return record


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key '{next(name for name in names if names.count(name) > 1)}' is there twice")
    return record


def _refuse(constant: str) -> Any:
    raise ValueError(f"expected a finite number, got {constant}")
