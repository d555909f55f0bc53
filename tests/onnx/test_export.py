"""What an export does with a forward: sizes, names, what is written in place, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.nn import functional as F
from trainctl.onnx import OnnxExporterError, ParityError, export

onnx = pytest.importorskip("onnx", reason="needs the extra `onnx`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


class Doing(nn.Module):
    """A model whose forward is a function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def written_into_zeros(x: Any) -> Any:
    y = trainctl.zeros(x.shape[0], 5)
    y[:, 1:3], y[:, 0] = x[:, :2], 7.0
    return y


def changed_behind_a_view(x: Any) -> Any:
    y = x.clone()
    column = y[:, 1]
    y.add_(1)
    column.mul_(3)
    y.transpose(0, 1)[0] = 3.0
    return y, column


def masked_in_place(x: Any) -> Any:
    y = x * 1
    y[x > 0] = 0.0
    return y


def columns_in_place(x: Any) -> Any:
    y = x * 1
    y[:, trainctl.tensor([0, 2])] = 5.0
    return y


def causal(x: Any) -> Any:
    size = x.shape[1]
    mask = trainctl.tril(trainctl.ones(size, size)).bool()
    return x.unsqueeze(1).expand(-1, size, -1).masked_fill(~mask, -1.0)


def shapes(x: Any) -> Any:
    parts = x.reshape(-1, 2, 2).permute(2, 0, 1), x.view(x.shape[0] * 2, -1), x[None], x[:, ::2], x[:, -1], x[-1]
    return *parts, x.roll((1, -1), (0, 1)), x.flip(1), x.repeat(2, 3), x.repeat_interleave(2, 1), x.unfold(1, 2, 1)


def joined(x: Any) -> Any:
    pieces = *x.chunk(2, 1), *x.split([1, 3], 1), *x.unbind(1)
    return *pieces, trainctl.stack([x, x * 2], 1), trainctl.cat([x, x]), (x[:, :, None] * x[:, None]).diagonal(0, 1, 2)


def elementwise(x: Any) -> Any:
    size = x.abs()
    powers = x.exp(), x.expm1(), x.exp2(), size.log1p(), size.sqrt(), size.rsqrt(), x.pow(3), size**0.5, 2**x
    waves = x.sin(), x.tan(), x.atan(), x.sinh(), x.erf(), x.erfc(), x.sinc(), x.sigmoid().logit(), x.sgn()
    whole = x.floor(), x.ceil(), x.round(), x.round(decimals=1), x.trunc(), x.frac(), x % 0.7, x // 0.7, x.fmod(0.7)
    pairs = trainctl.logaddexp(x, -x), trainctl.hypot(x, x), trainctl.lerp(x, -x, 0.3), trainctl.maximum(x, -x)
    return *powers, *waves, *whole, *pairs, x.clamp(-0.5, 0.5), x.clamp(min=0), x.copysign(-x), x.nan_to_num()


def logical(x: Any) -> Any:
    few = (x * 3).long()
    tests = (x > 0) & (x < 1), ~(x > 0), (x > 0) | (x < -1), x.isnan(), x.isinf(), x.isfinite(), x != 0, x.signbit()
    return *tests, trainctl.where(x > 0, x, 0.0), few // 2, few % 2, few == 1, few.isnan(), x.any(1), x.all()


def reduced(x: Any) -> Any:
    means = x.sum(0), x.mean(), x.mean(1, keepdim=True), x.std(1), x.var(1, correction=0), x.prod(1), x.logsumexp(1)
    norms = x.norm(), x.norm(1, 1), x.norm(float("inf"), 1), x.norm(3, 1), F.normalize(x), x.cumsum(1), x / x.shape[0]
    return *means, *norms, x.amax(1), x.argmax(1), x.argmin(), *x.max(1), x.min(), trainctl.topk(x, 2), x.sort(1)


