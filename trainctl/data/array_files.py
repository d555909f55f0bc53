"""Datasets in NumPy's files: ``NPZ``, one archive of arrays, and ``NPY``, a file for each array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainctl.data.arrays import ArrayDataset, find_file
from trainctl.data.npy import open_npy, read_npz
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.errors import DataError

_CHUNK = 1 << 22  # numbers looked at together


@dataclass(frozen=True)
class _Form:
    """What arrays are declared to hold."""

    inputs: ArraySpec
    target: ArraySpec

    @classmethod
    def of(cls, shape: list[int], classes: int | None, target_shape: list[int] | None, vocabulary: int | None) -> _Form:
        default = [1] if classes is None else []
        target = default if target_shape is None else target_shape
        for name, sizes in (("shape", shape), ("target_shape", target)):
            if min(sizes, default=1) < 1:
                raise ValueError(f"{name} should be sizes of 1 or more, got {sizes}")
        for name, count, least in (("classes", classes, 2), ("vocabulary", vocabulary, 1)):
            if count is not None and count < least:
                raise ValueError(f"{name} should be {least} or more, got {count}")
        inputs = ArraySpec(tuple(shape), "int64" if vocabulary else "float32", vocabulary)
        return cls(inputs, ArraySpec(tuple(target), "float32" if classes is None else "int64", classes))


class _Arrays(ArrayDataset):
    """What both kinds of file share: two arrays, checked against what is declared."""

    def __init__(self, form: _Form, transform: Callable[[Any], Any] | None) -> None:
        super().__init__(form.inputs.dtype, transform)
        self.form = form

    def _load(self, which: Literal["inputs", "target"]) -> tuple[str, np.ndarray]:
        """An array as it is in its file, with where that is."""
        raise NotImplementedError(f"{type(self).__name__} has no _load")

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        place, inputs = self._load("inputs")
        target_place, target = self._load("target")
        inputs, target = _shaped(inputs, self.form.inputs, place), _shaped(target, self.form.target, target_place)
        if len(inputs) != len(target):
            raise DataError(
                f"{target_place}: expected {len(inputs)} targets, one for each input, got {len(target)}",
                hint="take both from the same data set",
            )
        _check_values(inputs, self.form.inputs, place)
        _check_values(target, self.form.target, target_place)
        return inputs, target.astype(self.form.target.dtype)


class NPZ(_Arrays):
    """Samples in a ``.npz`` file of NumPy's, under the names of Keras's data sets unless others are given.

    An input is float32 of the declared ``shape``, whatever the array's dtype; whole numbers are not scaled. With
    ``classes`` a target is a class number; else it is float32 [1], or of ``target_shape``. Arrays are read at the
    first use; nothing that is pickled is.

    Args:
        file: the archive.
        shape: of one sample's input; the array is [N, *shape], with or without dimensions of size 1.
        classes: how many; targets are whole numbers from 0. Left out, targets are numbers.
        inputs: the name of the array of training inputs.
        target: the name of the array of their targets.
        test_inputs: the name of the array of test inputs; null where there is no test part.
        test_target: the name of the array of their targets.
        test_file: the archive of the test arrays; default: the same.
        target_shape: of one sample's target; default: one number.
        vocabulary: inputs are whole numbers from 0 to below it, as an ``Embedding`` takes them.
        train: the training part; False: the test part.
        transform: called with an input, or with a batch of them where it has ``takes_batches``.

    Raises:
        DataError: a file is missing (at once), damaged or not as declared (at the first use).
        ValueError: arguments that make no sense together.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "two.npz")
        >>> np.savez(file, x_train=np.zeros((2, 3), np.uint8), y_train=[0, 1])
        >>> NPZ(file, shape=[3], classes=2)[1]
        (tensor([0., 0., 0.]), 1)
    """

    @classmethod
    def sample_spec(
        cls,
        file: str | Path,
        shape: list[int],
        classes: int | None = None,
        target_shape: list[int] | None = None,
        vocabulary: int | None = None,
        **_: Any,
    ) -> SampleSpec:
        """What a sample is, by what is declared."""
        form = _Form.of(shape, classes, target_shape, vocabulary)
        return SampleSpec(form.inputs, form.target)

    @classmethod
    def has_test_part(cls, test_inputs: str | None = "x_test", **_: Any) -> bool:
        """Whether there are test samples."""
        return test_inputs is not None

    def __init__(
        self,
        file: str | Path,
        shape: list[int],
        classes: int | None = None,
        inputs: str = "x_train",
        target: str = "y_train",
        test_inputs: str | None = "x_test",
        test_target: str = "y_test",
        test_file: str | Path | None = None,
        target_shape: list[int] | None = None,
        vocabulary: int | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(_Form.of(shape, classes, target_shape, vocabulary), transform)
        if not train and test_inputs is None:
            raise ValueError("test_inputs is null: there is no test part")
        self.file = find_file(file if train or test_file is None else test_file, "a .npz file")
        self.names = {"inputs": inputs, "target": target} if train else {"inputs": test_inputs, "target": test_target}

    def _load(self, which: Literal["inputs", "target"]) -> tuple[str, np.ndarray]:
        name = str(self.names[which])
        return f"{self.file}: array '{name}'", read_npz(self.file, name)


class NPY(_Arrays):
    """Samples in ``.npy`` files of NumPy's, one for the inputs and one for the targets.

    As :class:`NPZ`, but the inputs stay on disk, mapped into memory, and may be larger than it.

    Args:
        inputs: the file of the training inputs.
        target: the file of their targets.
        shape: of one sample's input; the array is [N, *shape], with or without dimensions of size 1.
        classes: how many; targets are whole numbers from 0. Left out, targets are numbers.
        test_inputs: the file of the test inputs; left out, there is no test part.
        test_target: the file of their targets.
        target_shape: of one sample's target; default: one number.
        vocabulary: inputs are whole numbers from 0 to below it, as an ``Embedding`` takes them.
        train: the training part; False: the test part.
        transform: called with an input, or with a batch of them where it has ``takes_batches``.

    Raises:
        DataError: a file is missing (at once), damaged or not as declared (at the first use).
        ValueError: arguments that make no sense together.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> np.save(folder / "x.npy", np.zeros((2, 3)))
        >>> np.save(folder / "y.npy", [0.5, 1.5])
        >>> NPY(folder / "x.npy", folder / "y.npy", shape=[3])[1]
        (tensor([0., 0., 0.]), tensor([1.5000]))
    """

    @classmethod
    def sample_spec(
        cls,
        inputs: str | Path,
        target: str | Path,
        shape: list[int],
        classes: int | None = None,
        test_inputs: str | Path | None = None,
        test_target: str | Path | None = None,
        target_shape: list[int] | None = None,
        vocabulary: int | None = None,
    ) -> SampleSpec:
        """What a sample is, by what is declared."""
        if (test_inputs is None) != (test_target is None):
            raise ValueError("test_inputs and test_target belong together: give both, or neither")
        form = _Form.of(shape, classes, target_shape, vocabulary)
        return SampleSpec(form.inputs, form.target)

    @classmethod
    def has_test_part(cls, test_inputs: str | Path | None = None, **_: Any) -> bool:
        """Whether there are test samples."""
        return test_inputs is not None

    def __init__(
        self,
        inputs: str | Path,
        target: str | Path,
        shape: list[int],
        classes: int | None = None,
        test_inputs: str | Path | None = None,
        test_target: str | Path | None = None,
        target_shape: list[int] | None = None,
        vocabulary: int | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(_Form.of(shape, classes, target_shape, vocabulary), transform)
        chosen = (inputs, target) if train else (test_inputs, test_target)
        if chosen[0] is None or chosen[1] is None:
            raise ValueError("test_inputs and test_target are left out: there is no test part")
        self.files = {"inputs": find_file(chosen[0], "a .npy file"), "target": find_file(chosen[1], "a .npy file")}

    def _load(self, which: Literal["inputs", "target"]) -> tuple[str, np.ndarray]:
        return str(self.files[which]), open_npy(self.files[which])


def _shaped(array: np.ndarray, spec: ArraySpec, place: str) -> np.ndarray:
    """An array as [N, *shape]; dimensions of size 1 may be missing or too many."""
    plain = [size for size in spec.shape if size != 1]
    if array.ndim == 0 or [size for size in array.shape[1:] if size != 1] != plain:
        raise DataError(
            f"{place}: expected {_words(spec)}, got {array.dtype} {list(array.shape)}",
            hint="write the shape of one sample in `data.dataset`, without the number of samples",
        )
    if len(array) == 0:
        raise DataError(f"{place}: expected samples, got none", hint="is it the right file?")
    return array.reshape(len(array), *spec.shape)


def _words(spec: ArraySpec) -> str:
    return f"[{', '.join(['N', *map(str, spec.shape)])}]"


def _check_values(array: np.ndarray, spec: ArraySpec, place: str) -> None:
    """Whether all values are what a spec says; looked at in pieces, as they may be on disk."""
    rows = max(1, _CHUNK // max(1, array[0].size))
    for start in range(0, len(array), rows):
        piece = array[start : start + rows]
        wrong = _wrong_values(piece, spec)
        if wrong.any():
            where = np.argwhere(wrong)[0]
            value, sample = piece[tuple(where)], start + where[0]
            expected = "finite float32 numbers" if spec.high is None else f"whole numbers 0 to {spec.high - 1}"
            raise DataError(f"{place}: expected {expected}, got {value} in sample {sample}", hint=_mend(spec))


def _wrong_values(piece: np.ndarray, spec: ArraySpec) -> np.ndarray:
    if spec.high is None:
        limit = np.finfo(np.float32).max
        return ~(np.abs(piece.astype(np.float64)) <= limit) if piece.dtype.kind == "f" else np.zeros(1, bool)
    with np.errstate(invalid="ignore"):
        return ~((piece >= 0) & (piece < spec.high) & (piece == np.trunc(piece)))


def _mend(spec: ArraySpec) -> str:
    if spec.high is None:
        return "leave the sample out, or put a number there"
    return "are `classes` and `vocabulary` as many as there are? they count from 0"
