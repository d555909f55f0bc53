"""Numbers that follow the sizes of the inputs.

A model is traced several times, with other sizes of the dims that are to be dynamic. A number that is not the same in all
traces is a :class:`Size`: it has its value in each, and arithmetic on it is arithmetic on all of them at once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy

from trainctl.autograd.op import Op
from trainctl.onnx.errors import OnnxExporterError


@dataclass(frozen=True)
class Axis:
    """A dim of an input that may have any size.

    Attributes:
        name: what the model's file calls it; dims of one name have one size.
        input: the number of the input.
        dim: the dim.
        sizes: its size in each trace.
    """

    name: str
    input: int
    dim: int
    sizes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Size:
    """A number with its value in each trace.

    Example:
        >>> (Size((2, 3)) * 4 + 1).values
        (9, 13)
        >>> Size((2, 3)) - Size((1, 2))
        1
    """

    values: tuple[Any, ...]

    def _with(self, other: Any, function: Callable[[Any, Any], Any]) -> Any:
        others = other.values if isinstance(other, Size) else (other,) * len(self.values)
        return merged(list(map(function, self.values, others)))

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, operator.mul)

    def __rmul__(self, other: Any) -> Any:
        return self._with(other, operator.mul)

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, operator.floordiv)

    def __neg__(self) -> Any:
        return self * -1

    def __hash__(self) -> int:
        return hash(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.values == other.values

    def __lt__(self, other: Any) -> bool:
        return self._same(other, operator.lt)

    def __le__(self, other: Any) -> bool:
        return self._same(other, operator.le)

    def __gt__(self, other: Any) -> bool:
        return self._same(other, operator.gt)

    def __ge__(self, other: Any) -> bool:
        return self._same(other, operator.ge)

    def _same(self, other: Any, function: Callable[[Any, Any], bool]) -> bool:
        answers = self._with(other, function)
        if isinstance(answers, Size):
            raise OnnxExporterError(f"what is done depends on whether a size is {other}: it is {self}")
        return bool(answers)

    def __str__(self) -> str:
        return " or ".join(map(str, self.values))


class Different(Exception):
    """Two traces differ in something that is no number."""


def merged(values: list[Any]) -> Any:
    """Return what the traces agree on: numbers that differ become sizes, also inside of tuples, dicts and slices.

    Raises:
        Different: they differ in something else.
    """
    first = values[0]
    if all(each is first for each in values):
        return first
    if any(type(each) is not type(first) for each in values):
        if all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values):
            return Size(tuple(values))
        raise Different(f"{values[0]!r} and {values[-1]!r}")
    if isinstance(first, numpy.ndarray):
        return _same_arrays(values)
    if isinstance(first, Size):
        return first
    inside = _merged_inside(values)
    if inside is not None:
        return inside[0]
    if all(each == first or (each != each and first != first) for each in values):
        return first
    if isinstance(first, (int, float)) and not isinstance(first, bool):
        return Size(tuple(values))
    raise Different(f"{values[0]!r} and {values[-1]!r}")


def _merged_inside(values: list[Any]) -> tuple[Any] | None:
    """Return the merged container, in a tuple; None of what is none."""
    first = values[0]
    if isinstance(first, (tuple, list)):
        if len({len(each) for each in values}) > 1:
            return (tuple(map(tuple, values)),) if all(map(_are_slices, values)) else _raise(values)
        return (type(first)(map(merged, map(list, zip(*values, strict=True)))),)
    if isinstance(first, dict):
        if len({tuple(each) for each in values}) > 1:
            return _raise(values)
        return ({key: merged([each[key] for each in values]) for key in first},)
    if isinstance(first, slice):
        return (slice(*(merged([getattr(each, part) for each in values]) for part in ("start", "stop", "step"))),)
    if isinstance(first, Op):
        merged([each.params for each in values])
        return (first,)
    if is_dataclass(first) and not isinstance(first, type):
        for field in fields(first):
            merged([getattr(each, field.name) for each in values])
        return (first,)
    return (first,) if hasattr(first, "__dict__") and _same_objects(values) else None


def _are_slices(each: Any) -> bool:
    """Return whether these are the steps of a recurrence, whose number may follow a size."""
    return all(isinstance(part, slice) for part in each)


def _raise(values: list[Any]) -> Any:
    raise Different(f"{values[0]!r} and {values[-1]!r}")


def _same_arrays(values: list[Any]) -> Any:
    first = values[0]
    if not all(each.shape == first.shape and each.tobytes() == first.tobytes() for each in values):
        raise Different("arrays with other elements")
    return first


def _same_objects(values: list[Any]) -> bool:
    """Return whether plain objects have the same attributes; they are not merged, so a size in one is a difference."""
    if isinstance(values[0], type):
        return False
    for name in {name for each in values for name in vars(each)}:
        if isinstance(merged([vars(each).get(name) for each in values]), Size):
            raise Different(f"another {name}")
    return True


def affine(size: Size, axes: list[Axis]) -> tuple[int, dict[str, int]] | None:
    """Return what a size is of the dynamic dims: a constant and, by name, how often each; None if it is no such sum.

    The first trace has the sizes to begin with, the next ones one dim changed each, the last one all of them.

    Example:
        >>> affine(Size((9, 13, 21)), [Axis("batch", 0, 0, (2, 3, 5))])
        (1, {'batch': 4})
    """
    names = {axis.name: axis for axis in axes}
    rest, slopes = size.values[0], {}
    for number, (name, axis) in enumerate(names.items(), 1):
        step, change = axis.sizes[number] - axis.sizes[0], size.values[number] - size.values[0]
        if change % step:
            return None
        slopes[name] = change // step
        rest -= slopes[name] * axis.sizes[0]
    for trace, value in enumerate(size.values):
        if rest + sum(slopes[name] * axis.sizes[trace] for name, axis in names.items()) != value:
            return None
    if not all(float(each).is_integer() for each in (rest, *slopes.values())):
        return None
    return int(rest), {name: int(slope) for name, slope in slopes.items() if slope}


def product(size: Size, axes: list[Axis]) -> tuple[int, list[str]] | None:
    """Return a size as a constant times dynamic dims, each at most once; None if it is no such product.

    Example:
        >>> axes = [Axis("batch", 0, 0, (2, 3, 2, 4)), Axis("time", 0, 1, (5, 5, 7, 9))]
        >>> product(Size((30, 45, 42, 108)), axes)
        (3, ['batch', 'time'])
    """
    names = {axis.name: axis for axis in axes}
    factors = [
        name
        for number, (name, axis) in enumerate(names.items(), 1)
        if size.values[number] * axis.sizes[0] == size.values[0] * axis.sizes[number]
        and size.values[number] != size.values[0]
    ]
    rests = []
    for trace, value in enumerate(size.values):
        part = 1
        for name in factors:
            part *= names[name].sizes[trace]
        rests.append(value / part)
    if not factors or len(set(rests)) > 1 or not float(rests[0]).is_integer():
        return None
    return int(rests[0]), factors
