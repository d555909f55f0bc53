"""Shapes: views, copies, casts, and what is left of a tensor when a view of it was written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from trainctl.autograd.op import Op
from trainctl.autograd.ops import assign, broadcasting, cast, diagonal, flipping, indexing, repeating, shape, slicing
from trainctl.onnx.operands import Applied, is_number
from trainctl.onnx.sizes import Size

_END = numpy.iinfo(numpy.int64).max


def view(a: Applied) -> str:
    """Another shape; adding or dropping one dim of size 1 is said as such."""
    before, after = a.inputs[0].shape, a.outputs[0].shape
    return a.x if before == after else a.graph.reshape(a.x, after)


def expand(a: Applied) -> str:
    """Dims of size 1 repeated."""
    return (
        a.x if a.inputs[0].shape == a.outputs[0].shape else a.graph.op("Expand", a.x, a.graph.shape(a.outputs[0].shape))
    )


def to_dtype(a: Applied) -> str:
    """Another element type."""
    return a.graph.cast(a.x, a.outputs[0].dtype)


def repeat(a: Applied) -> str:
    """Copies side by side."""
    g, new = a.graph, len(a.counts) - a.inputs[0].ndim
    return g.op("Tile", g.unsqueeze(a.x, range(new)), g.shape(a.counts))


def flip(a: Applied) -> str:
    """The other way round along dims."""
    g, dims = a.graph, list(a.dims)
    if not dims:
        return a.x
    ends = [g.constant([each] * len(dims), numpy.int64) for each in (-1, -_END)]
    return g.op("Slice", a.x, *ends, g.constant(dims, numpy.int64), g.constant([-1] * len(dims), numpy.int64))


def roll(a: Applied) -> str:
    """What is pushed out at one end comes in at the other."""
    g, x, sizes = a.graph, a.x, a.inputs[0].shape
    if not a.dims:
        raise a.unsupported("a roll over all dims at once; name the dims")
    for shift, dim in zip(a.shifts, a.dims, strict=True):
        if isinstance(sizes[dim], int):
            shift %= max(sizes[dim], 1)
        if shift:
            parts = [g.slice(x, dim, -shift, _END), g.slice(x, dim, 0, -shift)]
            x = g.op("Concat", *parts, axis=dim)
    return x


# -- slices -------------------------------------------------------------------------------------------


def slices(index: Any, sizes: tuple[Any, ...]) -> tuple[list[tuple[int, Any, Any, int]], list[int], list[int]]:
    """Take an index apart: slices ``(dim, start, end, step)``, dims that go, and where new ones come in the result."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(part is not None and part is not ... for part in parts)
    if ... not in [part for part in parts if part is None or part is ...]:
        parts.append(...)
    at = next(number for number, part in enumerate(parts) if part is ...)
    parts[at : at + 1] = [slice(None)] * (len(sizes) - used)
    cut, gone, new, dim, place = [], [], [], 0, 0
    for part in parts:
        if part is None:
            new.append(place)
            place += 1
            continue
        if isinstance(part, slice):
            if part != slice(None):
                cut.append((dim, *_bounds(part, sizes[dim])))
            place += 1
        else:
            start = _from_front(part, sizes[dim])
            cut.append((dim, start, start + 1, 1))
            gone.append(dim)
        dim += 1
    return cut, gone, new


def _bounds(part: slice, size: Any) -> tuple[Any, Any, int]:
    """Return where a slice begins and ends; of a fixed size as numbers from the front."""
    step = 1 if part.step is None else part.step
    if not isinstance(size, Size) and not any(isinstance(each, Size) for each in (part.start, part.stop)):
        start, end, step = part.indices(size)
        return start, max(end, start), step
    start, end = 0 if part.start is None else part.start, _END if part.stop is None else part.stop
    return start, end, step


def _from_front(place: Any, size: Any) -> Any:
    negative = max(place.values) < 0 if isinstance(place, Size) else place < 0
    return place + size if negative else place


def take_slice(a: Applied) -> str:
    """``x[index]`` with integers, slices, None and ``...``."""
    g, x = a.graph, a.x
    cut, gone, new = slices(a.index, a.inputs[0].shape)
    if cut:
        starts, ends, steps = (_listed(a, [each[place] for each in cut]) for place in (1, 2, 3))
        dims = g.constant([each[0] for each in cut], numpy.int64)
        x = g.op("Slice", x, starts, ends, dims, None if all(each[3] == 1 for each in cut) else steps)
    return g.unsqueeze(g.squeeze(x, gone), new)


