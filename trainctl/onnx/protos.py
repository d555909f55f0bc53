"""A graph as bytes, by the package ``onnx``; the only file that imports it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from trainctl.onnx.errors import OnnxExporterError, missing
from trainctl.onnx.graph import Graph
from trainctl.onnx.sizes import Size
from trainctl.version import __version__

LARGEST = 2**31 - 1
"""Bytes of the largest file: protobuf's limit."""

_IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10}  # of each opset the one that it came with


def package() -> Any:
    """Return the package ``onnx``.

    Raises:
        UsageError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import onnx
    except ImportError as error:
        raise missing("onnx", error) from error
    return onnx


def element_type(dtype: Any) -> int:
    """Return ONNX's number for a NumPy dtype.

    Raises:
        OnnxExporterError: it has none.
    """
    onnx = package()
    try:
        return int(onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(dtype)))
    except (KeyError, ValueError, TypeError):
        raise OnnxExporterError(f"ONNX has no elements of type {dtype}", hint="model.float()") from None


def model_of(
    graph: Graph,
    inputs: Sequence[tuple[str, Any, Sequence[Any]]],
    outputs: Sequence[tuple[str, Any, Sequence[Any]]],
    metadata: Mapping[str, str],
    name: str,
) -> Any:
    """Return the model.

    Args:
        graph: its nodes and initializers.
        inputs: name, dtype and shape of each; a name as a size is a dynamic one.
        outputs: likewise.
        metadata: what the file says of itself.
        name: of the graph.

    Raises:
        OnnxExporterError: it is too large for a file.
    """
    onnx = package()
    size = sum(array.nbytes for array in graph.initializers.values())
    if size > LARGEST - 2**20:
        raise OnnxExporterError(
            f"the weights are {size:,} bytes; an ONNX file holds at most {LARGEST:,}",
            hint="--format safetensors has no limit",
        )
    proto = onnx.helper.make_graph(
        [_node(onnx, each) for each in graph.nodes],
        name,
        [_value(onnx, *each) for each in inputs],
        [_value(onnx, *each) for each in outputs],
        [_tensor(onnx, each, array, each in graph.halves) for each, array in graph.initializers.items()],
    )
    model = onnx.helper.make_model(
        proto,
        producer_name="trainctl",
        producer_version=__version__,
        opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
        ir_version=_IR_VERSIONS[graph.opset],
    )
    onnx.helper.set_model_props(model, dict(metadata))
    return model


def _tensor(onnx: Any, name: str, array: Any, is_half: bool) -> Any:
    """Return an initializer; codes of 4 bits are two to a byte, the first in the low half."""
    if not is_half:
        return onnx.numpy_helper.from_array(array, name)
    flat = numpy.append(array.ravel(), numpy.zeros(array.size % 2, array.dtype)).astype(numpy.uint8) & 15
    kind = onnx.TensorProto.UINT4 if array.dtype == numpy.uint8 else onnx.TensorProto.INT4
    return onnx.helper.make_tensor(name, kind, array.shape, (flat[::2] | flat[1::2] << 4).tobytes(), raw=True)


def _node(onnx: Any, node: Any) -> Any:
    return onnx.helper.make_node(node.kind, node.inputs, node.outputs, node.name, **node.attributes)


def _value(onnx: Any, name: str, dtype: Any, shape: Sequence[Any]) -> Any:
    sizes = [each if isinstance(each, (int, str)) else None for each in shape]
    return onnx.helper.make_tensor_value_info(name, element_type(dtype), sizes)


def named(shape: Sequence[Any], names: Mapping[Size, str]) -> list[Any]:
    """Return a shape with the names of its dynamic sizes, None for one that has no name."""
    return [names.get(each) if isinstance(each, Size) else each for each in shape]


def to_bytes(model: Any) -> bytes:
    """Return a model's bytes, the same for the same model."""
    return bytes(model.SerializeToString(deterministic=True))


def checked(model: Any) -> None:
    """Check a model by ``onnx.checker``, shapes included.

    Raises:
        OnnxExporterError: the checker finds fault with it.
    """
    onnx = package()
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        text = str(error).strip().splitlines()
        raise OnnxExporterError(
            f"onnx.checker refuses the model: {text[0] if text else error}", hint="please report it"
        ) from error


def with_outputs(model: Any, names: Iterable[Sequence[str]]) -> Any:
    """Return a model that also gives what its nodes do, as far as their types are known."""
    onnx = package()
    inferred = onnx.shape_inference.infer_shapes(model)
    known = {each.name: each for each in inferred.graph.value_info}
    there = {each.name for each in inferred.graph.output}
    inferred.graph.output.extend(
        known[name] for group in names for name in group if name in known and name not in there
    )
    return inferred


@dataclass(frozen=True)
class Use:
    """A matrix that an operator multiplies by.

    Attributes:
        weight: the initializer's name.
        layer: the path of the layer, as the operator's name says.
        is_transposed: whether it is stored the other way round than in a dense layer, ``[in, out]``.
    """

    weight: str
    layer: str
    is_transposed: bool


def read(path: str | Path) -> tuple[dict[str, numpy.ndarray], list[Use]]:
    """Return the initializers in a file, and which of them operators multiply by.

    Raises:
        ValueError: it is no ONNX model.
        OSError: it cannot be read.
    """
    onnx = package()
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path))
    except DecodeError as error:
        raise ValueError(f"not an ONNX model: {error}") from error
    graph = model.graph
    if not graph.node and not graph.initializer:
        raise ValueError("not an ONNX model: it has no graph")
    arrays = {each.name: numpy.array(onnx.numpy_helper.to_array(each)) for each in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type in ("Gemm", "MatMul") and len(node.input) > 1 and node.input[1] in arrays:
            stored = any(each.name == "transB" and each.i for each in node.attribute)
            layer = ".".join(node.name.strip("/").split("/")[:-1])
            found.append(Use(node.input[1], layer, not stored))
    return arrays, found
