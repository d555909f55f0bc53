"""Padding against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F

MODES = ("reflect", "replicate", "circular")
SIDES = [
    case(A(2, 4), (1, 2)), case(A(1, 2, 4), (3, 0)), case(A(2, 4), (0, 3)), case(A(2, 4), (0, 0)), case(A(2, 4), (3, 3)), case(A(0, 2, 4), (1, 1)),
    case(A(2, 3, 4), (1, 2, 0, 1)), case(A(1, 2, 3, 4), [3, 3, 2, 2]), case(A(2, 3, 4, layout="T"), (1, 1, 1, 1)), case(A(2, 3, 4, layout="step"), (1, 1, 1, 1)),
    case(A(2, 2, 3, 3), (1, 1, 1, 1, 0, 1)), case(A(1, 1, 2, 3, 3), (1, 2, 2, 1, 1, 1)), case(A(2, 4, dtype="int64", low=-9, high=9), (2, 1)), case(A(2, 4, dtype="complex64"), (2, 1)),
    case(A(2, 4, dtype="float64"), (2, 1)), case(A(2, 4), (1, 1), value=0),
]  # fmt: skip
CUT = [case(A(2, 6), (-1, 2)), case(A(2, 6), (-4, 4)), case(A(2, 6), (-2, -3)), case(A(1, 5, 6), (-1, 2, 2, -1))]  # fmt: skip


def in_mode(mode, more=()):
    cases = [case(*each.args, mode, **each.kwargs) for each in [*SIDES, *more]]
    return Row(f"pad {mode}", cases, call=lambda lib, *args, **kwargs: lib.nn.functional.pad(*args, **kwargs))


ROWS = [
    Row("nn.functional.pad", [
        case(A(2, 3), (1, 2)), case(A(2, 3), (1, 2, 0, 1), "constant", 0.5), case(A(2, 3), [-1, 2], value=3), case(A(2, 3), (1, 0), value=None), case(A(3, dtype="int64"), (1, 1), value=1.5),
        case(A(4), (1, 1)), case(A(), ()), case(A(2, 3, 4, 5, 6), (1,) * 10),
    ]),
    in_mode("reflect", CUT), in_mode("replicate", [*CUT, case(A(2, 3), (7, 9)), case(A(1, 1, 1), (2, 2))]), in_mode("circular", [case(A(2, 3), (3, 3)), case(A(2, 6), (-1, 2)), case(A(2, 0, 3), (1, 1)), case(A(2, 3, dtype="bool"), (1, 1))]),
    Row("constant_pad_nd", [
        case(A(2, 3), (1, 2)), case(A(2, 3), (1, 2, 0, 1), 0.5), case(A(2, 3), [0, 1, 2, 0], -1), case(A(2, 3), (-1, 2)), case(A(2, 3), (-1, -2)), case(A(2, 3), (-1, -1, 1, 1), 3), case(A(2, 3), ()), case(A(2, 3), (0, 0)),
        case(A(), ()), case(A(0, 3), (1, 1)), case(A(0, 3), (0, 0, 1, 1), 2), case(A(2, 3, 4), (1, 1, 1, 1, 1, 1)), case(A(2, 3, layout="T"), (1, 1)), case(A(2, 3, layout="step"), (0, 2)),
        case(A(3, dtype="int64"), (1, 1), 2.7), case(A(3, dtype="bool"), (1, 1), 1), case(A(3, dtype="uint8"), (1, 0), -1), case(A(2, dtype="complex64"), (1, 1), 1j), case(A(2, 3), pad=(1, 1), value=2.5),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.pad", case(A(2, 3), (1,)), RuntimeError, "divisible by 2, got 1"),
    Refusal("nn.functional.pad", case(A(2, 3), 1), TypeError, "tuple of ints, got 1"),
    Refusal("nn.functional.pad", case(A(2, 3), (1.0, 1)), TypeError, "tuple of ints"),
    Refusal("nn.functional.pad", case(A(2, 3), (1, 1), "mirror"), NotImplementedError, "mirror.*reflect, replicate or circular"),
    Refusal("nn.functional.pad", case(A(2, 3), (1, 1), "reflect", 1.0), RuntimeError, "doesn't take in value"),
    Refusal("nn.functional.pad", case(A(3), (1, 1), "reflect"), NotImplementedError, "size 2 is not supported for 1D"),
    Refusal("nn.functional.pad", case(A(2, 3, 4, 5), (1, 1), "circular"), NotImplementedError, "size 2 is not supported for 4D"),
    Refusal("nn.functional.pad", case(A(2, 3), (), "replicate"), NotImplementedError, "size 0"),
    Refusal("nn.functional.pad", case(A(2, 3), (3, 0), "reflect"), RuntimeError, r"\(3, 0\) at dimension 1 of input \[2, 3\]"),
    Refusal("nn.functional.pad", case(A(2, 3), (4, 0), "circular"), RuntimeError, r"\(4, 0\) at dimension 1"),
    Refusal("nn.functional.pad", case(A(2, 3), (-2, -1), "reflect"), RuntimeError, r"\[2, 3\] is too small"),
    Refusal("nn.functional.pad", case(A(2, 3), (-4, 0), "circular"), RuntimeError, r"\[2, 3\] is too small"),
    Refusal("nn.functional.pad", case(A(2, 0), (1, 1), "replicate"), RuntimeError, r"\[2, 0\]"),
    Refusal("nn.functional.pad", case(A(0, 3), (1, 1), "reflect"), RuntimeError, r"\[0, 3\]"),
    Refusal("nn.functional.pad", case(A(2, 3, dtype="bool"), (1, 1), "reflect"), NotImplementedError, "bool"),
    Refusal("constant_pad_nd", case(A(2), (1,)), RuntimeError, "even but instead it equals 1"),
    Refusal("constant_pad_nd", case(A(2), (1, 1, 1, 1)), RuntimeError, "Pad length is 4 while the input has 1"),
    Refusal("constant_pad_nd", case(A(2), (-1, -2)), RuntimeError, "size 2.*-1 and -2"),
    Refusal("constant_pad_nd", case(A(2), (-3, 3)), RuntimeError, "size 2.*-3 and 3"),
    Refusal("constant_pad_nd", case(A(2), (1, 0), 1j), RuntimeError, "float32 without overflow"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("padding", ROWS, REFUSALS)


@pytest.mark.parametrize("mode", ["constant", *MODES])
def test_gradients_of_gradients_are_those_of_differences(mode):
    x = trainctl.rand(1, 2, 3, dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda x: F.pad(x * x, (2, 1), mode), (x,))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sides", [(0, 0), (1, 2), (-1, 1), (-1, -1)])
def test_the_result_is_a_contiguous_copy(mode, sides):
    x = trainctl.rand(2, 4, 3).permute(0, 2, 1)
    y = F.pad(x, sides, mode)
    assert y.is_contiguous()
    y.fill_(9.0)
    assert x.max() < 9


def test_a_circle_wraps_what_is_left_of_it():
    x = trainctl.arange(6.0).reshape(1, 6)
    assert F.pad(x, (-2, 3), "circular").tolist() == [[2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0]]
