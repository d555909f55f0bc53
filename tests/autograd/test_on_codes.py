"""What ops make of quantized tensors: PyTorch's codes and grids, and refusals where it refuses."""

from __future__ import annotations

import types

import numpy as np
import pytest

import trainctl

pytestmark = pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")

SCALE, ZERO_POINT = 0.05, 100

MOVES = """
X.view(3, -1) | X.reshape(-1, 8) | X.flatten(1) | X.permute(0, 2, 3, 1) | X.transpose(1, 2) | X[1] | X[:, 1:3] | X[..., ::2]
X.unsqueeze(0) | X.squeeze() | X[0, 0, 0, 0] | X.chunk(2, 1)[1] | X.split(2, 1)[0] | X.unbind(0)[2] | X.expand(2, 3, 4, 8, 8)
X.contiguous() | X.clone() | X.detach() | X.flip(1) | X.index_select(1, torch.tensor([1, 0])) | X[torch.tensor([0, 1])]
X.narrow(1, 0, 2) | X.select(1, 0) | X.movedim(0, 1) | X.unflatten(1, (2, 2)) | X.repeat(1, 2, 1, 1) | X.mT | X.diagonal(0, 2, 3)
torch.cat([X, X], 1) | torch.stack([X, X]) | F.channel_shuffle(X, 2) | F.pixel_shuffle(X, 2) | F.dropout(X, 0.5, False)
torch.nn.Flatten()(X) | torch.nn.Identity()(X) | F.pad(X, (1, 1, 1, 1), mode="reflect") | F.embedding(torch.tensor([0]), X[0, 0])
"""
ORDERED = """
X.relu() | X.clone().relu_() | F.relu(X) | torch.nn.ReLU()(X) | torch.nn.ReLU(inplace=True)(X.clone()) | F.relu6(X)
X.clamp(-0.5, 0.5) | F.hardtanh(X) | torch.nn.ReLU6()(X) | F.max_pool2d(X, 2) | F.max_pool2d(X, 3, 2, 1)
F.max_pool2d(X, 2, ceil_mode=True) | F.max_pool1d(X[0], 2) | F.max_pool3d(X.unsqueeze(0), 2) | torch.nn.MaxPool2d(2)(X)
X.max() | X.min() | X.max(1)[0] | X.sort(1)[0] | X.topk(2)[0] | X.masked_fill(X > 0, 0.0)
"""
ROUNDED = """
F.avg_pool2d(X, 2) | F.avg_pool2d(X, 3, 2, 1) | F.avg_pool2d(X, 3, 2, 1, count_include_pad=False)
F.avg_pool3d(X.unsqueeze(0), 2) | F.avg_pool1d(X[0], 2) | F.adaptive_avg_pool2d(X, 1) | F.adaptive_avg_pool2d(X, (3, 2))
F.adaptive_avg_pool3d(X.unsqueeze(0), 2) | F.interpolate(X, scale_factor=2) | F.interpolate(X, size=(5, 5), mode="bilinear")
X.mean((2, 3)) | X.mean() | X.mean(1, keepdim=True) | X.sigmoid() | X.tanh() | F.hardsigmoid(X) | F.leaky_relu(X, 0.1)
F.pad(X, (1, 1, 1, 1)) | torch.nn.Upsample(scale_factor=2)(X)
"""
REFUSED = """
X + X | X * 2 | -X | X.sum() | X.abs() | X.softmax(1) | X @ X | X.float() | X.half() | X.bool() | X.isnan() | X.any()
F.conv2d(X, X) | F.layer_norm(X, (8,)) | F.silu(X) | torch.where(X > 0, X, X) | F.dropout(X, 0.5, True) | X.median()
X.clone().zero_() | torch.zeros_like(X) | F.batch_norm(X, torch.zeros(4), torch.ones(4)) | F.prelu(X, torch.ones(1))
torch.cat([X, W]) | W[0, :1] + W | W.relu()
"""