def indexed(x: Any) -> Any:
    rows, names = trainctl.arange(x.shape[0]), trainctl.tensor([[0, 1]])
    edges = trainctl.tensor([-1.0, 0.0, 1.0])
    read = (
        x[rows, 1],
        x[:, trainctl.tensor([2, 0])],
        x.gather(1, names.expand(x.shape[0], 2)),
        F.one_hot(x.argmax(1), 4),
    )
    return *read, trainctl.searchsorted(edges, x), x.index_select(1, trainctl.tensor([3])), x + trainctl.arange(4)


def products(x: Any) -> Any:
    weight = trainctl.arange(8.0).reshape(2, 4)
    parts = F.linear(x, weight), x @ weight.T, trainctl.einsum("bi,bj->bij", x, x), trainctl.cdist(x, x)
    return *parts, x.matmul(x.t()), F.scaled_dot_product_attention(*[x.reshape(-1, 2, 2)] * 3, is_causal=True)


FORWARDS = (
    written_into_zeros, changed_behind_a_view, masked_in_place, columns_in_place, causal, shapes, joined, elementwise,
    logical, reduced, indexed, products,
)  # fmt: skip


@pytest.mark.parametrize("function", FORWARDS, ids=lambda each: each.__name__)
def test_a_forward_is_the_same_on_onnx_runtime(function):
    trainctl.manual_seed(0)
    report = export(Doing(function), trainctl.randn(3, 4)).report
    assert report is not None
    assert report.sizes == [1, 2, 7, 3, 6]


def drawn(x: Any) -> Any:
    return x + trainctl.randn_like(x)


def dropped(x: Any) -> Any:
    return F.dropout(x, 0.5, training=True)


def branching(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


def reading(x: Any) -> Any:
    return x * x.max().item()


def of_any_length(x: Any) -> Any:
    return x[x > 0]


def sized(x: Any) -> Any:
    return x * 2 if x.shape[0] > 3 else x + 1


def inverse(x: Any) -> Any:
    return trainctl.linalg.inv(x[:, :, None] * x[:, None] + trainctl.eye(4))


REFUSED = {
    drawn: "a tensor is made anew",
    dropped: "draws random numbers",
    branching: r"test_export.py:\d+: bool\(\) reads a value",
    reading: r"test_export.py:\d+: item\(\) reads a value",
    of_any_length: "depend on values",
    sized: "other things for other sizes: Add, Mul",
    inverse: "ONNX has no operator for Inverse",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda each: each.__name__)
def test_what_a_graph_cannot_say_is_refused(function):
    with pytest.raises(OnnxExporterError, match=REFUSED[function]) as raised:
        export(Doing(function), trainctl.randn(3, 4))
    assert raised.value.hint


def test_numbers_that_are_drawn_show_without_dynamic_sizes_too():
    with pytest.raises(OnnxExporterError):
        export(Doing(drawn), trainctl.randn(3, 4), dynamic_axes={})


def test_a_shape_that_follows_the_batch_otherwise_than_traced_is_told_of():
    with pytest.raises(ParityError, match=r"output at batch 1: ONNX Runtime gives shape \[1, 4\].*\[4\]"):
        export(Doing(lambda x: x.squeeze()), trainctl.randn(3, 4))


def test_the_first_node_that_differs_is_named(tmp_path, monkeypatch):
    from trainctl.autograd.ops.activation import ReLU
    from trainctl.onnx.converters import CONVERTERS
    from trainctl.onnx.converters.plain import same

    monkeypatch.setitem(CONVERTERS, ReLU, same("Abs"))
    model = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Linear(3, 2))
    with pytest.raises(ParityError, match=r"The first node that differs is 1/0/Abs \(Abs\)") as raised:
        export(model, trainctl.randn(3, 4), tmp_path / "model.onnx")
    assert raised.value.exit_code == 3
    assert not list(tmp_path.iterdir())


def proto(exported: Any) -> Any:
    return onnx.load_from_string(exported.data)


