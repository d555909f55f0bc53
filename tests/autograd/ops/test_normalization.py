"""Norms over each sample's own features, and vectors scaled to length 1."""

from __future__ import annotations

import pytest

import trainctl
import trainctl.nn.functional as F
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd import grad
from trainctl.autograd.gradcheck import gradgradcheck

F64 = {"dtype": "float64"}
HALF = {"dtype": "float16"}

ROWS = [
    Row("nn.functional.layer_norm", [
        case(A(2, 3), (3,)), case(A(2, 3), (3,), A(3), A(3)), case(A(2, 3), [2, 3], A(2, 3)), case(A(2, 3), (3,), None, A(3)), case(A(5), (5,), A(5), A(5), 0.5),
        case(A(2, 3, 4), (3, 4), weight=A(3, 4), bias=A(3, 4), eps=1e-3), case(A(2, 3, 4), (4,), A(4), A(4)), case(A(0, 3), (3,), A(3), A(3)), case(A(2, 0), (0,)),
        case(A(3, 1), (1,), A(1), A(1)), case(A(3, 4, layout="T"), (4,), A(4), A(4)), case(A(3, 4, layout="step"), (4,), A(4, layout="step")), case(A(2, 3, low=90, high=95, **F64), (3,)),
        case(A(2, 2, 3), (2, 2, 3)),
    ], atol=1e-5),
    Row("nn.functional.rms_norm", [
        case(A(2, 3), (3,)), case(A(2, 3), [3], A(3)), case(A(2, 3, 4), (3, 4), weight=A(3, 4), eps=0.1), case(A(5), (5,)), case(A(0, 3), (3,), A(3)), case(A(2, 0), (0,)), case(A(3, 1), (1,)),
        case(A(3, 4, layout="T"), (4,), A(4)), case(A(2, 3, **F64), (3,), A(3, **F64)), case(A(2, 3, dtype="complex64"), (3,), A(3, dtype="complex64")),
    ], atol=1e-5),
    Row("nn.functional.group_norm", [
        case(A(2, 6, 3), 3), case(A(2, 6, 3), 3, A(6), A(6)), case(A(2, 6), 2, A(6)), case(A(2, 4, 2, 3), 1, weight=A(4), bias=A(4), eps=1e-2), case(A(2, 4, 2, 3), 4), case(A(3, 4, 2, 1, 2), 2, A(4), A(4)),
        case(A(2, 6), 6), case(A(0, 4, 3), 2, A(4), A(4)), case(A(2, 4, 3, layout="T"), 2, A(4), A(4)), case(A(2, 4, 4, layout="step"), 2, A(4, layout="step"), A(4)),
        case(A(1, 4, 5, **F64), 2, A(4, **F64), A(4, **F64)),
    ], atol=1e-5),
    Row("nn.functional.normalize", [
        case(A(2, 3)), case(A(3, 4), dim=0), case(A(3), dim=0), case(A(2, 3, 4), 1.0, -1), case(A(2, 3, 4), p=3.0, dim=(1, 2)), case(A(2, 3), p=float("inf")), case(A(2, 3), eps=10.0), case(A(0, 3)),
        case(A(dtype="float64"), dim=0), case(A(2, 3, dtype="complex64")), case(A(3, 4, layout="T")),
    ], atol=1e-5),
    Row("half layer_norm", [
        case(A(2, 4, **HALF), (4,), A(4, **HALF), A(4, **HALF)), case(A(2, 4, **HALF), (4,), A(4), A(4)),
    ], rtol=1e-3, atol=1e-3, call=lambda lib, *args: lib.nn.functional.layer_norm(*args)),
    Row("half rms_norm", [case(A(2, 4, **HALF), (4,), A(4, **HALF))], rtol=1e-3, atol=1e-3, call=lambda lib, *args: lib.nn.functional.rms_norm(*args)),
    Row("half group_norm", [case(A(2, 4, 3, **HALF), 2, A(4, **HALF), A(4, **HALF))], rtol=1e-3, atol=1e-3, call=lambda lib, *args: lib.nn.functional.group_norm(*args)),
    # at 0 the slope is the inverse of eps, too steep for differences
    Row("rms_norm of zeros", [case(A(2, 3, values=[[0, 0, 0], [1, 2, 3]]))], gradcheck=False, atol=1e-5, call=lambda lib, x: lib.nn.functional.rms_norm(x, (3,))),
    Row("normalize of zeros", [case(A(2, 3, values=[[0, 0, 0], [3, 4, 0]]))], gradcheck=False, call=lambda lib, x: lib.nn.functional.normalize(x)),
]  # fmt: skip

