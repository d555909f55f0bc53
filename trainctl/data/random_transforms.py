"""Transforms that change training images at random, under torchvision's names.

Each says how many random numbers a sample takes, and is given them: so the same sample in the same epoch is changed
in the same way in whatever batch, by whatever worker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.ops.random import rand
from trainctl.backend.dtypes import float64
from trainctl.data.transforms import check_image, pair


class RandomTransform:
    """Base of random transforms: a subclass has ``draws`` and ``apply(images, uniforms)``.

    Called with an image or a batch of them, it draws from the global generator.

    Attributes:
        draws: how many random numbers a sample takes.

    Example:
        >>> import trainctl
        >>> class Brightness(RandomTransform):
        ...     draws = 1
        ...
        ...     def apply(self, images, uniforms):
        ...         return images * trainctl.from_numpy(uniforms).float().reshape(-1, 1, 1, 1)
        >>> Brightness()(trainctl.ones(3, 8, 8)).shape
        trainctl.Size([3, 8, 8])
    """

    draws = 0
    takes_batches = True

    def apply(self, images: Tensor, uniforms: np.ndarray) -> Tensor:
        """Return changed images.

        Args:
            images: [N, C, H, W].
            uniforms: from 0 to below 1, float64 [N, draws].
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply")

    def __call__(self, image: Tensor) -> Tensor:
        """Return an image [C, H, W], or a batch [N, C, H, W], changed by the global generator's numbers."""
        check_image(type(self).__name__, image)
        batch = image.reshape(-1, *image.shape[-3:])
        uniforms = rand(len(batch), self.draws, dtype=float64).numpy()
        changed = self.apply(batch, uniforms)
        return changed.reshape(*image.shape[:-3], *changed.shape[1:])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({shown})"


def tried(transform: Any, sample: Tensor) -> Any:
    """Return what a transform makes of a sample, without drawing random numbers.

    Example:
        >>> import trainctl
        >>> tried(RandomCrop(4), trainctl.zeros(1, 8, 8)).shape
        trainctl.Size([1, 4, 4])
    """
    if not isinstance(transform, RandomTransform):
        return transform(sample)
    check_image(type(transform).__name__, sample)
    return transform.apply(sample[None], np.full((1, transform.draws), 0.5))[0]


