"""Small data sets made by formula: the same samples for the same seed, on any machine."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainctl.data.streams import sample_uniforms

_TURNS = 1.75  # of a spiral's arm
_NOISE = 0.03
_SIDE = 16  # pixels


@dataclass(frozen=True)
class Maker:
    """How a data set is made.

    Attributes:
        title: what it is, in a line.
        files: from (samples of a part, seed) and the part, ``train`` or ``test``, to a file's bytes.
        suffix: of its files.
        config: the rest of a config that trains on it; ``{train}`` and ``{test}`` are its files.
    """

    title: str
    files: Callable[[int, int, str], bytes]
    suffix: str
    config: str


def spirals(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points on three arms of a spiral, [N, 2], and their arms, [N].

    Example:
        >>> points, arms = spirals(6, seed=0)
        >>> points.shape, arms.tolist()
        ((6, 2), [0, 1, 2, 0, 1, 2])
    """
    uniforms = sample_uniforms(seed, 0, np.arange(samples), 3)
    arms = np.arange(samples) % 3
    radius = np.sqrt(uniforms[:, 0])
    angle = 2 * np.pi * (_TURNS * radius + arms / 3)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + _NOISE * _normal(uniforms[:, 1], uniforms[:, 2]), arms


def linear(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a cube, [N, 4], and a weighted sum of their coordinates with some noise, [N].

    Example:
        >>> points, sums = linear(100, seed=0)
        >>> bool(np.abs(sums - (points @ [1.5, -2.0, 0.5, 0.0] + 1)).max() < 0.15)
        True
    """
    uniforms = sample_uniforms(seed, 0, np.arange(samples), 6)
    points = np.round(2 * uniforms[:, :4] - 1, 4)
    noise = _NOISE * _normal(uniforms[:, 4], uniforms[:, 5])[:, 0]
    return points, points @ np.array([1.5, -2.0, 0.5, 0.0]) + 1 + noise


def shapes(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of discs, squares and crosses, uint8 [N, 16, 16], and which each shows, [N].

    Example:
        >>> pictures, kinds = shapes(3, seed=0)
        >>> pictures.shape, pictures.dtype.name, kinds.tolist()
        ((3, 16, 16), 'uint8', [0, 1, 2])
    """
    numbers = sample_uniforms(seed, 0, np.arange(samples), 4 + _SIDE**2)
    kinds = np.arange(samples) % 3
    size = (3 + 3 * numbers[:, 0])[:, None, None]
    middle = size[:, :, 0] + numbers[:, 1:3] * (_SIDE - 1 - 2 * size[:, :, 0])
    down = np.abs(np.arange(_SIDE)[:, None] - middle[:, 0, None, None])
    across = np.abs(np.arange(_SIDE) - middle[:, 1, None, None])
    disc = down**2 + across**2 <= size**2
    square = np.maximum(down, across) <= 0.85 * size
    cross = np.maximum(down, across) <= size
    cross &= np.minimum(down, across) <= 1
    shown = np.select([kinds[:, None, None] == 0, kinds[:, None, None] == 1], [disc, square], cross)
    brightness = (120 + 100 * numbers[:, 3])[:, None, None]
    noise = 30 * numbers[:, 4:].reshape(-1, _SIDE, _SIDE)
    return np.floor(shown * brightness + noise).astype(np.uint8), kinds


def _normal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two normal numbers a sample out of two uniform ones, [N, 2] (Box and Muller 1958)."""
    radius = np.sqrt(-2 * np.log1p(-first))
    angle = 2 * np.pi * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _seed(seed: int, part: str) -> int:
    return 2 * seed + (part == "test")


def _spirals_csv(samples: int, seed: int, part: str) -> bytes:
    points, arms = spirals(samples, _seed(seed, part))
    rows = [f"{x:.4f},{y:.4f},{'abc'[arm]}\n" for (x, y), arm in zip(points, arms, strict=True)]
    return "".join(["x,y,arm\n", *rows]).encode()


def _linear_csv(samples: int, seed: int, part: str) -> bytes:
    points, sums = linear(samples, _seed(seed, part))
    rows = [
        ",".join(f"{value:.4f}" for value in [*point, total]) + "\n" for point, total in zip(points, sums, strict=True)
    ]
    return "".join(["a,b,c,d,y\n", *rows]).encode()


def _shapes_npz(samples: int, seed: int, part: str) -> bytes:
    pictures, kinds = shapes(samples, _seed(seed, part))
    file = io.BytesIO()
    np.savez_compressed(file, x=pictures, y=kinds.astype(np.uint8))
    return file.getvalue()


_SPIRALS = """\
data:
  dataset:
    CSV: {{file: {train}, test_file: {test}, features: [x, y], target: arm, classes: [a, b, c]}}
  split: {{val: 0.1}}
  batch_size: 32

model:                           # [N, 2]
  - Linear: {{out_features: 64}}
  - Tanh
  - Linear: {{out_features: 64}}
  - Tanh
  - Linear: {{out_features: 3}}    # one score for each arm

loss: CrossEntropyLoss
optimizer: {{Adam: {{lr: 0.01}}}}
metrics: [accuracy]
train: {{epochs: 30}}
"""
_LINEAR = """\
data:
  dataset:
    CSV: {{file: {train}, test_file: {test}, features: [a, b, c, d], target: y}}
  split: {{val: 0.1}}
  batch_size: 32

model:                           # [N, 4]
  - Linear: {{out_features: 1}}

loss: MSELoss
optimizer: {{SGD: {{lr: 0.1}}}}
train: {{epochs: 5}}
"""
_SHAPES = """\
data:
  dataset:
    NPZ: {{file: {train}, test_file: {test}, shape: [1, 16, 16], classes: 3,
          inputs: x, target: y, test_inputs: x, test_target: y}}
  split: {{val: 0.1}}
  batch_size: 32
  train_transforms:              # of training samples alone
    - RandomHorizontalFlip
    - RandomCrop: {{size: 16, padding: 1}}
  transforms:
    - Normalize: {{mean: 40.0, std: 60.0}}

model:                           # [N, 1, 16, 16]
  - Conv2d: {{out_channels: 8, kernel_size: 3, padding: 1}}
  - ReLU
  - MaxPool2d: {{kernel_size: 2}}
  - Flatten
  - Linear: {{out_features: 3}}    # one score for each kind

loss: CrossEntropyLoss
optimizer: {{Adam: {{lr: 0.005}}}}
metrics: [accuracy]
train: {{epochs: 5}}
"""

MAKERS = {
    "linear": Maker("a weighted sum of four numbers with noise: regression, CSV", _linear_csv, ".csv", _LINEAR),
    "shapes": Maker("discs, squares and crosses, 16 x 16 grey: three classes, NPZ", _shapes_npz, ".npz", _SHAPES),
    "spirals": Maker("points on three arms of a spiral: three classes, CSV", _spirals_csv, ".csv", _SPIRALS),
}
"""The data sets that can be made, by name."""
