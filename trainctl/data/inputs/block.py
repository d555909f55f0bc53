"""What the readers give, and what they check it against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.data.spec import ArraySpec
from trainctl.errors import DataError


@dataclass(frozen=True)
class Block:
    """Some samples of a file, in its order.

    Attributes:
        values: [n, *shape]; uint8 where they are bytes, as pixels are, else float64 or int64.
        ids: what names each sample in the file; None where nothing does.
    """

    values: np.ndarray
    ids: Sequence[Any] | None = None


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are no numbers of the sample; by name, where the table has a header, or by index.

    Attributes:
        id: the column that names a row; default: the one that is called ``id``.
        drop: columns that are passed over.
        features: the columns of the numbers, in the model's order, as the config of its data set names them; where a
            table has a header, they are found by it.
        targets: the columns that the model predicts; where a table has them, they are passed over.
    """

    id: str | None = None
    drop: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What a sample is.

    Attributes:
        spec: its shape and type.
        scale: what numbers (not bytes) are divided by.
        scales_images: whether images of another size are scaled, as the data set does it.

    Example:
        >>> expected = Expected(ArraySpec((1, 2, 2)))
        >>> expected.size, expected.words
        (4, '4 numbers, for [1, 2, 2]')
    """

    spec: ArraySpec
    scale: float | None = None
    scales_images: bool = False

    @property
    def size(self) -> int:
        """How many numbers a sample has."""
        return math.prod(self.spec.shape)

    @property
    def words(self) -> str:
        """A sample in words, for messages."""
        numbers = f"{self.size} number{'s' * (self.size != 1)}"
        return f"{numbers}, for {list(self.spec.shape)}" if len(self.spec.shape) > 1 else numbers

    def shaped(self, values: np.ndarray, where: str) -> np.ndarray:
        """Return samples in their shape: values [n, ...] that are flat, or have or lack dimensions of 1.

        Raises:
            DataError: they are not samples.
        """
        shape = self.spec.shape
        if _squeezed(values.shape[1:]) != _squeezed(shape) and values.shape[1:] != (self.size,):
            rows = f"{list(values.shape[1:])} a sample" if values.ndim > 1 else "single numbers"
            raise DataError(
                f"{where}: expected samples of {self.words}, got {rows}", hint="the model was trained on such samples"
            )
        return values.reshape(len(values), *shape)

    def problem(self, values: np.ndarray) -> str | None:
        """What is wrong with numbers of samples, None where nothing is: "got nan"."""
        finite = np.isfinite(values)
        if not finite.all():
            return f"expected finite numbers, got {values[~finite].reshape(-1)[0]}"
        if not self.spec.dtype.startswith(("int", "uint")):
            return None
        whole = values == np.round(values)
        if not whole.all():
            return f"expected whole numbers, got {values[~whole].reshape(-1)[0]}"
        high = self.spec.high
        if high is None:
            return None
        outside = (values < 0) | (values >= high)
        return f"expected 0 to {high - 1}, got {values[outside].reshape(-1)[0]:g}" if outside.any() else None


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
