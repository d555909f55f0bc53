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

_TINY, _MAX = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def takes_batches(transform: object) -> bool:
    """Return whether ``transform`` may be given a batch in place of a sample.

    Example:
        >>> takes_batches(Normalize(0.5, 0.5)), takes_batches(lambda image: image)
        (True, False)
    """
    return getattr(transform, "takes_batches", False)


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
        if not image.is_floating_point():
            raise TypeError(f"Normalize expects an image of floating point, got {image.dtype}")
        if image.ndim < 3:
            raise ValueError(f"Normalize expects an image [..., C, H, W], got shape {list(image.shape)}")
        for name in ("mean", "std"):
            given, channels = len(getattr(self, name)), image.shape[-3]
            if given not in (1, channels):
                raise ValueError(
                    f"Normalize has a {name} for {given} channels, got an image of {channels}: {list(image.shape)}"
                )

    def __repr__(self) -> str:
        return f"Normalize(mean={list(self.mean)}, std={list(self.std)})"


def _per_channel(name: str, value: float | Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(each) for each in (value if isinstance(value, Iterable) else [value]))
    if not numbers or not all(abs(each) <= _MAX for each in numbers):
        raise ValueError(f"{name} should be a finite float32 number or a list of them, got {value}")
    return numbers
