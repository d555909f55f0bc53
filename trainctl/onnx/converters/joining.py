"""Tensors put together and taken apart."""

from __future__ import annotations

from trainctl.autograd.ops import joining
from trainctl.onnx.operands import Applied
from trainctl.onnx.sizes import Size


def cat(a: Applied) -> str:
    """One after the other."""
    return a.graph.op("Concat", *(a.name(number) for number in range(len(a.inputs))), axis=a.dim)


def stack(a: Applied) -> str:
    """Along a new dim."""
    g = a.graph
    return g.op("Concat", *(g.unsqueeze(a.name(number), [a.dim]) for number in range(len(a.inputs))), axis=a.dim)


def split(a: Applied) -> tuple[str, ...]:
    """Pieces of given sizes."""
    return a.graph.ops("Split", len(a.outputs), a.x, a.graph.shape(a.sizes), axis=a.dim)


def unbind(a: Applied) -> tuple[str, ...]:
    """Each slice without the dim."""
    if isinstance(a.inputs[0].shape[a.dim], Size):
        raise a.unsupported("as many tensors as an input's size says")
    sizes = a.graph.shape([1] * len(a.outputs))
    pieces = a.graph.ops("Split", len(a.outputs), a.x, sizes, axis=a.dim)
    return tuple(a.graph.squeeze(piece, [a.dim]) for piece in pieces)


CONVERTERS = {
    joining.Cat: cat,
    joining.Stack: stack,
    joining.Split: split,
    joining.Unbind: unbind,
}
