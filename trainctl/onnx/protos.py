"""A graph as bytes, by the package ``onnx``; the only file that imports it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
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
        [onnx.numpy_helper.from_array(array, each) for each, array in graph.initializers.items()],
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