X = A(2, 3, 4)
REFUSALS = [
    Refusal("nn.functional.layer_norm", case(X, 4), TypeError, "tuple of ints, not int"),
    Refusal("nn.functional.layer_norm", case(X, (3,)), RuntimeError, r"\[\*, 3\], but got input of size\[2, 3, 4\]"),
    Refusal("nn.functional.layer_norm", case(X, ()), RuntimeError, "at least 1-dimensional"),
    Refusal("nn.functional.layer_norm", case(X, (4,), A(3)), RuntimeError, r"weight of shape \[3\].*= \[4\]"),
    Refusal("nn.functional.layer_norm", case(X, (3, 4), None, A(4)), RuntimeError, r"bias of shape \[4\].*= \[3, 4\]"),
    Refusal("nn.functional.layer_norm", case(A(2, 3, dtype="int32"), (3,)), NotImplementedError, "layer_norm.*int32"),
    Refusal("nn.functional.layer_norm", case(X, (4,), A(4, **F64)), RuntimeError, "float32.*float64"),
    Refusal("nn.functional.rms_norm", case(X, 4), TypeError, "tuple of ints, not int"),
    Refusal("nn.functional.rms_norm", case(X, (4, 2, 3, 4)), ValueError, "at least 4 dimensions, but got 3"),
    Refusal("nn.functional.rms_norm", case(X, (4,), A(2)), RuntimeError, r"weight of shape \[2\]"),
    Refusal("nn.functional.group_norm", case(X, 2), RuntimeError, r"\[2, 3, 4\] and num_groups=2"),
    Refusal("nn.functional.group_norm", case(X, -1), RuntimeError, "greater than 0, got -1"),
    Refusal("nn.functional.group_norm", case(A(3), 1), RuntimeError, "at least 2 dimensions.*received 1"),
    Refusal("nn.functional.group_norm", case(A(1, 3), 3), ValueError, r"more than 1 value per channel.*\[1, 3\]"),
    Refusal("nn.functional.group_norm", case(X, 3, A(2)), RuntimeError, r"weight of shape \[2\]"),
    Refusal("nn.functional.normalize", case(A(3)), IndexError, "got 1"),
    Refusal("nn.functional.normalize", case(A(2, 3, dtype="int64")), RuntimeError, "int64"),
]

test_values, test_gradient, test_refusal = table("normalization", ROWS, REFUSALS)

NORMS = {
    "layer_norm": lambda x, w, b: F.layer_norm(x, (4,), w, b),
    "rms_norm": lambda x, w, b: F.rms_norm(x, (4,), w),
    "group_norm": lambda x, w, b: F.group_norm(x, 2, w, b),
    "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "instance_norm": lambda x, w, b: F.instance_norm(x.reshape(1, 4, 3), weight=w, bias=b),
}


def leaves():
    trainctl.manual_seed(0)
    return [trainctl.randn(*shape, dtype=trainctl.float64, requires_grad=True) for shape in ((3, 4), (4,), (4,))]


@pytest.mark.parametrize("name", NORMS)
def test_gradients_of_gradients_are_those_of_differences(name):
    x, w, b = leaves()
    if name == "rms_norm":
        assert gradgradcheck(lambda x, w: NORMS[name](x, w, None), (x, w))
    else:
        assert gradgradcheck(NORMS[name], (x, w, b))


@pytest.mark.parametrize("name", NORMS)
def test_the_gradient_does_not_depend_on_whether_it_will_be_differentiated(name):
    inputs = leaves()
    y = NORMS[name](*inputs)
    gy = trainctl.randn_like(y)
    once = grad(y, inputs, gy, retain_graph=True, allow_unused=True)
    again = grad(y, inputs, gy, create_graph=True, allow_unused=True)
    for mine, other in zip(once, again, strict=True):
        assert (mine is None) == (other is None)
        assert mine is None or trainctl.allclose(mine, other, rtol=1e-12, atol=1e-14)


def test_the_variance_is_of_two_passes():
    x = trainctl.tensor([[4096.0, 4097.0, 4098.0, 4099.0]])  # in one pass the squares would lose all of it
    want = F.layer_norm(x.double(), (4,)).float()
    assert trainctl.allclose(F.layer_norm(x, (4,)), want, rtol=1e-5)


def test_the_mean_of_many_rows_does_not_drift():
    x = trainctl.full((30_000, 1), 1000.0) + trainctl.tensor([[0.5], [-0.5]]).repeat(15_000, 1)
    y = F.batch_norm(x, None, None, training=True)
    assert trainctl.allclose(y.abs(), trainctl.ones(()), rtol=1e-4)


def test_normalize_writes_into_out():
    out = trainctl.empty(1, 2)
    assert F.normalize(trainctl.tensor([[3.0, 4.0]]), out=out) is out
    assert trainctl.allclose(out, trainctl.tensor([[0.6, 0.8]]))
