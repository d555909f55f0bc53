"""Tables with named columns, whatever their file format: which columns are inputs, which are targets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.data.arrays import ArrayDataset, find_file
from trainctl.data.labels import Labels
from trainctl.data.sampler import EpochSampler
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.errors import DataError

_CHUNK = 1024  # rows that are Python objects at a time
_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        line: the line of the file it begins in, from 1.
        features: the numbers of its input.
        target: a class label as it is written, or numbers.
    """

    line: int
    features: Sequence[float]
    target: str | Sequence[float]


@dataclass(frozen=True)
class Columns:
    """Which columns of a table a sample is made of.

    Attributes:
        features: their names; or how many, which are all but the targets.
        targets: the names of the columns to predict.
        labels: the classes, where the target is one; None: the targets are numbers.

    Example:
        >>> Columns.of(["width", "height"], "kind", ["cat", "dog"]).spec.target
        ArraySpec(shape=(), dtype='int64', high=2)
    """

    features: tuple[str, ...] | int
    targets: tuple[str, ...]
    labels: Labels | None

    @classmethod
    def of(
        cls,
        features: Sequence[str | int] | int,
        target: str | int | Sequence[str | int],
        classes: int | Sequence[str | int] | None,
    ) -> Columns:
        """Return the columns that a dataset's arguments mean.

        Raises:
            ValueError: they make no sense together.
        """
        targets = _names("target", [target] if isinstance(target, str | int) else target)
        names = features if isinstance(features, int) else _names("features", features)
        if isinstance(names, int):
            if names < 1:
                raise ValueError(f"features should be 1 column or more, got {names}")
        elif shared := [name for name in names if name in targets]:
            raise ValueError(f"features has {shared[0]!r}, which is the target")
        if classes is not None and len(targets) > 1:
            raise ValueError(f"target should be one column where there are classes, got {list(targets)}")
        return cls(names, targets, None if classes is None else Labels.of(classes))

    @property
    def count(self) -> int:
        """How many numbers an input has."""
        return self.features if isinstance(self.features, int) else len(self.features)

    @property
    def spec(self) -> SampleSpec:
        """What a sample is: its input is [count]; its target a class number, or as many numbers as columns."""
        target = ArraySpec((len(self.targets),)) if self.labels is None else ArraySpec((), "int64", self.labels.count)
        return SampleSpec(ArraySpec((self.count,)), target)


class TableDataset(ArrayDataset):
    """Base of datasets that are rows of a file; a subclass has ``_rows(path) -> iterator of Row``.

    Attributes:
        feature_names: what the numbers of an input are called; ``_rows`` fills it in before its first row.
        lines: where in the file each sample begins.

    Args:
        file: the training samples, or all of them.
        columns: what of a row is used.
        test_file: the test samples.
        test_share: without ``test_file``, the share of ``file``'s rows that are test samples: always the same rows.
        train: the training part; False: the test part.
        transform: as :class:`ArrayDataset` has it.
        what: a file of this format, in messages.
    """

    def __init__(
        self,
        file: str | Path,
        columns: Columns,
        test_file: str | Path | None,
        test_share: float,
        train: bool,
        transform: Callable[[Any], Any] | None,
        what: str,
    ) -> None:
        super().__init__("float32", transform)
        self.columns, self.train, self.test_share = columns, train, test_share
        self.file = find_file(file, what)
        self.test_file = None if test_file is None else find_file(test_file, what)
        if not train and not (test_file or test_share):
            raise ValueError("test_file and test_share are both left out: there is no test part")
        self.lines = np.zeros(0, np.int64)
        self.feature_names: list[str] = []

    def _rows(self, path: Path) -> Iterator[Row]:
        raise NotImplementedError(f"{type(self).__name__} has no _rows")

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        path = self.file if self.train or self.test_file is None else self.test_file
        inputs, written, lines = collect(self._rows(path), path, self.feature_names)
        targets = self._targets(path, written, lines)
        chosen = self._chosen(path, len(lines))
        self.lines = lines[chosen]
        return inputs[chosen], targets[chosen]

    def _targets(self, path: Path, written: list[Any], lines: np.ndarray) -> np.ndarray:
        labels = self.columns.labels
        if labels is None:
            return as_numbers(written, path, lines, self.columns.targets)
        if labels.names is None and path != self.file:  # the classes are those of the training samples
            known = sorted({row.target for row in self._rows(self.file) if isinstance(row.target, str)})
            if len(known) == labels.count:
                labels = Labels(labels.count, tuple(known))
        return labels.numbers(written, lambda index: f"{path}:{lines[index]}" if len(lines) else str(path))

    def _chosen(self, path: Path, rows: int) -> Any:
        if not self.test_share:
            return slice(None)
        held_out = round(rows * self.test_share)
        if not 0 < held_out < rows:
            raise DataError(
                f"{path}: test_share {self.test_share} of {rows} rows leaves a part without any",
                hint="change data.dataset's test_share",
            )
        is_test = np.zeros(rows, bool)
        is_test[EpochSampler(range(rows), seed=0).order()[:held_out]] = True
        return np.flatnonzero(is_test != self.train)

    def place(self, index: int) -> str:
        """Return where a sample stands: ``iris.csv:7``."""
        path = self.file if self.train or self.test_file is None else self.test_file
        len(self)
        return f"{path}:{self.lines[index]}"


def check_parts(test_file: object, test_share: float) -> None:
    """Check how a table is divided.

    Raises:
        ValueError: twice, or with a share that is none.
    """
    if not 0 <= test_share < 1:
        raise ValueError(f"test_share should be from 0 to below 1, got {test_share}")
    if test_file and test_share:
        raise ValueError("test_share and test_file both say what the test samples are: give one of them")


def collect(rows: Iterator[Row], path: Path, names: Sequence[str]) -> tuple[np.ndarray, list[Any], np.ndarray]:
    """Return the inputs of rows, float32 [N, columns], their targets as they are, and their lines, int64 [N].

    Raises:
        DataError: a number that float32 cannot hold; no rows.
    """
    inputs, targets, lines = [], [], []
    for chunk in iter(lambda: list(itertools.islice(rows, _CHUNK)), []):
        lines.append(np.fromiter((row.line for row in chunk), np.int64, len(chunk)))
        inputs.append(as_numbers([row.features for row in chunk], path, lines[-1], names))
        targets += [row.target for row in chunk]
    if not inputs:
        raise DataError(f"{path}: expected samples, got none", hint="is it the right file?")
    return np.concatenate(inputs), targets, np.concatenate(lines)


def as_numbers(values: list[Any], path: Path, lines: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return rows of numbers as float32 [N, columns].

    Raises:
        DataError: a number is not finite in float32.
    """
    numbers = np.array(values, np.float64).reshape(len(values), -1)
    wrong = ~(np.abs(numbers) <= _MAX)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}:{lines[row]}: column '{names[column]}': expected a finite float32 number, "
            f"got {numbers[row, column]}",
            hint="leave the row out, or put a number there",
        )
    return numbers.astype(np.float32)


def _names(argument: str, names: Sequence[str | int]) -> tuple[str, ...]:
    columns = tuple(str(name).strip() for name in names)
    if not columns:
        raise ValueError(f"{argument} should name a column, got none")
    repeated = [name for number, name in enumerate(columns) if name in columns[:number]]
    if repeated:
        raise ValueError(f"{argument} has {repeated[0]!r} twice")
    return columns