class RandomHorizontalFlip(RandomTransform):
    """Mirror an image left to right, with probability ``p``.

    Example:
        >>> import trainctl
        >>> RandomHorizontalFlip(p=1.0)(trainctl.tensor([[[1.0, 2.0]]]))
        tensor([[[2., 1.]]])
    """

    draws = 1
    _axis = -1

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(p)

    def apply(self, images: Tensor, uniforms: np.ndarray) -> Tensor:
        """Return the images, some of them mirrored."""
        array = images.numpy().copy()
        chosen = np.flatnonzero(uniforms[:, 0] < self.p)
        array[chosen] = np.flip(array[chosen], self._axis)
        return from_numpy(array)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Mirror an image top to bottom, with probability ``p``.

    Example:
        >>> import trainctl
        >>> RandomVerticalFlip(p=1.0)(trainctl.tensor([[[1.0], [2.0]]]))
        tensor([[[2.],
                 [1.]]])
    """

    _axis = -2


class RandomCrop(RandomTransform):
    """Cut a window out of an image at a random place.

    Args:
        size: of the window: one number for a square, or height and width.
        padding: pixels put around the image first: one number for all sides; two for left and right, top and
            bottom; four for left, top, right, bottom.
        fill: the value of those pixels.
        padding_mode: ``constant``, ``edge``, ``reflect`` or ``symmetric``, as torchvision has them.

    Raises:
        ValueError: an argument out of range; later, an image smaller than the window.

    Example:
        >>> import trainctl
        >>> RandomCrop(28, padding=2)(trainctl.zeros(1, 28, 28)).shape
        trainctl.Size([1, 28, 28])
    """

    draws = 2

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] = 0,
        fill: float = 0.0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = pair("size", size)
        self.padding = _sides(padding)
        self.fill = fill
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(f"padding_mode should be constant, edge, reflect or symmetric, got {padding_mode!r}")
        self.padding_mode = padding_mode

    def apply(self, images: Tensor, uniforms: np.ndarray) -> Tensor:
        """Return a window of each image: [N, C, *size]."""
        array = self._padded(images.numpy())
        free = np.array(array.shape[2:]) - self.size
        if free.min() < 0:
            raise ValueError(f"RandomCrop of size {list(self.size)} does not fit an image {list(array.shape[1:])}")
        top, left = np.floor(uniforms * (free + 1)).astype(np.int64).T
        windows = np.lib.stride_tricks.sliding_window_view(array, self.size, (2, 3))
        return from_numpy(windows[np.arange(len(array)), :, top, left])

    def _padded(self, array: np.ndarray) -> np.ndarray:
        left, top, right, bottom = self.padding
        if not any(self.padding):
            return array
        options: dict[str, Any] = {"constant_values": self.fill} if self.padding_mode == "constant" else {}
        return np.pad(array, ((0, 0), (0, 0), (top, bottom), (left, right)), self.padding_mode, **options)  # type: ignore[call-overload]  # the mode is checked


class RandomErasing(RandomTransform):
    """Paint over a rectangle at a random place, with probability ``p`` (Zhong et al. 2017).

    Unlike torchvision's it draws one rectangle alone, and cuts its sides to the image where they are too long.

    Args:
        p: how likely.
        scale: the least and the largest share of the image's area.
        ratio: the least and the largest ratio of the sides.
        value: what it is painted with.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import trainctl
        >>> image = RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0))(trainctl.ones(1, 8, 8))
        >>> int(image.sum())
        48
    """

    draws = 5

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float = 0.0,
    ) -> None:
        self.p = _probability(p)
        self.scale = _range("scale", scale, most=1.0)
        self.ratio = _range("ratio", ratio, most=math.inf)
        self.value = value

    def apply(self, images: Tensor, uniforms: np.ndarray) -> Tensor:
        """Return the images, some of them with a rectangle painted over."""
        array = images.numpy().copy()
        sizes = np.array(array.shape[2:])
        area = sizes.prod() * (self.scale[0] + uniforms[:, 1] * (self.scale[1] - self.scale[0]))
        low, high = np.log(self.ratio)
        ratio = np.exp(low + uniforms[:, 2] * (high - low))
        sides = np.clip(np.rint(np.sqrt(np.stack([area * ratio, area / ratio], axis=1))), 1, sizes).astype(np.int64)
        starts = np.floor(uniforms[:, 3:] * (sizes - sides + 1)).astype(np.int64)
        for number in np.flatnonzero(uniforms[:, 0] < self.p):
            (top, left), (height, width) = starts[number], sides[number]
            array[number, :, top : top + height, left : left + width] = self.value
        return from_numpy(array)


class RandomRotation(RandomTransform):
    """Turn an image about its centre by a random angle; each pixel takes its nearest.

    Args:
        degrees: the angles: one number for -degrees to degrees, or the least and the largest.
        fill: the value of pixels that come from outside the image.

    Raises:
        ValueError: angles that are not finite, or the largest below the least.

    Example:
        >>> import trainctl
        >>> RandomRotation((90.0, 90.0))(trainctl.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
        tensor([[[2., 4.],
                 [1., 3.]]])
    """

    draws = 1

    def __init__(self, degrees: float | Sequence[float], fill: float = 0.0) -> None:
        angles = [-degrees, degrees] if isinstance(degrees, int | float) else list(degrees)
        if len(angles) != 2 or not all(map(math.isfinite, angles)) or angles[0] > angles[1]:
            raise ValueError(f"degrees should be a number of 0 or more, or the least and the largest, got {degrees}")
        self.degrees = (float(angles[0]), float(angles[1]))
        self.fill = fill

    def apply(self, images: Tensor, uniforms: np.ndarray) -> Tensor:
        """Return the turned images, counter-clockwise."""
        array = images.numpy()
        height, width = array.shape[2:]
        angle = np.deg2rad(self.degrees[0] + uniforms * (self.degrees[1] - self.degrees[0]))[:, :, None]
        y, x = np.arange(height)[:, None] - (height - 1) / 2, np.arange(width) - (width - 1) / 2
        row = np.rint(np.cos(angle) * y + np.sin(angle) * x + (height - 1) / 2).astype(np.int64)
        column = np.rint(np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2).astype(np.int64)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        turned = array[np.arange(len(array))[:, None, None], :, row * inside, column * inside]
        turned = np.where(inside[..., None], turned, np.asarray(self.fill, array.dtype))
        return from_numpy(np.ascontiguousarray(turned.transpose(0, 3, 1, 2)))


def _probability(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"p should be from 0 to 1, got {p}")
    return float(p)


def _range(name: str, value: Sequence[float], most: float) -> tuple[float, float]:
    if len(value) != 2 or not 0 < value[0] <= value[1] <= most or math.isinf(value[1]):
        raise ValueError(f"{name} should be the least and the largest, above 0 and at most {most}, got {list(value)}")
    return float(value[0]), float(value[1])


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    given = [padding] if isinstance(padding, int) else list(padding)
    if len(given) not in (1, 2, 4) or min(given) < 0:
        raise ValueError(f"padding should be one number of 0 or more, or two, or four, got {padding}")
    left, top, right, bottom = given * (4 // len(given))
    return left, top, right, bottom
