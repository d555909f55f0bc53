"""Images in folders, one folder a class."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.creation import from_numpy
from trainctl.data.dataset import Dataset
from trainctl.data.images import SUFFIXES, need_pillow, read_image
from trainctl.data.labels import Labels
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.data.transforms import apply_to_batch, pair
from trainctl.errors import DataError


class ImageFolder(Dataset[tuple[Any, int]]):
    """Image files in folders: ``root/train/cat/1.png`` is a training sample of the class ``cat``.

    Follows ``torchvision.datasets.ImageFolder``; the size is declared, and every image is turned upright, converted
    and scaled to it. An image is float32 [channels, *size], from 0 to 1. Files are read when a sample is asked for;
    ``data.num_workers`` reads several at once. Needs the extra ``images``.

    Args:
        root: the folder of the two parts.
        classes: the names of the classes' folders in the order of their numbers; or how many, and they are numbered
            in the order of the alphabet.
        size: height and width, or one number for a square.
        channels: 1 for grey, 3 for colours, 4 for colours and opacity.
        train_dir: the training part's folder in ``root``.
        test_dir: the test part's folder in ``root``; null where there is none.
        train: the training part; False: the test part.
        transform: called with an image, or with a batch of them where it has ``takes_batches``.

    Raises:
        DataError: a folder is missing or not as declared (at once); an image is damaged (when it is asked for).
        UsageError: Pillow is not installed.
        ValueError: arguments that make no sense.

    Example:
        >>> ImageFolder.sample_spec("pets", classes=["cat", "dog"], size=32).inputs.shape
        (3, 32, 32)
    """

    scales_images = True  # so an image that a trained model is asked about is scaled as well

    @classmethod
    def sample_spec(
        cls,
        root: str | Path,
        classes: list[str | int] | int,
        size: int | list[int],
        channels: int = 3,
        train_dir: str = "train",
        test_dir: str | None = "test",
    ) -> SampleSpec:
        """What a sample is, by what is declared."""
        if channels not in (1, 3, 4):
            raise ValueError(f"channels should be 1, 3 or 4, got {channels}")
        target = ArraySpec((), "int64", high=Labels.of(classes).count)
        return SampleSpec(ArraySpec((channels, *pair("size", size))), target)

    @classmethod
    def has_test_part(cls, test_dir: str | None = "test", **_: Any) -> bool:
        """Whether there are test samples."""
        return test_dir is not None

    def __init__(
        self,
        root: str | Path,
        classes: list[str | int] | int,
        size: int | list[int],
        channels: int = 3,
        train_dir: str = "train",
        test_dir: str | None = "test",
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.sample_spec(root, classes, size, channels)
        need_pillow()
        part = train_dir if train else test_dir
        if part is None:
            raise ValueError("test_dir is null: there is no test part")
        self.size, self.channels, self.transform = pair("size", size), channels, transform
        self.root = Path(root, part)
        labels = Labels.of(classes)
        self.classes = list(labels.names or _folders(Path(root, train_dir)))
        self._check_folders(labels)

    def _check_folders(self, labels: Labels) -> None:
        found = _folders(self.root)
        if len(self.classes) != labels.count:
            raise DataError(
                f"{self.root}: expected {labels.count} folders, one for each class, got {len(self.classes)}",
                hint="write `classes` as a list of those that you want",
            )
        missing = [name for name in self.classes if name not in found]
        if missing:
            near = difflib.get_close_matches(missing[0], found, n=1)
            shown = ", ".join(found[:10]) or "none"
            hint = f"did you mean '{near[0]}'? " if near else ""
            message = f"{self.root}: there is no folder '{missing[0]}' for that class"
            raise DataError(message, hint=f"{hint}its folders are {shown}")

    @cached_property
    def samples(self) -> tuple[list[Path], np.ndarray]:
        """The files, and their class numbers, int64 [N]."""
        files = [_images(self.root / name) for name in self.classes]
        empty = [name for name, each in zip(self.classes, files, strict=True) if not each]
        if empty:
            raise DataError(
                f"{self.root / empty[0]}: expected images, got none",
                hint=f"files that count end in {', '.join(SUFFIXES)}",
            )
        numbers = np.repeat(np.arange(len(files)), [len(each) for each in files])
        return [path for each in files for path in each], numbers

    def place(self, index: int) -> str:
        """Return where a sample is."""
        return str(self.samples[0][index])

    def __len__(self) -> int:
        return len(self.samples[1])

    def __getitem__(self, index: int) -> tuple[Any, int]:
        images, numbers = self._read([index])
        image = images[0]
        return (self.transform(image) if self.transform else image), int(numbers[0])

    def gather(self, indices: np.ndarray) -> list[Tensor]:
        """Return the batch of these samples: images [N, channels, *size] and class numbers [N]."""
        images, numbers = self._read(indices.tolist())
        return [apply_to_batch(self.transform, images), from_numpy(numbers)]

    def _read(self, indices: Sequence[int]) -> tuple[Tensor, np.ndarray]:
        paths, numbers = self.samples
        pixels = np.empty((len(indices), self.channels, *self.size), np.uint8)
        for place, index in enumerate(indices):
            pixels[place] = read_image(paths[index], self.channels, self.size)
        return from_numpy(np.divide(pixels, np.float32(255), dtype=np.float32)), numbers[np.asarray(indices)]


def _folders(root: Path) -> list[str]:
    return sorted(name for name, is_folder in _entries(root) if is_folder)


def _images(folder: Path) -> list[Path]:
    return [folder / name for name, is_folder in sorted(_entries(folder)) if not is_folder and _is_image(name)]


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Names in a folder, and whether each is a folder; hidden ones left out."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{folder}: expected a folder of images, got {reason}"
        raise DataError(message, hint="root/train and root/test hold one folder for each class") from error
