"""Integer layers as QDQ: what ONNX Runtime makes of them, and that it computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.autograd.ops.quantized import DynamicQuantizedLinear
from trainctl.backend.affine import QParams
from trainctl.backend.integer_products import IntegerWeights
from trainctl.backend.weight_groups import GroupFormat
from trainctl.nn import quantized
from trainctl.nn.quantized.weight_only import (
    WeightOnlyConv2d,
    WeightOnlyConvTranspose2d,
    WeightOnlyEmbedding,
    WeightOnlyLinear,
    WeightOnlyLSTM,
)
from trainctl.onnx import export
from trainctl.onnx.parity import TOLERANCE, last_step
from trainctl.onnx.runtime import Session

onnx = pytest.importorskip("onnx", reason="needs the extra `onnx`")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


def integer(kind: Any, layer: Any, scale: float | None, zero_point: int, given: tuple[float, int]) -> Any:
    """A float layer with int8 weights, one scale a channel, and grids of its input and output."""
    weight = layer.weight.detach()
    scales = (weight.abs().flatten(1).amax(1) / 127).double()
    made = kind._empty_like(layer)
    zeros = trainctl.zeros(len(scales), dtype=trainctl.int64)
    made.set_weight_bias(trainctl.quantize_per_channel(weight, scales, zeros, 0, trainctl.qint8), layer.bias)
    made.input_scale, made.input_zero_point = given
    made.scale = scale
    if scale is not None:
        made.zero_point = zero_point
    return made


def network(last: float | None) -> Any:
    trainctl.manual_seed(0)
    return nn.Sequential(
        integer(quantized.Conv2d, nn.Conv2d(1, 8, 3, padding=1), 0.02, 100, (0.03, 110)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        integer(quantized.Conv2d, nn.Conv2d(8, 16, 3, groups=2, bias=False), 0.01, 120, (0.02, 0)),
        nn.Flatten(),
        integer(quantized.LinearReLU, nn.Linear(16 * 5 * 5, 32), 0.008, 0, (0.01, 120)),
        integer(quantized.Linear, nn.Linear(32, 10), last, 60, (0.008, 0)),
    )


@pytest.mark.parametrize("last", [None, 0.02])
def test_integer_kernels_give_the_same_codes_over_a_thousand_inputs(last, tmp_path):
    model, x = network(last), trainctl.randn(1000, 1, 14, 14)
    exported = export(model, x[:4])
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "joined.onnx")
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(exported.data, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "joined.onnx").graph.node]
    assert kinds.count("QLinearConv") == kinds.count("QGemm") == 2
    assert not {"Conv", "Gemm", "MatMul"} & set(kinds)
    (theirs,) = session.run(None, {"input": x.numpy()})
    ours = model(x).numpy()
    assert np.abs(ours).max() > 0.1
    assert np.abs(ours - theirs).max() <= (last or 0.008)
    assert exported.report is not None
    assert exported.report.steps is not None


class OnCodes(nn.Module):
    """PyTorch's eager mode: quantized tensors from layer to layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = network(0.02)

    def forward(self, x: Any) -> Any:
        conv, relu, pool, second, flat, dense, last = self.layers
        y = trainctl.quantize_per_tensor(x, 0.03, 110, trainctl.quint8)
        y = second(pool(relu(conv(y))))
        return last(dense(flat(y.sigmoid()))).dequantize(), y.int_repr()


def test_quantized_tensors_are_numbers_between_q_and_dq():
    trainctl.manual_seed(0)
    model, x = OnCodes(), trainctl.randn(200, 1, 14, 14)
    exported = export(model, x[:4])
    found = Session(exported.data).run({"x": x.numpy()})
    ours, codes = (each.numpy() for each in model(x))
    assert codes.dtype == found["output_1"].dtype == np.uint8
    assert np.abs(codes.astype(int) - found["output_1"]).max() <= 1
    assert np.abs(ours - found["output_0"]).max() <= 0.02 * (1 + 1e-5)


class Others(nn.Module):
    """A transposed convolution on codes, and quantization that is only played."""

    def __init__(self, groups: int, bias: bool) -> None:
        super().__init__()
        layer = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=groups, bias=bias)
        self.layer = quantized.ConvTranspose2d._empty_like(layer)
        weight = trainctl.quantize_per_tensor(layer.weight.detach(), 0.002, 0, trainctl.qint8)
        self.layer.set_weight_bias(weight, layer.bias)
        self.layer.input_scale, self.layer.input_zero_point, self.layer.scale = 0.03, 120, None

    def forward(self, x: Any) -> Any:
        return trainctl.fake_quantize_per_tensor_affine(self.layer(x), 0.01, 3, -8, 7)


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_and_played_quantization(groups):
    trainctl.manual_seed(0)
    report = export(Others(groups, groups == 1), trainctl.randn(2, 4, 5, 6), tolerance=1e-5).report
    assert report is not None
    assert report.error <= 1e-5


