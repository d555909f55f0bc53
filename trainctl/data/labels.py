"""From class labels, as people write them, to class numbers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trainctl.errors import DataError


@dataclass(frozen=True)
class Labels:
    """The classes of a dataset, by name or only counted.

    Attributes:
        count: how many classes.
        names: class number ``i`` is written ``names[i]``. None: numbers 0 to ``count - 1`` are written, or as many
            different names, which are numbered in the order of the alphabet.

    Example:
        >>> Labels.of(["no", "yes"]).numbers(["yes", "no"], str)
        array([1, 0])
        >>> Labels.of(2).numbers(["pear", "apple", "pear"], str)
        array([1, 0, 1])
    """

    count: int
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, classes: int | Sequence[str | int]) -> Labels:
        """Return the labels that a dataset's argument ``classes`` means.

        Raises:
            ValueError: fewer than two classes, or a name twice.
        """
        if isinstance(classes, int):
            if classes < 2:
                raise ValueError(f"classes should be 2 or more, got {classes}")
            return cls(classes)
        names = tuple(str(each).strip() for each in classes)
        repeated = [name for number, name in enumerate(names) if name in names[:number]]
        if repeated:
            raise ValueError(f"classes has {repeated[0]!r} twice")
        if len(names) < 2:
            raise ValueError(f"classes should name 2 or more, got {list(classes)}")
        return cls(len(names), names)

    def numbers(self, written: Sequence[str], place: Callable[[int], str]) -> np.ndarray:
        """Return the class numbers of labels, int64 [N].

        Args:
            written: the labels as they stand in the file.
            place: from a label's position to where it stands, for messages.

        Raises:
            DataError: a label is not one of the classes.
        """
        names = self.names or self._counted(written, place)
        numbers = {name: number for number, name in enumerate(names)}
        try:
            return np.fromiter((numbers[label] for label in written), np.int64, len(written))
        except KeyError as error:
            wrong = next(index for index, label in enumerate(written) if label not in numbers)
            raise self._unknown(written[wrong], place(wrong), names) from error

    def _counted(self, written: Sequence[str], place: Callable[[int], str]) -> Sequence[str]:
        """The names in the order of their numbers, where only their count is declared."""
        found = sorted(set(written))
        if all(label.isdecimal() and label.isascii() for label in found):
            return [str(number) for number in range(self.count)]
        if len(found) == self.count:
            return found
        shown = ", ".join(repr(label) for label in found[:10]) + (", ..." if len(found) > 10 else "")
        first = {label: index for index, label in reversed(list(enumerate(written)))}
        raise DataError(
            f"{place(max(first.values(), default=0))}: expected {self.count} classes, got {len(found)}: {shown}",
            hint="write data.dataset's `classes` as a list of their names",
        )

    def _unknown(self, label: str, place: str, names: Sequence[str]) -> DataError:
        expected = f"a class number 0 to {self.count - 1}" if self.names is None else "one of the declared classes"
        near = difflib.get_close_matches(label, names, n=1)
        known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        hint = f"did you mean '{near[0]}'? " if near and self.names else ""
        advice = f"the classes are {known}" if self.names else "declare `classes: [name, name, ...]` for other labels"
        got = "an empty label" if not label else repr(label)
        return DataError(f"{place}: expected {expected}, got {got}", hint=hint + advice)
