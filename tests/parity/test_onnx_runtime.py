"""Our integer layers against ONNX Runtime's: the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backend.integer_reference import RANGES, Case, drawn, same
from trainctl.backend.affine import QParams, dequantize, quantize

onnx = pytest.importorskip("onnx", reason="needs the extra `onnx`")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


def run(op: str, arrays: dict[str, Any], result: Any, **attributes: Any) -> Any:
    """What ONNX Runtime gives for one operator; the first array is its input, the others are constants."""
    name, given = next(iter(arrays.items()))
    constants = [onnx.numpy_helper.from_array(np.asarray(each), key) for key, each in arrays.items() if key != name]
    kind = onnx.helper.np_dtype_to_tensor_dtype
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, list(arrays), ["y"], **attributes)],
        "one",
        [onnx.helper.make_tensor_value_info(name, kind(given.dtype), given.shape)],
        [onnx.helper.make_tensor_value_info("y", kind(np.dtype(result)), None)],
        constants,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: given})[0]


def grid_of(grid: QParams, name: str) -> dict[str, Any]:
    """A grid as two of an operator's inputs."""
    zero_point = np.asarray(grid.zero_point).astype(grid.dtype)
    return {f"{name}_scale": np.asarray(grid.scale), f"{name}_zero_point": zero_point}


def by_runtime(case: Case) -> Any:
    """A layer as ONNX's QLinearConv, or QLinearMatMul, which has no bias."""
    finish, x = case.finish, np.ascontiguousarray(case.x)
    grid, last = grid_of(finish.weights.qparams, "w"), grid_of(finish.y, "y")
    if case.options is None:
        weights = np.ascontiguousarray(finish.weights.codes.T)
        return run(
            "QLinearMatMul", {"x": x, **grid_of(finish.x, "x"), "w": weights, **grid, **last}, finish.y.dtype
        )  # fmt: skip
    stride, padding, dilation, groups = case.options
    arrays = {"x": x, **grid_of(finish.x, "x"), "w": np.ascontiguousarray(finish.weights.codes), **grid, **last}
    arrays |= {} if finish.bias is None else {"bias": finish.bias}
    return run(
        "QLinearConv", arrays, finish.y.dtype,
        strides=stride, pads=[*padding, *padding], dilations=dilation, group=groups,
    )  # fmt: skip


def fitting(count: int, first: int) -> list[tuple[int, Case]]:
    """Random layers that ONNX Runtime has: for some types of codes, their whole range, one zero point of the weights, no ReLU."""
    found, seed = [], first
    while len(found) < count:
        case, seed = drawn(np.random.default_rng(seed)), seed + 1
        finish, y = case.finish, case.finish.y
        weights = finish.weights.qparams
        if y is None or finish.relu or y.dtype != finish.x.dtype or (y.quant_min, y.quant_max) != RANGES[y.dtype]:
            continue
        if weights.dtype != finish.x.dtype == "int8" or len(set(np.ravel(weights.zero_point).tolist())) > 1:
            continue
        if not case.x.size or not finish.weights.codes.size or case.x.ndim < 2:
            continue
        if case.options is None and finish.bias is not None:
            case.finish = type(finish)(finish.x, finish.weights, None, y)
        found.append((seed - 1, case))
    return found


@pytest.mark.parametrize("first", [10**6, 2 * 10**6])
def test_layers(first):
    for seed, case in fitting(120, first):
        assert same(case.computed(), by_runtime(case)), f"seed {seed}"


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("axis", [None, 1])
def test_numbers_to_codes_and_back(dtype, axis):
    random = np.random.default_rng(5)
    x = (random.normal(size=(40, 9, 7)) * 30).astype(np.float32)
    x.flat[:5] = np.nan, np.inf, -np.inf, 1e30, 0.5
    scale = 0.25 if axis is None else random.uniform(0.1, 1, 9)
    zero_point = 7 if axis is None else random.integers(-100, 100, 9) + 128 * (dtype == "uint8")
    zero_point = zero_point if axis is None else np.clip(zero_point, *((0, 255) if dtype == "uint8" else (-128, 127)))
    grid = QParams(scale, zero_point, dtype, axis=axis)
    options = {} if axis is None else {"axis": axis}
    codes = quantize(x, grid)
    assert same(codes, run("QuantizeLinear", {"x": x, **grid_of(grid, "y")}, dtype, **options))
    numbers = run("DequantizeLinear", {"x": codes, **grid_of(grid, "x")}, "float32", **options)
    assert same(dequantize(codes, grid), numbers)
