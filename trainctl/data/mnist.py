"""MNIST, or any data set in its form: 28 x 28 grey images of ten classes, in IDX files."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.creation import from_numpy
from trainctl.data.dataset import Dataset
from trainctl.data.idx import read_idx
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.data.transforms import apply_to_batch
from trainctl.errors import DataError


class MNIST(Dataset[tuple[Any, int]]):
    """The MNIST digits: samples ``(image, label)``.

    An image is float32 [1, 28, 28], from 0 (background) to 1; a label is an int, 0 to 9. In a batch,
    images are [N, 1, 28, 28] and labels int64 [N]. The files are read when the first sample or the
    length is asked for; in memory a pixel takes one byte.

    Args:
        root: the folder of ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
            ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, plain or with ``.gz``.
        train: the 60,000 training samples; False: the 10,000 test samples.
        transform: called with an image, or with a batch of them where it has ``takes_batches``.

    Raises:
        DataError: a file is missing (at once), damaged or not MNIST's (at the first use).

    Example:
        >>> test = MNIST("datasets/mnist", train=False)
        >>> image, label = test[0]
        >>> len(test), image.shape, label
        (10000, trainctl.Size([1, 28, 28]), 7)
    """

    _IMAGE = (1, 28, 28)
    _CLASSES = 10

    @classmethod
    def sample_spec(cls, root: str | Path) -> SampleSpec:
        """What a sample is; the same wherever the files are."""
        return SampleSpec(ArraySpec(cls._IMAGE), ArraySpec((), "int64", high=cls._CLASSES))

    def __init__(self, root: str | Path, train: bool = True, transform: Callable[[Any], Any] | None = None) -> None:
        self.root = Path(root)
        self.train = train
        self.transform = transform
        part = "train" if train else "t10k"
        self._images_path = _find(self.root, f"{part}-images-idx3-ubyte")
        self._labels_path = _find(self.root, f"{part}-labels-idx1-ubyte")

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Images, uint8 [N, 1, 28, 28], and labels, int64 [N]."""
        images = _read(self._images_path, "images, ubyte [N, 28, 28]", self._IMAGE[1:])
        labels = _read(self._labels_path, "labels, ubyte [N]", ())
        if len(images) != len(labels):
            raise DataError(
                f"{self._labels_path}: expected {len(images)} labels, as {self._images_path.name} has images, "
                f"got {len(labels)}",
                hint="take both files from the same download",
            )
        wrong = np.flatnonzero(labels >= self._CLASSES)
        if wrong.size:
            raise DataError(
                f"{self._labels_path}: expected labels 0 to {self._CLASSES - 1}, "
                f"got {labels[wrong[0]]} at index {wrong[0]}",
                hint="replace the file with a fresh copy",
            )
        return images.reshape(-1, *self._IMAGE), labels.astype(np.int64)

    @property
    def data(self) -> Tensor:
        """The images as stored: uint8 [N, 28, 28]."""
        return from_numpy(self._arrays[0][:, 0])

    @property
    def targets(self) -> Tensor:
        """The labels: int64 [N]."""
        return from_numpy(self._arrays[1])

    def __len__(self) -> int:
        return len(self._arrays[1])

    def __getitem__(self, index: int) -> tuple[Any, int]:
        images, labels = self._arrays
        image = from_numpy(_scale(images[index]))
        return (self.transform(image) if self.transform else image), int(labels[index])

    def gather(self, indices: np.ndarray) -> list[Tensor]:
        """Return the batch of these samples: images [N, 1, 28, 28] and labels [N]."""
        images, labels = self._arrays
        batch = from_numpy(_scale(images.take(indices, axis=0)))
        return [apply_to_batch(self.transform, batch), from_numpy(labels.take(indices))]


def _scale(pixels: np.ndarray) -> np.ndarray:
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _find(root: Path, name: str) -> Path:
    for path in (root / name, root / f"{name}.gz"):
        if os.path.isfile(path):
            return path
    raise DataError(
        f"{root / name}.gz: no such file, nor without .gz",
        hint="set root to the folder that holds MNIST's four IDX files",
    )


def _read(path: Path, expected: str, sample_shape: tuple[int, ...]) -> np.ndarray:
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim == 0 or array.shape[1:] != sample_shape or not len(array):
        raise DataError(
            f"{path}: expected {expected}, got {array.dtype} {list(array.shape)}",
            hint="are the images and the labels swapped, or is it another data set?",
        )
    return array
