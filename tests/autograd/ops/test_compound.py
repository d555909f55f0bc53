"""Several steps of arithmetic under one name, against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, binary_cases, case, table

try:
    import torch
except ModuleNotFoundError:
    torch = None

INTS = A(3, dtype="int64", low=1, high=5)
THREE = [
    case(A(2, 3), A(2, 3), A(2, 3, low=0.5)), case(A(2, 3), A(3), A(2, 1, low=0.5)), case(A(), A(3), A(low=0.5)), case(A(0, 3), A(3), A(1, low=0.5)),
    case(A(2, 3), A(3), A(3, low=0.5), value=2), case(A(2, 3), A(3), A(3, low=0.5), value=-0.5), case(A(2, 3), 2.0, A(3), A(3, low=0.5)),
    case(A(2, 3, layout="T"), A(2, 3, layout="step"), A(3, low=0.5)), case(A(3, dtype="float16"), A(3, dtype="float16"), A(3, dtype="float16", low=0.5)),
    case(A(3), INTS, A(3, dtype="float64", low=0.5)), case(A(3, dtype="complex64"), A(3, grad=False), A(3, low=0.5, grad=False), value=1j),
]  # fmt: skip

ROWS = [
    Row("addcmul", [*THREE, case(INTS, INTS, INTS), case(INTS, INTS, INTS, value=3)]),
    Row("addcdiv", THREE),
    *(Row(f"Tensor.{name}_", [case(A(2, 3), A(3), A(3, low=0.5)), case(A(2, 3), A(3), A(3, low=0.5), value=2)]) for name in ("addcmul", "addcdiv")),
    Row("lerp", [
        case(A(3), A(3), 0.3), case(A(3), A(3), 0.9), case(A(2, 3), A(3), A(3, low=0, high=1)), case(A(), A(3), A()), case(A(0), A(1), 0.5), case(A(3), A(3), 1),
        case(A(3), A(3), A(dtype="float64")), case(A(3, dtype="float16"), A(3, dtype="float16"), 0.3), case(A(3, dtype="complex64"), A(3, dtype="complex64"), 0.3),
        case(A(3, dtype="complex64"), A(3, dtype="complex64"), A(3, dtype="complex64")), case(A(3, 4, layout="T"), A(3, 4, layout="step"), 0.5),
    ]),
    Row("Tensor.lerp_", [case(A(2, 3), A(3), 0.3), case(A(3), A(3), A(3))]),
    Row("ldexp", [*binary_cases(numbers=False, ints=False), case(A(3, grad=False), A(3, dtype="int64", low=-3, high=4)), case(INTS, INTS), case(A(1, values=[1e-30], grad=False), A(1, dtype="int64", values=[200]))]),
    Row("Tensor.ldexp_", [case(A(2, 3), A(3))]),
    Row("Tensor.ldexp", [
        case(A(3, values=[0, 2, 1e-30], grad=False), A(3, dtype="int64", values=[130, 300, 130])), case(A(2, 1, dtype="float16"), A(3, dtype="int32", values=[20, -20, 0])), case(A(2), A(dtype="int64", values=3)),
        case(A(2, dtype="bool"), A(2, values=[2, 300])), case(INTS, A(3, dtype="float64")), case(A(2, dtype="uint8", values=[0, 3]), A(dtype="int8", values=-1)), case(A(2, dtype="complex64", grad=False), A(2, grad=False)),
        case(A(3, dtype="float64"), A(dtype="float16", values=0.5)),
    ], gradcheck=False),
    Row("float_power", [*binary_cases(low=0.3), case(2, A(3)), case(A(3, low=0.3), 1j), case(A(2, dtype="bool"), A(2, dtype="bool")), case(INTS, INTS)]),
    Row("Tensor.float_power_", [case(A(3, dtype="float64", low=0.3), 2)]),
]  # fmt: skip

REFUSALS = [
    Refusal("addcmul", case(A(2), A(2), 2.0), TypeError, "'tensor2' must be Tensor, not float"),
    Refusal("addcmul", case(A(2), A(2), A(2), value=1j), RuntimeError, "float32 without overflow: 1j"),
    Refusal("addcmul", case(*(A(2, dtype="bool") for _ in range(3))), NotImplementedError, "addcmul.*bool"),
    Refusal("addcdiv", case(A(3), INTS, INTS), RuntimeError, "int64 and int64"),
    Refusal("lerp", case(A(2), A(2, dtype="float64"), 0.5), RuntimeError, "float32 for `end` but got dtype float64"),
    Refusal(
        "lerp", case(A(2), A(2), A(2, dtype="float64")), RuntimeError, "float32 for `weight` but got dtype float64"
    ),
    Refusal("lerp", case(INTS, INTS, 0.5), NotImplementedError, "lerp.*int64"),
    Refusal("lerp", case(A(2), A(2), 1j), RuntimeError, "without overflow"),
    Refusal("ldexp", case(A(2), A(2, dtype="bool")), NotImplementedError, "ldexp.*bool"),
    Refusal("ldexp", case(A(2), A(3, dtype="int64")), RuntimeError, "must match"),
    Refusal("ldexp", case(A(2), 2), TypeError, "'other' must be Tensor, not int"),
    Refusal("float_power", case(2, 3), TypeError, "tensor"),
    Refusal("Tensor.float_power_", case(A(2), 2), RuntimeError, "dtype float32.*requires dtype float64"),
]

test_values, test_gradient, test_refusal = table("compound", ROWS, REFUSALS)


@pytest.mark.skipif(torch is None, reason="compares with PyTorch")
@pytest.mark.parametrize("name", ["addcmul", "addcdiv", "lerp"])
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_is_rounded_once(name, kind):
    drawn = np.random.RandomState(0).uniform(0.5, 4, (3, 500)).astype(np.float32)
    mine, theirs = (
        getattr(library, name)(*(library.from_numpy(each).to(getattr(library, kind)) for each in drawn)).float().numpy()
        for library in (trainctl, torch)
    )
    np.testing.assert_array_equal(mine, theirs)
