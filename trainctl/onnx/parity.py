"""An exported model against the model itself: ONNX Runtime's outputs and our own, over several sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.tensor import Tensor
from trainctl.onnx import protos
from trainctl.onnx.errors import ParityError
from trainctl.onnx.runtime import Session
from trainctl.onnx.sizes import Axis
from trainctl.onnx.tracing import copied, evaluating, resized, tensors_in, trace

if TYPE_CHECKING:
    from trainctl.onnx.exporter import Written

BATCHES = (1, 2, 7)
"""Sizes of the first dynamic dim that are compared, beside the traced ones."""


@dataclass
class Report:
    """What was compared.

    Attributes:
        error: the largest difference, relative to the largest number of the output that it is in.
        tolerance: how large it may be.
        sizes: the sizes of the first dynamic dim that were compared.
    """

    error: float
    tolerance: float
    sizes: list[int]


def with_sizes(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], sizes: Sequence[tuple[int, int, int]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with inputs ``(number, dim, size)`` made as large as that, by their own elements again."""
    tensors = list(tensors_in((args, kwargs)).values())
    arrays = [each._array for each in tensors]
    for number, dim, size in sizes:
        arrays[number] = resized(arrays[number], dim, size)
    replace = {id(tensor): Tensor._wrap(array) for tensor, array in zip(tensors, arrays, strict=True)}
    return copied(args, replace), copied(kwargs, replace)


def compare(
    model: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    axes: list[Axis],
    written: Written,
    data: bytes,
    tolerance: float,
) -> Report:
    """Compare the outputs over several sizes.

    Raises:
        ParityError: they differ by more than ``tolerance``; the message names the first node that does.
    """
    session, worst, sizes = Session(data), 0.0, _sizes(axes)
    for batch, wanted in sizes:
        own_args, own_kwargs = with_sizes(args, kwargs, wanted)
        inputs = dict(zip(written.graph.inputs, map(_array, tensors_in((own_args, own_kwargs)).values()), strict=True))
        theirs = session.run(inputs)
        with evaluating(model), no_grad():
            found = tensors_in(model(*copied(own_args), **copied(own_kwargs)))
        for name, tensor in zip(written.outputs, found.values(), strict=True):
            error = difference(_array(tensor), theirs[name])
            _check_shape(name, f"{axes[0].name} {batch}" if axes else "", tensor, theirs[name])
            worst = max(worst, error)
            if not error <= tolerance:
                where = _first_difference(model, (own_args, own_kwargs), written, inputs, tolerance)
                raise ParityError(
                    f"{name}{'' if batch is None else f' at {axes[0].name} {batch}'}: ONNX Runtime's output differs by "
                    f"{error:.2g} of its size, and {tolerance:g} is allowed; {where}",
                )
    return Report(worst, tolerance, [batch for batch, _ in sizes if batch is not None])


def _check_shape(name: str, size: str, ours: Tensor, theirs: Any) -> None:
    if tuple(ours.shape) != theirs.shape:
        raise ParityError(
            f"{name}{f' at {size}' if size else ''}: ONNX Runtime gives shape {list(theirs.shape)}, the model itself "
            f"{list(ours.shape)}: its ops follow the sizes of the input in a way that no graph can",
            hint="squeeze(dim) instead of squeeze(), flatten(1) instead of reshape(-1): name the dims",
        )


def _array(tensor: Tensor) -> Any:
    return tensor._array


def _sizes(axes: list[Axis]) -> list[tuple[int | None, list[tuple[int, int, int]]]]:
    """Return for each comparison the size of the first dynamic dim and those of all."""
    if not axes:
        return [(None, [])]
    first, last = axes[0].name, len(axes[0].sizes) - 1
    traced = [(axes[0].sizes[n], [(each.input, each.dim, each.sizes[n]) for each in axes]) for n in (0, last)]
    others = [
        (size, [(each.input, each.dim, size if each.name == first else each.sizes[0]) for each in axes])
        for size in BATCHES
    ]
    return [*others, *(each for each in traced if each[0] not in BATCHES)]


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest difference relative to the largest finite number of ``ours``; inf for another shape or type.

    Example:
        >>> difference(numpy.float32([1, 100]), numpy.float32([2, 100]))
        0.01
    """
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return float("inf")
    if ours.dtype.kind != "f":
        return 0.0 if (ours == theirs).all() else float("inf")
    ours, theirs = ours.astype(numpy.float64), theirs.astype(numpy.float64)
    finite = numpy.isfinite(ours)
    if not numpy.array_equal(ours[~finite], theirs[~finite], equal_nan=True):
        return float("inf")
    size = float(numpy.abs(ours[finite]).max(initial=0.0)) or 1.0
    apart = numpy.abs(ours[finite] - theirs[finite])
    return float("inf") if numpy.isnan(apart).any() else float(apart.max(initial=0.0)) / size


def _first_difference(
    model: Any, called: tuple[Any, Any], written: Written, inputs: Mapping[str, Any], tolerance: float
) -> str:
    """Return in words which node is the first whose output differs from the op's that it was written for."""
    results = trace(model, *called, keep=True).results or {}
    proto = protos.with_outputs(written.proto, [node.outputs for node in written.graph.nodes])
    session = Session(protos.to_bytes(proto))
    names = set(session.outputs)
    made = [(value, written.graph.renamed.get(name, name)) for value, name in written.lowering.made]
    wanted = [(value, name) for value, name in made if name in names]
    theirs = session.run(inputs, list(dict.fromkeys(name for _, name in wanted)))
    for value, name in wanted:
        node = written.graph.maker(name)
        if node is not None and not difference(results[value], theirs[name]) <= tolerance:
            return f"the first node that does is {node.name} ({node.kind})"
    return "no single node does: it is in what ONNX Runtime joins"