def test_the_codes_are_stored_as_they_are():
    model = network(0.02)
    graph = onnx.load_from_string(export(model, trainctl.randn(2, 1, 14, 14)).data).graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for name in ("0.weight_codes", "3.weight_codes", "5.weight_codes", "6.weight_codes"):
        assert stored[name].dtype == np.int8
        assert np.array_equal(stored[name], model.state_dict()[name].numpy())
        assert np.array_equal(
            stored[name.replace("codes", "scale")], model.state_dict()[name.replace("codes", "scale")]
        )
    kinds = [node.op_type for node in graph.node]
    assert (kinds.count("QuantizeLinear"), kinds.count("DequantizeLinear")) == (
        7,
        4 + 4 + 3 + 2 + 1,
    )  # inputs, weights, biases, between, output


def test_more_dims_and_no_batch_norm_between():
    layer = integer(quantized.Linear, nn.Linear(6, 5), 0.01, 128, (0.02, 128))
    report = export(layer, trainctl.randn(3, 4, 6)).report
    assert report is not None
    assert report.steps is not None
    assert report.steps <= 1


class Dynamic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        codes = np.random.default_rng(0).integers(-127, 128, (5, 6)).astype(np.int8)
        self.weights = IntegerWeights(codes, QParams(np.full(5, 0.01), np.zeros(5, np.int32), "int8", axis=0))
        self.bias = nn.Parameter(trainctl.randn(5))

    def forward(self, x: Any) -> Any:
        return DynamicQuantizedLinear.apply(x, self.bias, weights=self.weights)


def test_rows_on_grids_of_their_own():
    trainctl.manual_seed(0)
    x = trainctl.cat([trainctl.randn(900, 6), trainctl.zeros(1, 6), trainctl.randn(99, 6).abs() * 1e3])
    model = Dynamic()
    theirs = Session(export(model, x).data).run({"x": x.numpy()})["output"]
    assert np.array_equal(theirs, model(x).detach().numpy())


FEW_BITS = {
    "linear": (lambda form: WeightOnlyLinear.from_float(nn.Linear(40, 5), form), lambda: trainctl.randn(3, 40)),
    "conv": (lambda form: WeightOnlyConv2d.from_float(nn.Conv2d(4, 6, 3), form), lambda: trainctl.randn(2, 4, 7, 7)),
    "embedding": (
        lambda form: WeightOnlyEmbedding.from_float(nn.Embedding(9, 40), form),
        lambda: trainctl.tensor([[1, 8], [0, 3]]),
    ),
}


@pytest.mark.parametrize("form", [GroupFormat(), GroupFormat(4, 16, symmetric=True), GroupFormat(8), GroupFormat(3)])
@pytest.mark.parametrize("name", FEW_BITS)
def test_weights_in_few_bits_stay_codes(name, form):
    make, inputs = FEW_BITS[name]
    layer = make(form)
    exported = export(layer, inputs())
    graph = onnx.load_from_string(exported.data).graph
    (node,) = (each for each in graph.node if each.op_type == "DequantizeLinear")
    codes = next(each for each in graph.initializer if each.name == "weight_codes")
    wanted = {(True, True): "INT4", (True, False): "UINT4", (False, True): "INT8", (False, False): "UINT8"}
    assert onnx.TensorProto.DataType.Name(codes.data_type) == wanted[form.bits <= 4, form.symmetric]
    assert exported.opset == 21
    assert exported.report is not None
    assert exported.report.error <= TOLERANCE
    assert "weight" not in {each.name for each in graph.initializer}
    assert node.input[0] == "weight_codes"


@pytest.mark.parametrize(
    ("kind", "layer", "shape"),
    [
        (WeightOnlyConvTranspose2d, nn.ConvTranspose2d(4, 6, 3, groups=2), (2, 4, 5, 5)),
        (WeightOnlyLSTM, nn.LSTM(6, 5, bidirectional=True), (3, 2, 6)),
    ],
)
def test_weights_whose_rows_lie_otherwise(kind, layer, shape):
    exported = export(kind.from_float(layer), trainctl.randn(*shape))
    assert exported.report is not None
    assert exported.report.error <= TOLERANCE
    assert b"_codes" in exported.data


def test_the_last_quantization_is_found_behind_other_nodes():
    from trainctl.onnx.graph import Graph

    graph = Graph(17, True, [], ["x"])
    scale, point = graph.constant(np.float32(0.5)), graph.constant(np.uint8(3))
    codes = graph.op("QuantizeLinear", "x", scale, point)
    y = graph.op("Relu", graph.op("DequantizeLinear", codes, scale, point))
    assert last_step(graph, [y]) == 0.5
    assert last_step(graph, ["x"]) is None