def _listed(a: Applied, values: list[Any]) -> str:
    return a.graph.shape(values)


def triangle(a: Applied) -> str:
    """The upper or lower triangle."""
    g = a.graph
    return g.op("Trilu", a.x, g.constant(a.diagonal, numpy.int64), upper=int(a.function == "triu"))


def diagonal_of(a: Applied) -> str:
    """A diagonal of matrices: the places on it, of the two dims in one."""
    g, x, (first, second) = a.graph, a.inputs[0], a.dims
    sizes, length = x.shape, a.outputs[0].shape[-1]
    if isinstance(length, Size) or isinstance(sizes[second], Size):
        raise a.unsupported("the diagonal of a matrix whose size follows the input's")
    rest = [dim for dim in range(x.ndim) if dim not in (first, second)]
    flat = g.reshape(
        g.transpose(a.x, [*rest, first, second]), [*(sizes[dim] for dim in rest), sizes[first] * sizes[second]]
    )
    start = a.offset if a.offset >= 0 else -a.offset * sizes[second]
    places = [start + number * (sizes[second] + 1) for number in range(length)]
    return g.op("Gather", flat, g.constant(places, numpy.int64), axis=len(rest))


def sliding_windows(a: Applied) -> str:
    """All windows along a dim, their elements in a new last dim."""
    g, x = a.graph, a.inputs[0]
    places = a.outputs[0].shape[a.dim]
    if isinstance(places, Size):
        raise a.unsupported("windows along a dim whose size follows the input's")
    index = numpy.arange(places)[:, None] * a.step + numpy.arange(a.size)
    taken = g.op("Gather", a.x, g.constant(index, numpy.int64), axis=a.dim)
    dims = [dim for dim in range(x.ndim + 1) if dim != a.dim + 1]
    return g.transpose(taken, [*dims, a.dim + 1])


def overwrite(a: Applied) -> str:
    """What a tensor is after another one was copied into it."""
    g, target = a.graph, a.inputs[0]
    value = a.inputs[1]
    if is_number(value):
        return g.op("Expand", a.number(value, target.dtype), g.shape(target.shape))
    name = value.name if value.dtype == target.dtype else g.cast(value.name, target.dtype)
    return name if value.shape == target.shape else g.op("Expand", name, g.shape(target.shape))


# -- what is left when a view was written to --------------------------------------------------------------


def _reshaped_back(view: Applied, source: str, new: str) -> str:
    return view.graph.reshape(new, view.inputs[0].shape)


def _permuted_back(view: Applied, source: str, new: str) -> str:
    dims = list(view.dims)
    return view.graph.transpose(new, [dims.index(dim) for dim in range(len(dims))])


def _put_into_slice(view: Applied, source: str, new: str) -> str:
    """Put the new elements at the slice's places: the numbers of all places, cut as the source was, say which."""
    g, x = view.graph, view.inputs[0]
    cut, gone, added = slices(view.index, x.shape)
    new = g.unsqueeze(g.squeeze(new, added), gone)
    for position in reversed(range(len(cut))):
        dim, start, end, step = cut[position]
        part = source
        for each in cut[:position]:
            part = g.slice(part, *each)
        size = x.shape[dim]
        if step != 1:
            raise view.unsupported("writing into every n-th element")
        pieces = [g.slice(part, dim, 0, start), new, g.slice(part, dim, end, _END)]
        kept = [
            piece
            for piece, is_there in zip(pieces, (start != 0, True, end not in (size, _END)), strict=True)
            if is_there
        ]
        new = g.op("Concat", *kept, axis=dim) if len(kept) > 1 else new
    return new


INVERSES: dict[type[Op], Callable[[Applied, str, str], str]] = {
    shape.View: _reshaped_back,
    shape.Permute: _permuted_back,
    indexing.Slice: _put_into_slice,
}
"""By the class of a view: what its source is after the view was given new elements."""

CONVERTERS = {
    shape.View: view,
    shape.Clone: lambda a: a.x,
    shape.Permute: lambda a: a.graph.transpose(a.x, [dim % len(a.dims) for dim in a.dims]),
    cast.Cast: to_dtype,
    broadcasting.Expand: expand,
    repeating.Repeat: repeat,
    flipping.Flip: flip,
    flipping.Roll: roll,
    indexing.Slice: take_slice,
    diagonal.Triangle: triangle,
    diagonal.Diagonal: diagonal_of,
    slicing.SlidingWindows: sliding_windows,
    assign.Assign: overwrite,
}
