"""Matrix products."""

from __future__ import annotations

from trainctl.autograd.ops import distance, linalg, products
from trainctl.onnx.converters.plain import same
from trainctl.onnx.operands import Applied


def linear(a: Applied) -> str:
    """``x @ weight.T + bias``: Gemm of matrices, else MatMul; the weight stays as the state_dict has it."""
    g, bias = a.graph, a.name(2)
    if a.inputs[0].ndim == 2 and a.inputs[1].ndim == 2:
        return g.op("Gemm", a.x, a.name(1), bias, transB=1)
    y = g.op("MatMul", a.x, g.transpose(a.name(1), [1, 0]))
    return y if bias is None else g.op("Add", y, bias)


def euclidean_distances(a: Applied) -> str:
    """All distances of two sets of points."""
    return _distances(a, 2.0)


def _distances(a: Applied, order: float) -> str:
    g, (x, y) = a.graph, a.inputs
    difference = g.op("Sub", g.unsqueeze(x.name, [x.ndim - 1]), g.unsqueeze(y.name, [y.ndim - 2]))
    last = max(x.ndim, y.ndim)
    if order in (1, 2):
        return g.reduce(f"ReduceL{int(order)}", difference, [last], False)
    size = g.op("Abs", difference)
    if order == float("inf"):
        return g.reduce("ReduceMax", size, [last], False)
    powers = g.reduce("ReduceSum", g.op("Pow", size, a.number(order)), [last], False)
    return g.op("Pow", powers, a.number(1 / order))


def cross(a: Applied) -> str:
    """The cross product along a dim of 3."""
    g, dim = a.graph, a.dim

    def part(x: str, number: int) -> str:
        return g.slice(x, dim, number, number + 1)

    x, y, parts = a.x, a.name(1), []
    for first, second in ((1, 2), (2, 0), (0, 1)):
        products_ = g.op("Mul", part(x, first), part(y, second)), g.op("Mul", part(x, second), part(y, first))
        parts.append(g.op("Sub", *products_))
    return g.op("Concat", *parts, axis=dim)


CONVERTERS = {
    linalg.MatMul: same("MatMul"),
    linalg.Linear: linear,
    distance.PairDistances: lambda a: _distances(a, float(a.order)),
    distance.EuclideanDistances: euclidean_distances,
    products.Cross: cross,
}