def expressions(text: str) -> list[str]:
    return [each.strip() for line in text.strip().splitlines() for each in line.split("|")]


def tensors(library: types.ModuleType, seed: int = 0) -> dict[str, object]:
    """Return what the expressions name: X with one grid, W with one for each channel."""
    x = library.from_numpy(np.random.default_rng(seed).normal(size=(3, 4, 8, 8)).astype(np.float32))
    quantized = library.quantize_per_tensor(x, SCALE, ZERO_POINT, library.quint8)
    scales, zero_points = library.tensor([0.05, 0.1, 0.2]), library.zeros(3, dtype=library.int64)
    of_channels = library.quantize_per_channel(x, scales, zero_points, 0, library.qint8)
    return {"X": quantized, "W": of_channels, "torch": library, "F": library.nn.functional}


def value(expression: str, library: types.ModuleType) -> object:
    return eval(expression, tensors(library))


@pytest.mark.parametrize("expression", [*expressions(MOVES), *expressions(ORDERED)])
def test_what_keeps_codes_keeps_the_grid(expression):
    y = value(expression, trainctl)
    assert (y.q_scale(), y.q_zero_point(), y.dtype) == (SCALE, ZERO_POINT, trainctl.quint8)
    names = tensors(trainctl)
    wanted = eval(expression, {**names, "X": names["X"].dequantize()})
    assert y.dequantize().allclose(wanted)


@pytest.mark.parametrize("expression", expressions(ROUNDED))
def test_what_is_rounded_is_within_half_a_step_or_at_the_grid_s_end(expression):
    y, names = value(expression, trainctl), tensors(trainctl)
    wanted = eval(expression, {**names, "X": names["X"].dequantize()})
    ends = (y.int_repr() == 255) & (wanted > y.dequantize())
    assert ((y.dequantize() - wanted).abs() <= y.q_scale() * 0.51).logical_or(ends).all()


@pytest.mark.parametrize("expression", [*expressions(MOVES), *expressions(ORDERED), *expressions(ROUNDED)])
def test_codes_are_pytorch_s(expression):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    ours, theirs = value(expression, trainctl), value(expression, torch)
    assert (ours.q_scale(), ours.q_zero_point()) == (theirs.q_scale(), theirs.q_zero_point())
    steps = np.abs(ours.int_repr().numpy().astype(int) - theirs.int_repr().numpy().astype(int))
    ties = 1 if expression in expressions(ROUNDED) else 0  # means of codes lie half-way between two often
    assert steps.shape == tuple(theirs.shape)
    assert steps.max() <= ties
    assert (steps > 0).mean() <= 0.02


@pytest.mark.parametrize("expression", expressions(REFUSED))
def test_the_rest_is_refused(expression):
    with pytest.raises((NotImplementedError, RuntimeError)):
        value(expression, trainctl)


@pytest.mark.parametrize("expression", expressions(REFUSED))
def test_pytorch_refuses_it_too(expression):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    with pytest.raises((NotImplementedError, RuntimeError)):
        value(expression, torch)


def test_a_refusal_says_what_to_do():
    with pytest.raises(NotImplementedError, match=r"Could not run 'aten::add' .* 'QuantizedCPU' .* DeQuantStub"):
        value("X + X", trainctl)


def test_comparisons_are_of_numbers():
    names = tensors(trainctl)
    x, other = names["X"], trainctl.quantize_per_tensor(names["X"].dequantize(), 0.1, 3, trainctl.quint8)
    assert (x > other).equal(x.dequantize() > other.dequantize())
    assert (x == x).all()
    for number in (0, 0.3, True):
        assert (x > number).equal(x.dequantize() > number)
    assert x.argmax().item() == x.dequantize().argmax().item()
    assert x.max(1)[1].equal(x.dequantize().max(1)[1])


def test_views_share_memory():
    x = tensors(trainctl)["X"]
    x[0].fill_(1.0)
    assert (x.dequantize()[0] - 1).abs().max() < 1e-6
    assert x.view(-1).data_ptr() == x.data_ptr()