def test_names_are_the_state_dict_s_and_the_forward_s(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    exported = export(model, trainctl.randn(2, 1, 4, 4), tmp_path / "model.onnx", metadata={"b": "2", "a": "1"})
    graph = proto(exported).graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for name, tensor in model.state_dict().items():
        assert name.endswith("num_batches_tracked") or np.array_equal(stored[name], tensor.numpy())
    assert [node.name for node in graph.node] == ["0/Conv", "1/BatchNormalization", "2/Reshape", "3/Gemm"]
    shapes = [
        [d.dim_param or d.dim_value for d in each.type.tensor_type.shape.dim]
        for each in (graph.input[0], graph.output[0])
    ]
    assert shapes == [["batch", 1, 4, 4], ["batch", 3]]
    assert [(each.key, each.value) for each in proto(exported).metadata_props] == [("a", "1"), ("b", "2")]
    assert (tmp_path / "model.onnx").read_bytes() == exported.data


class Several(nn.Module):
    """Two inputs by name, outputs in a tree."""

    def forward(self, a: Any, b: Any = None) -> Any:
        return {"sum": a + b, "parts": (a * 2, b), "same": b}


def test_several_inputs_and_outputs_have_names():
    a, b = trainctl.randn(3, 2), trainctl.randn(3, 2)
    exported = export(Several(), (a,), kwargs={"b": b})
    assert (exported.inputs, exported.outputs) == (["a", "b"], ["sum", "parts_0", "parts_1", "same"])
    named = export(Several(), (a, {"b": b}), input_names=["x", "y"], output_names=["p", "q", "r", "s"])
    assert (named.inputs, named.outputs) == (["x", "y"], ["p", "q", "r", "s"])
    with pytest.raises(OnnxExporterError, match="input_names: expected 2 different names"):
        export(Several(), (a, b), input_names=["x", "x"])


def test_any_dim_may_be_dynamic():
    lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)
    exported = export(lstm, trainctl.randn(2, 5, 4), dynamic_axes={"input": {0: "batch", 1: "time"}})
    graph = proto(exported).graph
    assert [d.dim_param for d in graph.output[0].type.tensor_type.shape.dim][:2] == ["batch", "time"]
    image = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    export(image, trainctl.randn(2, 1, 8, 8), dynamic_axes={"input": [0, 2, 3]})
    with pytest.raises(OnnxExporterError, match="has 2 dims, and no dim 5"):
        export(nn.Linear(4, 3), trainctl.randn(2, 4), dynamic_axes={"input": [5]})


def test_the_operator_set_is_as_old_as_it_can_be():
    x = trainctl.randn(2, 4)
    assert [export(layer, x).opset for layer in (nn.Linear(4, 3), nn.Mish(), nn.GELU())] == [17, 18, 20]
    old = export(nn.GELU(), x, opset_version=17)
    assert old.opset == 17
    assert "Erf" in [node.op_type for node in proto(old).graph.node]
    for version in (16, 22):
        with pytest.raises(OnnxExporterError, match="expected 17 to 21"):
            export(nn.GELU(), x, opset_version=version)


def test_a_model_stays_as_it_is_and_gives_the_same_bytes():
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.BatchNorm1d(3))
    model[1].eval()
    x = trainctl.randn(3, 4)
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}, x.numpy().copy()
    first = export(model, x)
    assert export(model, x).data == first.data
    assert [module.training for module in model] == [True, False, True]
    assert np.array_equal(x.numpy(), before[1])
    assert all(np.array_equal(tensor.numpy(), before[0][name]) for name, tensor in model.state_dict().items())


def test_a_state_that_the_forward_changes_is_refused():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", trainctl.zeros(()))

        def forward(self, x: Any) -> Any:
            self.seen.add_(1)
            return x * self.seen

    with pytest.raises(OnnxExporterError, match="writes to its state seen"):
        export(Counting(), trainctl.randn(2, 3))


def test_too_large_a_model_is_refused_before_it_is_written(monkeypatch):
    from trainctl.onnx import protos

    monkeypatch.setattr(protos, "LARGEST", 2**20 + 10)
    with pytest.raises(OnnxExporterError, match="an ONNX file holds at most"):
        export(nn.Linear(4, 3), trainctl.randn(2, 4))
