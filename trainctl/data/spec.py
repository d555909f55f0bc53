"""What a dataset's samples look like, said before any data is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ArraySpec:
    """One array of a sample.

    Attributes:
        shape: without the batch.
        dtype: by its name, such as ``float32``.
        high: of whole numbers: they are 0 to ``high - 1``, as class numbers are; None where nothing bounds them.

    Example:
        >>> ArraySpec((), "int64", high=10)
        ArraySpec(shape=(), dtype='int64', high=10)
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    high: int | None = None


@dataclass(frozen=True)
class SampleSpec:
    """One sample, ``(inputs, target)``.

    A dataset that a config may name has a class method ``sample_spec``, which takes the constructor's arguments but
    for ``train`` and ``transform`` and returns one of these without reading data.

    Attributes:
        inputs: what the model takes; with several inputs, each by its name, and a sample's first part is a dict.
        target: what the loss compares the model's output with; with a target for each of several outputs, each by the
            output's name, and a sample's second part is a dict.
    """

    inputs: ArraySpec | Mapping[str, ArraySpec]
    target: ArraySpec | Mapping[str, ArraySpec]
