"""Quantization-aware training in two calls before an ordinary loop."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import trainctl
from trainctl import nn, quantization
from trainctl.nn import quantized as nnq
from trainctl.quantization import quantize_inference, quantize_weight


def net():
    trainctl.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def train(model, steps=5):
    optimizer, draw = trainctl.optim.SGD(model.parameters(), lr=0.1), np.random.RandomState(0)
    model.train()
    for _ in range(steps):
        x = trainctl.from_numpy(draw.standard_normal((16, 6)).astype(np.float32))
        loss = ((model(x) - x[:, :3]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def on_grid(weight):
    """Return whether each channel of a weight is whole steps of its largest magnitude over 127."""
    rows = weight.detach().numpy().reshape(len(weight), -1)
    steps = rows / (np.abs(rows).max(1, keepdims=True) / 127)
    return np.abs(steps - steps.round()).max() < 1e-3


X = trainctl.from_numpy(np.random.RandomState(1).standard_normal((32, 6)).astype(np.float32))


@pytest.mark.parametrize("calls", [(quantize_inference, quantize_weight), (quantize_weight, quantize_inference)])
@pytest.mark.parametrize("times", [1, 2])
def test_both_calls_in_either_order_once_or_twice(calls, times):
    model = net()
    parameters = list(model.parameters())
    for call in calls * times:
        call(model, {nn.Linear})
    assert all(mine is own for mine, own in zip(model.parameters(), parameters, strict=True))
    assert [len(each._forward_hooks) + len(each._forward_pre_hooks) for each in model] == [2, 0, 2]
    first = train(model, 1)
    assert train(model, 20) < first
    converted = quantization.convert(model.eval())
    assert [type(each) for each in converted] == [nnq.Linear, nn.ReLU, nnq.Linear]
    assert all(on_grid(each.weight().dequantize()) for each in (converted[0], converted[2]))
    steps = converted[0].scale + converted[2].scale
    np.testing.assert_allclose(converted(X).detach(), model(X).detach(), atol=1.01 * steps)
    assert converted(X).dtype is trainctl.float32


def test_the_order_of_the_calls_changes_nothing():
    one, other = net(), net()
    quantize_inference(one, {nn.Linear})
    quantize_weight(one, {nn.Linear})
    quantize_weight(other, {nn.Linear})
    quantize_inference(other, {nn.Linear})
    assert train(one) == train(other)
    assert one.state_dict().keys() == other.state_dict().keys()


def test_weights_are_rounded_and_gradients_pass_through():
    model = net()
    quantize_weight(model, {nn.Linear})
    layer, seen = model[0], []
    layer.weight_fake_quant.register_forward_hook(lambda module, args, output: seen.append(output))
    model(X).sum().backward()
    assert on_grid(seen[0])
    assert not on_grid(layer.weight)
    assert layer.weight.grad.abs().sum() > 0
    assert layer.weight_fake_quant.scale.shape == (8,)


def test_weights_alone_are_float_numbers_on_the_grid_in_the_end():
    model = net()
    quantize_weight(model, {nn.Linear})
    train(model)
    converted = quantization.convert(model.eval())
    assert [type(each) for each in converted] == [nn.Linear, nn.ReLU, nn.Linear]
    assert on_grid(converted[0].weight)
    np.testing.assert_allclose(converted(X).detach(), model(X).detach(), rtol=1e-6, atol=1e-6)
    assert not any("fake_quant" in key for key in converted.state_dict())


def test_inputs_and_outputs_alone_leave_the_weights_to_convert():
    model = net()
    quantize_inference(model, {nn.Linear})
    train(model)
    assert type(model[0]) is nn.Linear
    converted = quantization.convert(model.eval())
    assert on_grid(converted[0].weight().dequantize())
    np.testing.assert_allclose(converted(X).detach(), model(X).detach(), atol=0.1)


def test_layers_after_the_optimizer_was_made_are_trained_by_it():
    model = net()
    optimizer = trainctl.optim.SGD(model.parameters(), lr=0.1)
    quantize_weight(model, {nn.Linear})
    quantize_inference(model, {nn.Linear})
    before = model[0].weight.detach().clone()
    model(X).sum().backward()
    optimizer.step()
    assert not trainctl.equal(model[0].weight, before)


def test_a_layer_that_is_kept_elsewhere_too_is_changed_there():
    model = net()
    kept = [model[0]]
    quantize_weight(model, {nn.Linear})
    assert kept[0] is model[0]
    assert hasattr(kept[0], "weight_fake_quant")


def test_ranges_are_those_of_training_not_of_evaluation():
    model = net()
    quantize_inference(model, {nn.Linear})
    train(model)
    state = {key: each.clone() for key, each in model.state_dict().items()}
    model.eval()(1000 * X)
    assert all(trainctl.equal(each, state[key]) for key, each in model.state_dict().items())
    loaded = net()
    quantize_inference(loaded, {nn.Linear})
    loaded.load_state_dict(state)
    assert trainctl.equal(loaded.eval()(X), model(X))
    loaded.train()(1000 * X)
    assert loaded[0].input_fake_quant.scale > state["0.input_fake_quant.scale"]


def test_a_model_that_is_only_evaluated_is_calibrated_by_that():
    model = net().eval()
    quantize_inference(model, {nn.Linear})
    wanted = net().eval()(X)
    for _ in range(3):
        model(X)
    np.testing.assert_allclose(quantization.convert(model)(X).detach(), wanted.detach(), atol=0.05)
    assert not model[0].input_fake_quant.training


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv1d(2, 3, 2), (4, 2, 5)),
        (nn.Conv2d(2, 4, 2, groups=2, bias=False), (4, 2, 5, 5)),
        (nn.Conv3d(2, 3, 2), (2, 2, 3, 3, 3)),
        (nn.Linear(4, 3), (2, 5, 4)),
    ],
)
def test_each_kind_of_layer(layer, size):
    model = nn.Sequential(copy.deepcopy(layer))
    quantize_inference(model, {type(layer)})
    quantize_weight(model, {type(layer)})
    x = trainctl.randn(*size)
    model(x).sum().backward()
    model.eval()
    converted = quantization.convert(model)
    assert type(converted[0]) is getattr(nnq, type(layer).__name__)
    np.testing.assert_allclose(converted(x).detach(), model(x).detach(), atol=1.01 * converted[0].scale)


@pytest.mark.parametrize("make", [nn.Embedding, nn.EmbeddingBag])
def test_a_table_is_rounded_by_rows(make):
    model = nn.Sequential(make(6, 8))
    indices = trainctl.tensor([[0, 5], [1, 1]])
    wanted = model(indices)
    quantize_weight(model, {make})
    rounded = model(indices)
    np.testing.assert_allclose(rounded.detach(), wanted.detach(), atol=0.05)
    assert not trainctl.equal(rounded, wanted)
    rounded.sum().backward()
    assert model[0].weight.grad.abs().sum() > 0
    converted = quantization.convert(model.eval())
    np.testing.assert_allclose(converted(indices).detach(), rounded.detach(), atol=1e-5)
    assert type(converted[0]) is getattr(nnq, make.__name__)


def test_an_activation_s_inputs_and_outputs_can_be_rounded():
    model = net()
    quantize_inference(model, {nn.ReLU})
    train(model)
    assert not set(model[1].state_dict()) ^ {
        f"{name}.{key}"
        for name in ("input_fake_quant", "activation_post_process")
        for key in model[1].input_fake_quant.state_dict()
    }
    converted = quantization.convert(model.eval())
    assert type(converted[1]) is nn.ReLU
    assert not converted[1]._forward_hooks
    assert not converted[1].state_dict()


def test_a_copy_goes_its_own_way():
    model = net()
    quantize_inference(model, {nn.Linear})
    quantize_weight(model, {nn.Linear})
    other = copy.deepcopy(model)
    train(model)
    assert not trainctl.equal(other[0].weight, model[0].weight)
    assert other[0].input_fake_quant.trained.item() == 0


def test_the_top_module_itself():
    layer = nn.Linear(6, 3)
    quantize_weight(layer, {nn.Linear})
    quantize_inference(layer, nn.Linear)
    layer(X).sum().backward()
    assert on_grid(layer.weight_fake_quant(layer.weight))


@pytest.mark.parametrize("call", [quantize_weight, quantize_inference])
def test_types_that_are_not_there(call):
    with pytest.raises(
        ValueError, match=r"the model has no Conv2d; it has Sequential \(1\), Linear \(2\), ReLU \(1\)$"
    ):
        call(net(), {nn.Linear, nn.Conv2d})
    with pytest.raises(ValueError, match=r"has no Conv1d and no Conv2d"):
        call(net(), {nn.Conv2d, nn.Conv1d})
    model = net()
    quantize_inference(model, {nn.Linear})
    with pytest.raises(ValueError, match=r"it has Sequential \(1\), Linear \(2\), ReLU \(1\)$"):
        call(model, {nn.GRU})


@pytest.mark.parametrize("call", [quantize_weight, quantize_inference])
@pytest.mark.parametrize("types", ["Linear", {"Linear"}, None, {3}, [nn.Linear(1, 1)], {int}])
def test_what_is_no_set_of_types(call, types):
    with pytest.raises(TypeError, match=rf"{call.__name__} takes a set of module types, such as {{nn.Linear}}; got"):
        call(net(), types)


@pytest.mark.parametrize("call", [quantize_weight, quantize_inference])
def test_an_empty_set(call):
    with pytest.raises(ValueError, match="the set of module types is empty"):
        call(net(), set())


def test_a_layer_without_weights_to_round():
    model = net()
    with pytest.raises(ValueError, match=r"^quantize_weight takes Linear, Conv1d, .*, EmbeddingBag; got ReLU$"):
        quantize_weight(model, {nn.ReLU, nn.Linear})
    assert type(model[0]) is nn.Linear


def test_a_subclass_keeps_what_it_does():
    class Doubled(nn.Linear):
        def forward(self, input):
            return 2 * super().forward(input)

    with pytest.raises(ValueError, match=r"the model has no Linear; it has Sequential \(1\), Doubled \(1\)"):
        quantize_weight(nn.Sequential(Doubled(1, 1)), {nn.Linear})


def test_attention_s_own_layer_is_left_to_it():
    model = nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True))
    quantize_weight(model, {nn.Linear})
    quantize_inference(model, {nn.Linear})
    x = trainctl.randn(2, 3, 4)
    model(x).sum().backward()
    assert quantization.convert(model.eval())(x).shape == (2, 3, 4)
