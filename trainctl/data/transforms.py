"""What is done to images between the dataset and the model.

A transform acts on the last three dimensions, so that it takes a sample [C, H, W] or a whole batch
[N, C, H, W]; it says so with ``takes_batches = True``. A dataset applies any other callable to one
sample at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.ops.resize import interpolate
from trainctl.data.collate import default_collate

_TINY, _MAX = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def takes_batches(transform: object) -> bool:
    """Return whether ``transform`` may be given a batch in place of a sample.

    Example:
        >>> takes_batches(Normalize(0.5, 0.5)), takes_batches(lambda image: image)
        (True, False)
    """
    return getattr(transform, "takes_batches", False)


def apply_to_batch(transform: Callable[[Any], Any] | None, batch: Tensor) -> Any:
    """Return a batch after a transform, which is given one sample at a time if it does not take batches.

    Example:
        >>> import trainctl
        >>> apply_to_batch(lambda image: image.sum(), trainctl.ones(2, 1, 2, 2))
        tensor([4., 4.])
    """
    if transform is None:
        return batch
    if takes_batches(transform):
        return transform(batch)
    return default_collate([transform(sample) for sample in batch])


class Compose:
    """One transform after another.

    Args:
        transforms: callables from an image to an image.

    Example:
        >>> import trainctl
        >>> halve_twice = Compose([Normalize(0.0, 2.0), Normalize(0.0, 2.0)])
        >>> halve_twice(trainctl.ones(1, 1, 2))
        tensor([[[0.2500, 0.2500]]])
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    @property
    def takes_batches(self) -> bool:
        """Whether every one of the transforms takes batches."""
        return all(map(takes_batches, self.transforms))

    def __call__(self, image: Any) -> Any:
        """Return the image after the last transform."""
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


class Normalize:
    """Subtract the mean and divide by the standard deviation, channel by channel.

    Follows ``torchvision.transforms.Normalize``; one number stands for every channel. It prepares data:
    no gradient flows through it.

    Args:
        mean: one number, or one for each channel.
        std: one number, or one for each channel; not zero.

    Raises:
        ValueError: a number that is not finite, a ``std`` of zero, or no numbers.

    Example:
        >>> import trainctl
        >>> Normalize(mean=0.5, std=0.5)(trainctl.zeros(1, 1, 2))
        tensor([[[-1., -1.]]])
    """

    takes_batches = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = _per_channel("mean", mean)
        self.std = _per_channel("std", std)
        if any(abs(each) < _TINY for each in self.std):
            raise ValueError(f"std should not be zero, nor so small that float32 makes it so, got {std}")

    def __call__(self, image: Tensor) -> Tensor:
        """Return the normalized image.

        Args:
            image: [..., C, H, W], floating point.

        Raises:
            TypeError: the image is not of floating point.
            ValueError: the image has fewer than three dimensions, or not as many channels as numbers.
        """
        self._check(image)
        array = image.numpy()
        mean, std = (np.array(each, array.dtype).reshape(-1, 1, 1) for each in (self.mean, self.std))
        array = array - mean
        array /= std
        return from_numpy(array)

    def _check(self, image: Tensor) -> None:
        check_image("Normalize", image)
        for name in ("mean", "std"):
            given, channels = len(getattr(self, name)), image.shape[-3]
            if given not in (1, channels):
                raise ValueError(
                    f"Normalize has a {name} for {given} channels, got an image of {channels}: {list(image.shape)}"
                )

    def __repr__(self) -> str:
        return f"Normalize(mean={list(self.mean)}, std={list(self.std)})"


