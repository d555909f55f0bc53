"""Elements read and written by index tensors and masks."""

from __future__ import annotations

import numpy

from trainctl.autograd.ops import index_write, indexing, scatter_reduce
from trainctl.onnx.operands import Applied, Operand
from trainctl.onnx.sizes import Size

_INT64 = numpy.dtype(numpy.int64)


def _index(a: Applied, each: Operand) -> str:
    return each.name if each.dtype == _INT64 else a.graph.cast(each.name, _INT64)


def take(a: Applied) -> str:
    """``x[index, ...]``: along one dim Gather, along several GatherND."""
    g, x, at = a.graph, a.inputs[0], a.inputs[1:]
    dims = [dim for dim, here in enumerate(a.pattern) if here]
    if any(each.dtype.kind == "b" for each in at):
        raise a.unsupported("a mask picks as many elements as it has; where() keeps the shape")
    if len(dims) == 1:
        return g.op("Gather", a.x, _index(a, at[0]), axis=dims[0])
    rest = [dim for dim in range(x.ndim) if dim not in dims]
    taken = g.op("GatherND", g.transpose(a.x, [*dims, *rest]), _together(a, at))
    if dims != list(range(dims[0], dims[-1] + 1)) or not dims[0]:
        return taken  # as NumPy has it: dims of index tensors that are apart come first
    size = max(each.ndim for each in at)
    moved = [size + number for number in range(dims[0])]
    others = [size + number for number in range(dims[0], len(rest))]
    return g.transpose(taken, [*moved, *range(size), *others])


def _together(a: Applied, at: tuple[Operand, ...]) -> str:
    """Return index tensors, broadcast, in one with a last dim for which it is."""
    g, ndim = a.graph, max(each.ndim for each in at)
    shapes = [(1,) * (ndim - each.ndim) + each.shape for each in at]
    full = [
        next((size for size in sizes if isinstance(size, Size) or size != 1), 1) for sizes in zip(*shapes, strict=True)
    ]
    names = [
        _index(a, each) if each.shape == tuple(full) else g.op("Expand", _index(a, each), g.shape(full)) for each in at
    ]
    return g.op("Concat", *(g.unsqueeze(name, [ndim]) for name in names), axis=ndim) if ndim else _scalars(a, names)


def _scalars(a: Applied, names: list[str]) -> str:
    return a.graph.op("Concat", *(a.graph.unsqueeze(name, [0]) for name in names), axis=0)


def put(a: Applied) -> str:
    """``x`` with other elements at the named places, added to what is there where the op says so."""
    g, x, value, at = a.graph, a.inputs[0], a.inputs[1], a.inputs[2:]
    adds = issubclass(a.op, index_write.AddAt)
    if len(at) == 1 and at[0].dtype.kind == "b":
        return _put_masked(a, x, value, at[0], adds)
    dims = [dim for dim, here in enumerate(a.pattern) if here]
    if dims != list(range(len(dims))):
        order = [*dims, *(dim for dim in range(x.ndim) if dim not in dims)]
    else:
        order = list(range(x.ndim))
    if order != list(range(x.ndim)) and value.ndim > 0 and any(size != 1 for size in value.shape):
        raise a.unsupported("writing a tensor through index tensors for dims that are not the first ones")
    ndim = max(each.ndim for each in at)
    shapes = [(1,) * (ndim - each.ndim) + each.shape for each in at]
    full = [
        next((size for size in sizes if isinstance(size, Size) or size != 1), 1) for sizes in zip(*shapes, strict=True)
    ]
    wanted = [*full, *(x.shape[dim] for dim in order[len(dims) :])]
    update = g.op("Expand", value.name, g.shape(wanted))
    more = {"reduction": "add"} if adds else {}
    y = g.op("ScatterND", g.transpose(a.x, order), _together(a, at), update, **more)
    return g.transpose(y, [order.index(dim) for dim in range(x.ndim)])


def _put_masked(a: Applied, x: Operand, value: Operand, mask: Operand, adds: bool) -> str:
    g = a.graph
    if any(size != 1 for size in value.shape[: max(value.ndim - (x.ndim - mask.ndim), 0)]):
        raise a.unsupported("a mask takes as many elements as it has; where() keeps the shape")
    where = g.unsqueeze(mask.name, range(mask.ndim, x.ndim))
    keep = x.ndim - mask.ndim
    name = g.reshape(value.name, value.shape[value.ndim - min(keep, value.ndim) :])
    return g.op("Where", where, g.op("Add", a.x, name) if adds else name, a.x)


def gather(a: Applied) -> str:
    """Elements along a dim, each by its own index."""
    g, x, index = a.graph, *a.inputs
    name = a.x
    for dim, (have, want) in enumerate(zip(x.shape, index.shape, strict=True)):
        if dim != a.dim % x.ndim and have != want:  # GatherElements wants the other dims alike
            name = g.slice(name, dim, 0, want)
    return g.op("GatherElements", name, _index(a, index), axis=a.dim)


def scatter_sum(a: Applied) -> str:
    """Zeros with each element added at its index along a dim."""
    g = a.graph
    zeros = g.op("Expand", a.number(0), g.shape(a.shape))
    return g.op("ScatterElements", zeros, _index(a, a.inputs[1]), a.x, axis=a.dim, reduction="add")


CONVERTERS = {
    indexing.TakeAt: take,
    indexing.Gather: gather,
    indexing.ScatterSum: scatter_sum,
    index_write.SetAt: put,
    scatter_reduce.OnceDifferentiable: lambda a: a.x,
}
