"""Fake quantization: PyTorch's bits, in every type and at both ends of the range."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

F64, HALF = {"dtype": "float64"}, {"dtype": "float16"}
ENDS = [float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 9.3e18, 3e9, 0.0, -0.0, 0.15, 0.25, -0.35, 12.75, 12.85]


def scale(*values, **kwargs):
    return A(len(values), values=values, grad=False, **kwargs)


def codes(*values, dtype="int32"):
    return A(len(values), values=values, dtype=dtype, grad=False)


def fused(lib, x, *options):
    """Two steps of the fused op, of which the second one does not observe, and what they leave behind."""
    ends = ([], []) if options[-2] else (float("inf"), float("-inf"))
    kept = [*map(lib.tensor, ends), lib.ones(1), lib.zeros(1, dtype=lib.int32), lib.ones(1), lib.zeros(1)]
    *kept, on, off = (each.to(x.device) for each in kept)
    first = lib.fused_moving_avg_obs_fake_quant(x, on, on, *kept, *options)
    more = lib.fused_moving_avg_obs_fake_quant(2 * x.detach(), on, off, *kept, *options)
    last = lib.fused_moving_avg_obs_fake_quant(x.detach() + 1, off, on, *kept, *options)
    return [first, more, last, *(each.clone() for each in kept)]


TENSOR = [
    case(A(3, 4), 0.1, 3, 0, 255), case(A(3, 4), 0.03, 0, -8, 7), case(A(), 0.1, 0, 0, 255), case(A(0, 3), 0.1, 0, 0, 255),
    case(A(3, 4, **F64), 0.1, 3, 0, 255), case(A(3, 4, **HALF), 0.1, 3, 0, 15), case(A(3, 4, layout="T"), 0.1, 3, 0, 15),
    case(A(3, 4, layout="step"), 0.1, 3, 0, 15), case(A(14, values=ENDS), 0.1, 3, 0, 255),
    case(A(14, values=ENDS), 0.05, -3, -128, 127), case(A(14, values=ENDS, **F64), 0.05, -3, -128, 127),
    case(A(14, values=ENDS), 1.0, 0, -(2**31), 2**31 - 1), case(A(3), 0.0, 0, 0, 255), case(A(3), float("nan"), 0, 0, 255),
    case(A(3), float("inf"), 0, 0, 255), case(A(3, 4), 0.1, 3, 3, 3),
    case(A(3, 4), scale(0.1), codes(3), 0, 255), case(A(3, 4), A(values=0.1, grad=False), A(values=3, dtype="int64"), 0, 15),
    case(A(3, 4), scale(0.1), codes(300), 0, 255),
]  # fmt: skip
S3, Z3 = scale(0.1, 0.02, 0.7), codes(0, 3, -5)
CHANNEL = [
    case(A(2, 3), S3, Z3, 1, -8, 7), case(A(3, 2, 2), S3, Z3, 0, -128, 127), case(A(2, 3, 2, **F64), S3, Z3, 1, -8, 7),
    case(A(2, 3, **HALF), S3, Z3, 1, -8, 7), case(A(2, 3), S3, codes(0.5, -3.25, 2.0, dtype="float32"), 1, 0, 15),
    case(A(2, 3), S3, codes(0.5, -3.25, 2.0, dtype="float16"), 1, 0, 15), case(A(0, 3), S3, Z3, 1, -8, 7),
    case(A(3, 0), S3, Z3, 0, -8, 7), case(A(14, 1, values=[[each] for each in ENDS]), scale(0.1), codes(3), 1, 0, 255),
    case(A(3, 4, layout="T"), S3, Z3, 0, -8, 7),
]  # fmt: skip
WIDE = {"low": -20.0, "high": 20.0}
LEARNED = [
    case(A(3, 4, **WIDE), A(1, low=0.5, high=1), A(1), 0, 15, 0.25), case(A(3, 4), A(1, values=[0.5]), A(1, values=[1.5]), 0, 3),
    case(A(3, 4, **WIDE), A(1, low=0.5, high=1), A(1, values=[300.0]), -8, 7), case(A(), A(1, low=0.5, high=1), A(1), 0, 15),
]  # fmt: skip
LEARNED_CHANNEL = [
    case(A(3, 4, **WIDE), A(3, low=0.5, high=1), A(3), 0, -8, 7, 0.25), case(A(2, 3, 2), A(3, low=0.5, high=1), A(3), 1, 0, 3),
]  # fmt: skip
FUSED = [
    case(A(4, 6), 0.01, 0, 255, -1, False, False), case(A(4, 6), 0.3, -127, 127, -1, False, True),
    case(A(4, 6, low=1), 0.01, -8, 7, 0, True, True), case(A(3, 2, 2, high=-1), 0.01, 0, 15, 0, True, False),
    case(A(4, values=[0, 0, 0, 1e-9]), 0.01, 0, 255, -1, False, False), case(A(2, 2, high=1e-4), 0.5, 0, 255, -1, False, True),
    case(A(1, values=[0.0]), 0.01, 0, 255, -1, False, False),
]  # fmt: skip
ROWS = [
    Row("fake_quantize_per_tensor_affine", TENSOR, gradcheck=False, rtol=0, atol=0),
    Row("fake_quantize_per_channel_affine", CHANNEL, gradcheck=False, rtol=0, atol=0),
    Row("_fake_quantize_learnable_per_tensor_affine", LEARNED, gradcheck=False),
    Row("_fake_quantize_learnable_per_channel_affine", LEARNED_CHANNEL, gradcheck=False),
    Row("fused_moving_avg_obs_fake_quant", FUSED, gradcheck=False, rtol=0, atol=0, call=fused),
]

TENSOR_NAME, CHANNEL_NAME = ROWS[0].name, ROWS[1].name
X = A(2, 3)
REFUSALS = [
    Refusal(TENSOR_NAME, case(X, 0.1, 0, 5, 2), RuntimeError, r"`quant_min` should be less.*\[5, 2\]"),
    Refusal(TENSOR_NAME, case(X, 0.1, 300, 0, 255), RuntimeError, r"`zero_point` must be between.*300.*\[0, 255\]"),
    Refusal(TENSOR_NAME, case(A(2, dtype="int64"), 0.1, 0, 0, 255), NotImplementedError, "int64"),
    Refusal(TENSOR_NAME, case(X, scale(0.1, 0.2), codes(0), 0, 255), RuntimeError, "2 elements cannot be converted"),
    Refusal(TENSOR_NAME, case(X, A(1), codes(0), 0, 255), RuntimeError, "not differentiable.*'scale'.*learnable_per_tensor"),
    Refusal(TENSOR_NAME, case(X, 0.1, codes(0), 0, 255), TypeError, "float and Tensor"),
    Refusal(TENSOR_NAME, case(X, 0.1, 0.5, 0, 255), TypeError, "float and float"),
    Refusal(TENSOR_NAME, case(1.0, 0.1, 0, 0, 255), TypeError, "input"),
    Refusal(CHANNEL_NAME, case(X, S3, Z3, 0, -8, 7), RuntimeError, r"not consistent.*3 for 2 channels along dim 0.*\[2, 3\]"),
    Refusal(CHANNEL_NAME, case(X, S3, Z3, 2, -8, 7), IndexError, r"\[2, 3\].*got 2"),
    Refusal(CHANNEL_NAME, case(X, S3, Z3, -1, -8, 7), RuntimeError, "`axis` must be between.*-1"),
    Refusal(CHANNEL_NAME, case(X, scale(1, 2, 3, **F64), Z3, 1, -8, 7), RuntimeError, "Scale must be Float.*float64"),
    Refusal(CHANNEL_NAME, case(X, S3, codes(0, 0, 0, dtype="int64"), 1, -8, 7), RuntimeError, "Zero-point must be.*int64"),
    Refusal(CHANNEL_NAME, case(X, S3, codes(0, 0, 99), 1, -8, 7), RuntimeError, r"`zero_point` must be.*99.*\[-8, 7\]"),
    Refusal(CHANNEL_NAME, case(X, S3, codes(0, 0), 1, -8, 7), RuntimeError, "same dimensions, got 3 and 2"),
    Refusal(CHANNEL_NAME, case(X, A(1, 3, grad=False), Z3, 1, -8, 7), RuntimeError, r"scale should be a 1-D.*\[1, 3\]"),
    Refusal(CHANNEL_NAME, case(X, S3, Z3, 1, 7, -8), RuntimeError, r"`quant_min` should be less.*\[7, -8\]"),
    Refusal(CHANNEL_NAME, case(A(2, 3, dtype="int64"), S3, Z3, 1, -8, 7), NotImplementedError, "int64"),
    Refusal(CHANNEL_NAME, case(X, 0.1, Z3, 1, -8, 7), TypeError, "scale"),
    Refusal(ROWS[4].name, case(X, 0.01, 0, 255, 1, True, False), RuntimeError, "only supported on axis == 0, got 1", fused),
    Refusal(ROWS[4].name, case(X, 0.01, 0, 255, 2, False, False), RuntimeError, r"ch_axis must be < self.dim.*\[2, 3\]", fused),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("fake_quantize", ROWS, REFUSALS)


@pytest.mark.parametrize(
    ("scale", "zero_point", "low", "high", "what"),
    [(1, 0, 3, 255, r"\[3, 255\]"), (1, 0, 5, 2, r"\[5, 2\]"), ((1, 1), 0, 0, 7, r"scale, of shape \[1\], got \[2\]")],
)
def test_what_cannot_be_learned(scale, zero_point, low, high, what):
    scale = trainctl.tensor(scale if isinstance(scale, tuple) else [scale]).float()
    with pytest.raises(RuntimeError, match=what):
        trainctl._fake_quantize_learnable_per_tensor_affine(trainctl.ones(2), scale, trainctl.zeros(1), low, high)


def test_what_is_learned_is_float32():
    ones = trainctl.ones(1)
    with pytest.raises(RuntimeError, match="float64 as input"):
        trainctl._fake_quantize_learnable_per_tensor_affine(ones.double(), ones, ones, 0, 7)
    with pytest.raises(RuntimeError, match="int64 as zero_point"):
        trainctl._fake_quantize_learnable_per_tensor_affine(ones, ones, ones.long(), 0, 7)


def test_the_gradient_can_be_differentiated_again():
    x = trainctl.tensor([0.3, 99.0], requires_grad=True)
    y = trainctl.fake_quantize_per_tensor_affine(x * x, 0.1, 0, 0, 255)
    (gx,) = trainctl.autograd.grad(y.sum(), x, create_graph=True)
    gx.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0]


def test_bfloat16_is_rounded_once():
    x = trainctl.tensor([0.3, 1.01, -9.0]).bfloat16()
    y = trainctl.fake_quantize_per_tensor_affine(x, 0.1, 3, 0, 15)
    exact = trainctl.fake_quantize_per_tensor_affine(x.float(), 0.1, 3, 0, 15)
    assert y.dtype is trainctl.bfloat16
    assert y.tolist() == exact.bfloat16().tolist()


def test_the_layout_of_the_input_is_kept():
    x = trainctl.rand(3, 4).t()
    assert trainctl.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255).stride() == x.stride()


def test_the_fused_op_leaves_everything_alone_where_there_is_nothing_to_see():
    on, low, high = trainctl.ones(1), trainctl.tensor(float("inf")), trainctl.tensor(float("-inf"))
    grid = trainctl.ones(1), trainctl.zeros(1, dtype=trainctl.int32)
    y = trainctl.fused_moving_avg_obs_fake_quant(trainctl.zeros(0, 3), on, on, low, high, *grid, 0.01, 0, 255, -1)
    assert y.shape == (0, 3)
    assert (low.item(), high.item(), grid[0].item()) == (float("inf"), -float("inf"), 1.0)


def test_the_fused_op_watches_over_the_number_of_rows():
    kept = [trainctl.tensor([]), trainctl.tensor([]), trainctl.ones(1), trainctl.zeros(1, dtype=trainctl.int32)]
    on = trainctl.ones(1)
    trainctl.fused_moving_avg_obs_fake_quant(trainctl.rand(3, 4), on, on, *kept, 0.01, 0, 255, 0, True)
    with pytest.raises(RuntimeError, match="of 3 rows, but the input has 5"):
        trainctl.fused_moving_avg_obs_fake_quant(trainctl.rand(5, 4), on, on, *kept, 0.01, 0, 255, 0, True)


def test_half_precision_and_float64_are_observed_too():
    """PyTorch's fused op takes float32 alone; mixed precision trains with it here."""
    for dtype in (trainctl.float16, trainctl.bfloat16, trainctl.float64):
        on, low, high = trainctl.ones(1), trainctl.tensor(float("inf")), trainctl.tensor(float("-inf"))
        grid = trainctl.ones(1), trainctl.zeros(1, dtype=trainctl.int32)
        x = trainctl.tensor([0.0, 0.5, 1.5]).to(dtype)
        y = trainctl.fused_moving_avg_obs_fake_quant(x, on, on, low, high, *grid, 0.01, 0, 15, -1)
        assert y.dtype is dtype
        np.testing.assert_allclose(y.float().tolist(), [0.0, 0.5, 1.5], rtol=1e-2)
        assert (low.dtype, high.item()) == (trainctl.float32, 1.5)
