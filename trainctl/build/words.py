"""Shapes and types of arrays, in words and from words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainctl.backend.dtypes import dtype
    from trainctl.data.spec import SampleSpec

BATCH = 2
"""Samples in the batch of zeros that layers are tried on."""

REFUSALS = (ArithmeticError, AssertionError, IndexError, MemoryError, RuntimeError, TypeError, ValueError)
"""What constructors, layers and losses raise at arguments or shapes they cannot work with."""


def shape_words(sizes: Iterable[Any]) -> str:
    """The shape of a batch, whose size N is open, from a sample's.

    Example:
        >>> shape_words((1, 28, 28))
        '[N, 1, 28, 28]'
    """
    return f"[{', '.join(['N', *map(str, sizes)])}]"


def dtype_of(name: str) -> dtype:
    """A type of numbers by its name.

    Raises:
        ValueError: there is no such type.

    Example:
        >>> dtype_of("int64")
        trainctl.int64
    """
    from trainctl.backend import dtypes

    found = getattr(dtypes, name, None)
    if not isinstance(found, dtypes.dtype):
        raise ValueError(f"there is no dtype {name!r}; see trainctl.float32, trainctl.int64")
    return found


def checked_spec(sample: Any) -> SampleSpec:
    """What a dataset says of its samples, once that is seen to make sense.

    Raises:
        TypeError: it is no :class:`~trainctl.data.spec.SampleSpec`.
        ValueError: it names a dtype that there is not.
    """
    from trainctl.data.spec import ArraySpec, SampleSpec

    if not isinstance(sample, SampleSpec):
        raise TypeError(f"sample_spec should return a SampleSpec, got {sample!r}")
    for part in (sample.inputs, sample.target):
        for each in [part] if isinstance(part, ArraySpec) else part.values():
            dtype_of(each.dtype)
    return sample
