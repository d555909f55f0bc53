"""Tensors in another dtype, on another device, or after a tensor's pattern, against PyTorch."""

from __future__ import annotations

import itertools

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.backend.dtypes import ALL

TYPES = [each.name for each in ALL if each.name != "bfloat16"]
# Every type, in the range that all of them hold.
SOURCES = [A(3, dtype=kind, low=0, high=5, values=[1, 0, 4]) for kind in TYPES] + [A(3, 2, layout="T"), A(), A(0)]
METHODS = ["bool", "byte", "char", "short", "int", "long", "half", "float", "double", "cfloat", "cdouble"]

ROWS = [
    *(Row(f"Tensor.{name}", [case(each) for each in SOURCES], gradcheck=False) for name in METHODS),
    Row("Tensor.to", [
        *(case(each, f"dtype:{kind}") for each, kind in itertools.product(SOURCES[:12:3], TYPES)), case(A(2), "cpu"), case(A(2), "cpu", "dtype:float64"), case(A(2), A(1, dtype="int8")), case(A(2), dtype="dtype:float64"),
        case(A(2), device="cpu", dtype="dtype:int32"), case(A(2), copy=True), case(A(2), "dtype:float32", copy=True), case(A(2), non_blocking=True),
    ], gradcheck=False),
    Row("Tensor.type_as", [case(A(2), A(1, dtype="float64")), case(A(2), A(1, dtype="int64"))], gradcheck=False),
    *(Row(f"Tensor.new_{name}", [case(A(2, dtype="float64", grad=False), 2, 3), case(A(2, dtype="int32"), (2, 3)), case(A(2, grad=False), (), dtype="dtype:bool")]) for name in ("zeros", "ones")),
    Row("Tensor.new_full", [case(A(2, dtype="int32"), (2, 3), 1.7), case(A(2, grad=False), (2,), 3, dtype="dtype:int8")]),
    Row("Tensor.new_tensor", [case(A(2, dtype="float64", grad=False), [1, 2]), case(A(2, dtype="int32"), [1.5]), case(A(2, grad=False), 1, dtype="dtype:int8")]),
    Row("fractions", [case(A(values=[1.7, -1.7, 0.3])), case(A(values=[1.7, -1.7, 0.3], dtype="float64"))], grad=False, call=lambda lib, x: (x.int(), x.char(), x.bool(), x.half())),
]  # fmt: skip

REFUSALS = [
    Refusal("Tensor.to", case(A(2), "typo"), RuntimeError, "cpu.*typo"),
    Refusal("Tensor.numpy", case(A(2)), RuntimeError, "detach"),
]

test_values, test_gradient, test_refusal = table("conversion", ROWS, REFUSALS)


def test_a_type_it_already_has_is_the_tensor_itself():
    x = trainctl.ones(2)
    assert x.float() is x
    assert x.to(trainctl.float32) is x
    assert x.to("cpu") is x
    assert x.to(trainctl.float32, copy=True) is not x
