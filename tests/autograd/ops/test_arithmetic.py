"""Arithmetic against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, binary_cases, case, table, unary_cases

INF, NAN = float("inf"), float("nan")


def whole(*shape, dtype="int64", low=1, high=9, **options):
    return A(*shape, dtype=dtype, low=low, high=high, **options)


# Out of range for the type: it wraps, in PyTorch as in C.
WRAPPED = [case(whole(3, dtype="uint8"), -3), case(whole(3, dtype="uint8"), 300), case(whole(3, dtype="int8"), 200)]
# A number's category counts, its width does not; a 0-d tensor counts like a number.
PROMOTED = [
    case(A(3, dtype="float16"), 2.5), case(A(3), 1j), case(whole(3, dtype="int32"), 2.5), case(A(3, dtype="bool"), 2),
    case(whole(3, dtype="int8"), whole(dtype="int64")), case(whole(3), A(dtype="float64")), case(A(3, dtype="bool"), A(3, dtype="bool")),
    case(A(3, dtype="complex128"), A(3)), case(A(3), A(dtype="complex64")), case(A(3, dtype="float16"), A(3)),
    case(2.5, A(3)), case(2, whole(3)), case(2, 3), case(2, 2.5),
]  # fmt: skip
ZEROS = [case(A(4, values=[1, -1, 0, 2]), A(4, values=[0, 0, 0, INF])), case(A(3, values=[1.0, -1.0, 0.0]), 0)]
ROUNDED = [
    case(A(5, low=-9, high=9), A(5, low=0.5, high=3)), case(A(5, low=-9, high=9), -2.5), case(A(2, 3, low=-9, high=9), A(3, low=-3, high=-1)),
    case(whole(3, 4, low=-9), whole(4, high=4)), case(whole(5, low=-9), -2), case(whole(5, dtype="uint8"), 3), case(7, whole(3)),
    case(whole(3, low=-9), 2.5), case(A(), A(low=1)), case(A(0, 2), A(2, low=1)), *ZEROS,
]  # fmt: skip

ROWS = [
    Row("add", [*binary_cases(complex=True), *WRAPPED, *PROMOTED, case(A(2, 3), A(3), alpha=2), case(whole(3), whole(3), alpha=-3), case(A(2, 3), 2, alpha=0.5)]),
    Row("sub", [*binary_cases(complex=True), *WRAPPED, case(A(2, 3), A(3), alpha=0.5), case(2, A(3)), case(2, 3)]),
    Row("rsub", [case(A(2, 3), A(3)), case(A(2, 3), 2), case(A(2, 3), A(3), alpha=3), case(whole(3), 2)]),
    Row("mul", [*binary_cases(complex=True), *WRAPPED, *PROMOTED]),
    Row("div", [*binary_cases(low=0.5, complex=True), case(whole(3, dtype="uint8"), -1), case(3, whole(3)), case(1, 2)]),
    Row("Tensor.div", ZEROS, gradcheck=False),
    Row("Tensor.divide", [case(each.args[0], each.args[1], rounding_mode=mode) for mode in ("trunc", "floor") for each in ROUNDED if each.args[0] != 7], gradcheck=False),
    Row("floor_divide", ROUNDED, grad=False),
    Row("remainder", ROUNDED, gradcheck=False),
    # The sign of a rest of 0.
    Row("copysign(1, remainder)", [case(A(6, values=[3, -3, 0, -0.0, 1, -1]), A(6, values=[-1.5, 1.5, -1, 2, INF, -INF]))], grad=False, call=lambda t, x, y: t.copysign(t.ones_like(x), t.remainder(x, y))),
    Row("Tensor.remainder", binary_cases(low=0.4, high=7), gradcheck=False),
    Row("pow", [
        *binary_cases(low=0.3), case(A(2, 3), 2), case(A(2, 3), 3), case(A(4), 0), case(2.0, A(3)), case(A(3, low=0.5), -1), case(A(3, low=0.5), 0.5),
        case(whole(4, low=-3), 3), case(whole(4), 0.5), case(2, whole(4, high=5)), case(A(2, 3, dtype="complex64"), 2), case(A(3, dtype="complex64"), 1.5),
    ]),
    Row("Tensor.pow", [
        case(A(4, values=[0, 0, 2, 3]), A(4, values=[0, 2, 0, 1])), case(A(3, values=[0, 1, 2]), 0), case(A(2, values=[0, 1]), 2),
        case(A(4, values=[-1, 1, 2, -2], dtype="int64"), A(4, values=[-1, -2, -1, -3], dtype="int64")),
        case(A(3, values=[-2, 2, 0]), 3), case(A(2, values=[-8, 4]), 0.5), case(A(4, dtype="bool"), True), case(A(4, dtype="bool"), False),
        case(A(3, values=[0, 0, 2], dtype="complex64", grad=False), A(3, values=[0, 1, 0], dtype="complex64", grad=False)),
    ], gradcheck=False),
    Row("neg", [*unary_cases(complex=True), case(whole(3, dtype="uint8"))]),
    Row("conj", [case(A(2, 3, dtype="complex64")), case(A(2)), case(whole(2))]),
    Row("maximum", [*binary_cases(numbers=False), case(A(3, dtype="bool"), A(3, dtype="bool"))]),
    Row("minimum", binary_cases(numbers=False)),
    Row("Tensor.maximum", [case(A(4, values=[1, 2, NAN, 3]), A(4, values=[1, 3, 0, NAN]))], gradcheck=False),
    Row("Tensor.minimum", [case(A(4, values=[1, 2, NAN, 3]), A(4, values=[1, 3, 0, NAN]))], gradcheck=False),
    Row("clamp", [
        case(A(3, 4), -0.5, 0.7), case(A(3, 4), min=0.1), case(A(3, 4), max=0.1), case(A(0), 0, 1), case(A(), 0, 1), case(A(3, 4), 0.5, -0.5),
        case(A(3, 4), A(4, low=-1, high=0), A(3, 1, low=0, high=1)), case(A(3, 4), A(4, low=0, high=2), A(4, low=-2, high=1)), case(A(4), A(3, 4)),
        case(A(5, dtype="int64", low=-5, high=6), -2, 2), case(whole(3), 2.5), case(whole(3), A()), case(A(3, dtype="bool"), 0, 1),
    ]),
    Row("Tensor.clamp", [case(A(4, values=[1, 2, NAN, 3]), 1, 2), case(A(4, values=[1, 2, NAN, 3]), A(values=1), A(values=2))], gradcheck=False),
    *(Row(f"Tensor.__{name}__", [case(A(2, 3, low=0.5), A(3, low=0.5)), case(A(2, 3, low=0.5), 2), case(A(2, 3, low=0.5), 1.5), case(whole(3), 2)])
      for name in ("add", "sub", "mul", "truediv", "pow", "radd", "rsub", "rmul", "rtruediv", "rpow")),
    *(Row(f"Tensor.__{name}__", [case(A(3, low=0.5), A(3, low=0.5)), case(A(2, 3, low=0.5), 1.5), case(whole(3), 2)], gradcheck=False, grad=name == "mod")
      for name in ("floordiv", "mod", "rfloordiv", "rmod")),
    *(Row(f"Tensor.{name}_", [case(A(2, 3, low=0.5), A(3, low=0.5)), case(A(2, 3, low=0.5), 2), case(A(0, 3), A(3)), case(A(2, 3, dtype="float64", low=0.5), A(2, 3, low=0.5))], gradcheck=name not in ("remainder", "floor_divide"), grad=name != "floor_divide")
      for name in ("add", "sub", "mul", "div", "pow", "remainder", "floor_divide")),
    Row("Tensor.neg_", [case(A(2, 3)), case(whole(3))]),
    Row("Tensor.clamp_", [case(A(2, 3), -0.5, 0.5), case(A(2, 3), A(3))]),
]  # fmt: skip

ZERO = A(2, values=[1, 0], dtype="int64")
REFUSALS = [
    Refusal("add", case(A(2), A(3)), RuntimeError, r"tensor a \(2\).*tensor b \(3\).*dimension 0.*\[2\] and \[3\]"),
    Refusal("mul", case(A(2, 3), A(3, 2)), RuntimeError, r"\[2, 3\] and \[3, 2\]"),
    Refusal("add", case(A(2), "a"), TypeError, "str"),
    Refusal("add", case(A(2), None), TypeError, "NoneType"),
    Refusal("sub", case(A(2, dtype="bool"), A(2, dtype="bool")), RuntimeError, "logical_xor"),
    Refusal("sub", case(A(2), A(2, dtype="bool")), RuntimeError, "bool"),
    Refusal("rsub", case(2, A(2)), TypeError, "rsub.*input"),
    Refusal("neg", case(A(2, dtype="bool")), RuntimeError, "~"),
    Refusal("div", case(A(2), A(2), rounding_mode="up"), RuntimeError, "'trunc', or 'floor' but found 'up'"),
    Refusal("floor_divide", case(whole(2), ZERO), RuntimeError, "ZeroDivision"),
    Refusal("remainder", case(whole(2), 0), RuntimeError, "ZeroDivision"),
    Refusal("div", case(whole(2), ZERO, rounding_mode="trunc"), RuntimeError, "ZeroDivision"),
    Refusal("floor_divide", case(A(2, dtype="complex64"), 2), NotImplementedError, "complex64"),
    Refusal("remainder", case(A(2, dtype="bool"), A(2, dtype="bool")), NotImplementedError, "bool"),
    Refusal("remainder", case(2, 3), TypeError, "tensor"),
    Refusal("remainder", case(whole(2, dtype="uint8"), 256), RuntimeError, "ZeroDivision"),
    Refusal("pow", case(A(2, dtype="float16"), 1e10), RuntimeError, "float16 without overflow"),
    Refusal("pow", case(whole(2, dtype="uint8"), 300), RuntimeError, "uint8 without overflow"),
    Refusal("pow", case(whole(2), -1), RuntimeError, "negative integer powers"),
    Refusal("pow", case(2, 3), TypeError, "tensor"),
    Refusal("pow", case(A(2, dtype="bool"), A(2, dtype="bool")), NotImplementedError, "bool"),
    Refusal("maximum", case(A(2), 1), TypeError, "maximum.*'other' must be Tensor, not int"),
    Refusal("minimum", case(1, A(2)), TypeError, "minimum.*'input' must be Tensor, not int"),
    Refusal("maximum", case(A(2, dtype="complex64"), A(2)), RuntimeError, "complex"),
    Refusal("clamp", case(A(2)), RuntimeError, "At least one"),
    Refusal("clamp", case(A(2, dtype="complex64"), 0), NotImplementedError, "complex"),
    Refusal("clamp", case(whole(2, dtype="uint8"), -1, 300), RuntimeError, "uint8 without overflow: 300"),
    Refusal("clamp", case(A(2), A(3)), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("Tensor.add_", case(A(1), A(3)), RuntimeError, r"shape \[1\].*shape \[3\]"),
    Refusal("Tensor.add_", case(whole(2), 1.5), RuntimeError, "float32 can't be cast.*int64"),
    Refusal("Tensor.div_", case(whole(2), 2), RuntimeError, "float32 can't be cast.*int64"),
    Refusal("Tensor.mul_", case(A(2), 1j), RuntimeError, "complex64 can't be cast.*float32"),
]

test_values, test_gradient, test_refusal = table("arithmetic", ROWS, REFUSALS)