class Standardize:
    """Subtract the mean and divide by the standard deviation, column by column: for rows of numbers.

    ``trainctl data check`` prints the training samples' own.

    Args:
        mean: one number, or one for each column.
        std: one number, or one for each column; not zero.

    Raises:
        ValueError: a number that is not finite, a ``std`` of zero, or no numbers.

    Example:
        >>> import trainctl
        >>> Standardize(mean=[1.0, 2.0], std=[2.0, 1.0])(trainctl.tensor([3.0, 3.0]))
        tensor([1., 1.])
    """

    takes_batches = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = _per_channel("mean", mean)
        self.std = _per_channel("std", std)
        if any(abs(each) < _TINY for each in self.std):
            raise ValueError(f"std should not be zero, nor so small that float32 makes it so, got {std}")

    def __call__(self, sample: Tensor) -> Tensor:
        """Return the standardized rows.

        Args:
            sample: [..., columns], floating point.

        Raises:
            TypeError: the numbers are not of floating point.
            ValueError: there are not as many columns as numbers.
        """
        if not sample.is_floating_point():
            raise TypeError(f"Standardize expects numbers of floating point, got {sample.dtype}")
        array = sample.numpy()
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, *array.shape[-1:]):
                given = len(getattr(self, name))
                raise ValueError(f"Standardize has a {name} for {given} columns, got {list(array.shape)}")
        array = array - np.array(self.mean, array.dtype)
        array /= np.array(self.std, array.dtype)
        return from_numpy(array)

    def __repr__(self) -> str:
        return f"Standardize(mean={list(self.mean)}, std={list(self.std)})"


class Resize:
    """Scale an image to a size: bilinear and antialiased, as torchvision does it.

    Args:
        size: height and width, or one number for a square (torchvision's keeps the ratio of the sides then).

    Example:
        >>> import trainctl
        >>> Resize(14)(trainctl.zeros(1, 28, 28)).shape
        trainctl.Size([1, 14, 14])
    """

    takes_batches = True

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair("size", size)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the image, [..., C, *size]."""
        check_image("Resize", image)
        if image.shape[-2:] == self.size:
            return image
        batch = image.reshape(-1, *image.shape[-3:])
        scaled = interpolate(batch, self.size, mode="bilinear", align_corners=False, antialias=True)
        return scaled.reshape(*image.shape[:-2], *self.size)

    def __repr__(self) -> str:
        return f"Resize({list(self.size)})"


class CenterCrop:
    """Cut the window in the middle out of an image.

    Args:
        size: height and width, or one number for a square.

    Raises:
        ValueError: later: an image is smaller than the window.

    Example:
        >>> import trainctl
        >>> CenterCrop(1)(trainctl.arange(9.0).reshape(1, 3, 3))
        tensor([[[4.]]])
    """

    takes_batches = True

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair("size", size)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the window, [..., C, *size]."""
        check_image("CenterCrop", image)
        (height, width), (rows, columns) = image.shape[-2:], self.size
        if rows > height or columns > width:
            raise ValueError(f"CenterCrop of size {list(self.size)} does not fit an image {list(image.shape)}")
        top, left = round((height - rows) / 2), round((width - columns) / 2)
        return from_numpy(image.numpy()[..., top : top + rows, left : left + columns].copy())

    def __repr__(self) -> str:
        return f"CenterCrop({list(self.size)})"


def check_image(name: str, image: Tensor) -> None:
    """Check that a transform is given an image.

    Raises:
        TypeError: it is not of floating point.
        ValueError: it has fewer than three dimensions.
    """
    if not image.is_floating_point():
        raise TypeError(f"{name} expects an image of floating point, got {image.dtype}")
    if image.ndim < 3:
        raise ValueError(f"{name} expects an image [..., C, H, W], got shape {list(image.shape)}")


def pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Return height and width; one number stands for both.

    Raises:
        ValueError: not one or two numbers of 1 or more.

    Example:
        >>> pair("size", 28), pair("size", [28, 32])
        ((28, 28), (28, 32))
    """
    sizes = (value, value) if isinstance(value, int) else tuple(value)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"{name} should be a number of 1 or more, or height and width, got {value}")
    return sizes[0], sizes[1]


def _per_channel(name: str, value: float | Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(each) for each in (value if isinstance(value, Iterable) else [value]))
    if not numbers or not all(abs(each) <= _MAX for each in numbers):
        raise ValueError(f"{name} should be a finite float32 number or a list of them, got {value}")
    return numbers
