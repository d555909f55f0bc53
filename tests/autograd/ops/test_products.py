"""Products of vectors and tensors against PyTorch and against differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

NAN = float("nan")


def ints(*shape, dtype="int64"):
    return A(*shape, dtype=dtype, low=-4, high=5)


def complexes(*shape):
    return A(*shape, dtype="complex64")


CROSSES = [case(A(3), A(3)), case(A(2, 3), A(2, 3)), case(A(2, 3), A(1, 3)), case(A(0, 3), A(0, 3)), case(complexes(2, 3), complexes(2, 3)), case(ints(2, 3), ints(2, 3)), case(A(2, 3, layout="step"), A(2, 3, layout="T"))]  # fmt: skip

PAIRS = [
    case(A(3), A(3)), case(A(2, 3), A(2, 3)), case(A(2, 3), A(3)), case(A(2, 3), A(4, 1, 3)), case(A(2, 3), A(2, 1)), case(A(), A()), case(A(2, 0), A(2, 0)), case(complexes(2, 3), complexes(3)),
]  # fmt: skip

ROWS = [
    Row("addbmm", [
        case(A(3, 4), A(2, 3, 5), A(2, 5, 4)), case(A(4), A(2, 3, 5), A(2, 5, 4), beta=0.5, alpha=2), case(A(3, 1), A(2, 3, 5), A(2, 5, 4)), case(A(3, 4), A(0, 3, 5), A(0, 5, 4)), case(A(3, 4), A(2, 3, 0), A(2, 0, 4)),
        case(A(), A(2, 3, 5, layout="T"), A(2, 5, 4, layout="step")), case(A(1, values=[NAN], grad=False), A(2, 3, 5), A(2, 5, 4), beta=0), case(ints(4), ints(2, 3, 5), ints(2, 5, 4), beta=2.5), case(complexes(4), complexes(1, 3, 2), complexes(1, 2, 4), alpha=1j),
    ]),
    Row("addmv", [
        case(A(3), A(3, 2), A(2)), case(A(1), A(3, 2), A(2), beta=0.5, alpha=2), case(A(), A(3, 2), A(2)), case(A(3), A(3, 0), A(0), beta=2), case(A(1, values=[NAN], grad=False), A(3, 2), A(2), beta=0),
        case(ints(3), ints(3, 2), ints(2), alpha=2.7), case(complexes(3), complexes(3, 2), complexes(2)), case(A(3), A(3, 2, layout="T"), A(2, layout="step")),
    ]),
    Row("addr", [
        case(A(3, 2), A(3), A(2)), case(A(2), A(3), A(2), beta=2, alpha=0.5), case(A(), A(3), A(2)), case(A(3, 1), A(3), A(2), beta=0), case(A(1, values=[NAN], grad=False), A(3), A(2), beta=0), case(A(0, 2), A(0), A(2)),
        case(ints(3, 2), A(3), A(2)), case(ints(3, 2), ints(3), ints(2), beta=2, alpha=3), case(A(3, 2, dtype="float64"), A(3, grad=False), A(2, grad=False)), case(complexes(3, 2), A(3, grad=False), A(2, grad=False)), case(A(3, 2, dtype="bool"), A(3, dtype="bool"), A(2, dtype="bool")),
        case(A(3, 2, dtype="bool"), A(3, dtype="bool"), A(2, dtype="bool"), beta=2, alpha=0), case(A(3, 2, dtype="bool"), ints(3, dtype="int32"), ints(2, dtype="int32"), alpha=2),
    ]),
    # A smaller tensor takes the shape of the result.
    Row("Tensor.addbmm_", [case(x, A(2, 3, 5), A(2, 5, 4), beta=0.5) for x in (A(3, 4), A(1), A(4), A())]),
    Row("Tensor.addmv_", [case(A(3), A(3, 2), A(2), beta=0.5)]),
    Row("Tensor.addr_", [case(A(3, 2), A(3), A(2), beta=0.5), case(A(3, 2, dtype="float64"), A(3, grad=False), A(2, grad=False))]),
    Row("inner", [
        case(A(3), A(3)), case(A(2, 3), A(4, 3)), case(A(2, 3), A(3)), case(A(3), A(4, 2, 3)), case(A(2, 1, 3), A(4, 3)), case(A(), A(2, 3)), case(A(2, 3), A()), case(A(2, 0), A(4, 0)), case(A(0, 3), A(2, 3)),
        case(A(dtype="int64", low=1, high=4), A(2)), case(ints(2, 3), ints(4, 3)), case(complexes(2, 3), complexes(2, 3)), case(A(3, 4, layout="T"), A(2, 4, layout="step")),
    ]),
    Row("vdot", [case(A(3), A(3)), case(complexes(3), complexes(3)), case(A(0), A(0)), case(ints(3, dtype="int32"), ints(3, dtype="int32"))]),
    Row("linalg.vecdot", [*PAIRS, case(A(2, 3), A(2, 3), dim=0), case(A(2, 3, 4), A(3, 1), dim=-2), case(A(2, 3, dtype="float16"), A(2, 3, dtype="float16"))]),
    Row("tensordot", [
        case(A(2, 3, 4), A(3, 4, 5)), case(A(2, 3), A(3, 5), 1), case(A(2, 3), A(4, 5), 0), case(A(2, 3), A(2, 3), 2), case(A(), A(), 0), case(A(), A(2), 0), case(A(2, 3, 4), A(4, 3, 5), ([1, 2], [1, 0])),
        case(A(2, 3, 4), A(4, 3, 5), dims=([-1, 1], [0, -2])), case(A(2, 3), A(1, 5), 1), case(A(2, 1), A(3, 5), ([1], [0])), case(A(2, 0), A(0, 3), 1), case(A(0, 2), A(2, 3), 1), case(A(2, 3), A(3), ([1], [0])),
        case(A(2, 3), A(4), ([], [])), case(ints(2, 3), ints(3, 2), 1), case(complexes(2, 3), complexes(3, 2), 1), case(A(3, 2, layout="T"), A(3, 2, layout="step"), ([0], [0])),
    ]),
    Row("Tensor.tensordot of small integers", [case(A(1, 1, 1, dtype="uint8", low=1, high=9), A(2, 1, 2, dtype="uint8", low=100, high=200), ([0, 1], [2, 0]))], call=lambda lib, *args: lib.tensordot(*args)),
    Row("tensordot_over_a_tensor", [case(A(2, 3), A(3, 5), A(2, 1, dtype="int64", values=[[1], [0]])), case(A(2, 3), A(3, 5), A(dtype="int64", values=1))], call=lambda lib, *args: lib.tensordot(*args)),
    Row("kron", [
        case(A(2), A(3)), case(A(2, 3), A(3, 2)), case(A(2, 2), A(3)), case(A(3), A(2, 2)), case(A(), A(3)), case(A(), A()), case(A(2, 0), A(3)), case(A(1, 2), A(2, 1, 3)), case(ints(2), A(3)), case(complexes(2), A(2)),
        case(A(2, dtype="bool"), A(2, dtype="bool")), case(A(2, 3, layout="step"), A(2)),
    ]),
    Row("cross", [case(A(2, 3, 3), A(2, 3, 3), 2), case(A(3, 2), A(3, 2), dim=0), case(A(3, 2), A(3, 1), dim=-2), case(A(2, 3), A(2, 3), dim=-1)]),
    Row("cross by default", [case(A(2, 3, 3), A(2, 3, 3)), case(A(3, 2), A(3, 2)), case(A(3), A(3))], call=lambda lib, x, y: lib.cross(x, y)),
    Row("linalg.cross", [*CROSSES, case(A(3, 2), A(3, 1), dim=0), case(A(2, 3, 4), A(1, 3, 4), dim=1)]),
    Row("linalg.multi_dot", [
        case([A(2, 3), A(3, 4)]), case([A(2, 3), A(3, 4), A(4, 5)]), case([A(7, 1), A(1, 6), A(6, 2), A(2, 3)]), case([A(3), A(3, 4), A(4)]), case([A(3), A(3)]), case([A(2, 3), A(3)]), case([A(3), A(3, 2), A(2, 4)]),
        case([A(2, 0), A(0, 4), A(4, 1)]), case([ints(2, 3), ints(3, 4), ints(4, 2)]), case([complexes(2, 3), complexes(3, 2), complexes(2, 2)]),
    ]),
    Row("linalg.matmul", [case(A(2, 3), A(3, 4)), case(A(5, 2, 3), A(3))]),
]  # fmt: skip

REFUSALS = [
    Refusal("addbmm", case(A(3, 4), A(3, 5), A(2, 5, 4)), RuntimeError, r"3D tensors, got shapes \[3, 5\]"),
    Refusal("addbmm", case(A(3, 4), A(3, 3, 5), A(2, 5, 4)), RuntimeError, r"\[3, 3, 5\] and \[2, 5, 4\]"),
    Refusal("addbmm", case(A(3, 5), A(2, 3, 5), A(2, 5, 4)), RuntimeError, r"\[3, 4\].*\[3, 5\]"),
    Refusal("addmv", case(A(2), A(3, 2), A(2)), RuntimeError, r"\[3\].*\[2\]"),
    Refusal("addmv", case(A(3, dtype="float64"), A(3, 2), A(2)), RuntimeError, "float64 != float32"),
    Refusal("addr", case(A(3, 2), A(3, 1), A(2)), RuntimeError, "2D and 1D"),
    Refusal("addr", case(A(3, 3), A(3), A(2)), RuntimeError, r"\[3, 2\].*\[3, 3\]"),
    Refusal("addr", case(ints(3, 2), ints(3), ints(2), beta=2.5), RuntimeError, "beta must not be a floating point"),
    Refusal("Tensor.addr_", case(ints(3, 2), A(3), A(2)), RuntimeError, "float32 can't be cast"),
    Refusal("inner", case(A(2, 3), A(4, 2)), RuntimeError, r"\[2, 3\] and \[4, 2\]"),
    Refusal("inner", case(A(2, 3), ints(4, 3)), RuntimeError, "float32 and int64"),
    Refusal("vdot", case(complexes(3), A(3)), RuntimeError, "complex64 != float32"),
    Refusal("linalg.vecdot", case(ints(3), ints(3)), RuntimeError, "Got int64"),
    Refusal("linalg.vecdot", case(A(3), complexes(3)), RuntimeError, "float32 and y of type complex64"),
    Refusal("tensordot", case(A(2, 3), A(4, 5), 1), RuntimeError, "size 3 in dim 1 and second has size 4 in dim 0"),
    Refusal("tensordot", case(A(2, 3), A(3, 5), 3), RuntimeError, "dims=3"),
    Refusal("tensordot", case(A(2, 3), A(3, 5), -1), RuntimeError, "dims=-1"),
    Refusal("tensordot", case(A(2, 3), A(3, 5), ([1], [0, 1])), RuntimeError, "same length"),
    Refusal("tensordot", case(A(2, 3), A(3, 5), ([1, 1], [0, 0])), RuntimeError, "multiple times"),
    Refusal("tensordot", case(A(2, 3), ints(3, 5), 1), RuntimeError, "float32 and int64"),
    Refusal("cross", case(A(2, 2), A(2, 2)), RuntimeError, r"no dimension of size 3 in input of shape \[2, 2\]"),
    Refusal("linalg.cross", case(A(2, 4), A(2, 4)), RuntimeError, "Got 4 and 4"),
    Refusal("linalg.cross", case(A(2, 3), A(3)), RuntimeError, r"\[2, 3\] and \[3\]"),
    Refusal("linalg.cross", case(A(), A()), IndexError, "no dimensions"),
    Refusal("linalg.cross", case(A(3), ints(3)), RuntimeError, "float32 but found int64"),
    Refusal("linalg.cross", case(A(3, dtype="bool"), A(3, dtype="bool")), NotImplementedError, "bool"),
    Refusal("linalg.multi_dot", case([A(2, 3)]), RuntimeError, "got 1"),
    Refusal("linalg.multi_dot", case([A(2, 3), A(4, 4), A(4, 5)]), RuntimeError, r"\[2, 3\] and \[4, 4\]"),
    Refusal("linalg.multi_dot", case([A(2, 3), A(3), A(3, 5)]), RuntimeError, "tensor 1 must be 2D but got 1D"),
    Refusal("linalg.multi_dot", case([A(1, 2, 3), A(3, 5)]), RuntimeError, "tensor 0 must be 1D or 2D but got 3D"),
]

test_values, test_gradient, test_refusal = table("products", ROWS, REFUSALS)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_chain_of_matrices(count):
    sizes = [3, 2, 4, 1, 5][: count + 1]
    chain = [np.random.RandomState(i).rand(*pair) for i, pair in enumerate(pairwise(sizes))]
    product = trainctl.chain_matmul(*map(trainctl.from_numpy, chain))
    expected = chain[0] if count == 1 else np.linalg.multi_dot(chain)
    np.testing.assert_allclose(product.numpy(), expected)


def test_a_chain_of_no_matrices():
    with pytest.raises(RuntimeError, match="at least 1 matrix"):
        trainctl.chain_matmul()
    with pytest.raises(RuntimeError, match="tensor 0 must be 2D but got 1D"):
        trainctl.chain_matmul(trainctl.ones(3))


def test_second_derivatives():
    x, y = (trainctl.rand(2, 3, dtype=trainctl.float64).requires_grad_() for _ in range(2))
    assert gradgradcheck(lambda x, y: trainctl.linalg.cross(x, y) ** 2, (x, y))
    assert gradgradcheck(lambda x, y: trainctl.inner(x, y) ** 2, (x, y))
    assert gradgradcheck(lambda x, y: trainctl.kron(x, y) ** 2, (x, y))
