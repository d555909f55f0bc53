"""Complex numbers and their parts against PyTorch, against differences, and as views."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table
from tests.scripts import Scripts

INF, NAN = float("inf"), float("nan")
Z = "complex64"


def with_part(lib, part, x, value):
    """Return ``x`` with one part assigned."""
    x = x * 1
    setattr(x, part, value)
    return x


ROWS = [
    *(Row(f"{part} assigned", [case(part, A(2, 3, dtype="complex64"), value) for value in (A(2, 3), A(3), A(), 2.5, A(2, 3, dtype="float64"), A(3, dtype="int64"))], call=with_part) for part in ("real", "imag")),
    Row("real assigned to a real tensor", [case("real", A(3), A(3)), case("real", A(3), 2)], call=with_part),
    Row("complex", [case(A(3), A(3)), case(A(2, 1), A(3)), case(A(), A(0)), case(A(3, dtype="float64"), A(3, dtype="float64")), case(A(1, values=[INF], grad=False), A(1, values=[NAN], grad=False))]),
    Row("polar", [case(A(3, low=0.1), A(3)), case(A(2, 1, low=0.1), A(3))]),
    *(Row(name, [case(A(2, 3, dtype=Z)), case(A(dtype=Z)), case(A(3, 4, dtype=Z, layout="T")), case(A(3, dtype="complex128"))]) for name in ("real", "imag", "view_as_real")),
    Row("Tensor.real", [case(A(3, dtype=Z)), case(A(3)), case(A(3, dtype="int64"))]),
    Row("Tensor.imag", [case(A(3, dtype=Z))]),
    Row("view_as_complex", [case(A(2, 3, 2)), case(A(2)), case(A(3, 2, dtype="float64"))]),
    Row("angle", [case(A(2, 3, dtype=Z)), case(A(3)), case(A(3, dtype="int64", low=-3, high=4)), case(A(2, dtype="bool")), case(A(dtype=Z)), case(A(2, dtype="float16"))]),
    Row("Tensor.angle", [case(A(5, values=[NAN, -0.0, 0.0, -INF, -1])), case(A(2, dtype=Z, values=[0, -1]))], gradcheck=False),
    Row("isreal", [case(A(3, dtype=Z)), case(A(3, dtype=Z, values=[1, 1j, complex(1, NAN)])), case(A(2, values=[1, NAN])), case(A(2, dtype="bool"))]),
]  # fmt: skip

REFUSALS = [
    Refusal(
        "imag assigned", case("imag", A(3), A(3)), RuntimeError, "imag is only for complex tensors", call=with_part
    ),
    Refusal(
        "real assigned", case("real", A(3, dtype="complex64"), A(2)), RuntimeError, r"\[3\].*\[2\]", call=with_part
    ),
    Refusal(
        "real assigned", case("real", A(3, dtype="complex64"), [1.0]), TypeError, "can't assign a list", call=with_part
    ),
    Refusal("complex", case(A(2), A(2, dtype="float64")), RuntimeError, "float32 and float64"),
    Refusal("complex", case(A(2, dtype="int64"), A(2, dtype="int64")), RuntimeError, "int64 and int64"),
    Refusal("complex", case(A(2), 2.0), TypeError, "'imag' must be Tensor, not float"),
    Refusal("imag", case(A(2)), RuntimeError, "imag.*float32"),
    Refusal("Tensor.imag", case(A(2)), RuntimeError, "imag.*float32"),
    Refusal("view_as_real", case(A(2)), RuntimeError, "view_as_real.*float32"),
    Refusal("view_as_complex", case(A(3, 3)), RuntimeError, r"size 2, got \[3, 3\]"),
    Refusal("view_as_complex", case(A(2, 2, layout="T")), RuntimeError, "stride 1"),
    Refusal("view_as_complex", case(A(2, dtype="int64")), RuntimeError, "int64"),
    Refusal("view_as_complex", case(A()), RuntimeError, "size 2"),
]

test_values, test_gradient, test_refusal = table("complex_parts", ROWS, REFUSALS)

scripts = Scripts()


@scripts.gives(([3 + 1j], [3 + 2j], [[9.0, 2.0]]))
def parts_are_views(lib):
    z = lib.tensor([1 + 1j])
    z.real.mul_(3)
    first = z.clone()
    z.imag.add_(1)
    second = z.clone()
    lib.view_as_real(z)[0, 0] = 9
    return first, second, lib.view_as_real(z)


@scripts.raises(RuntimeError, "divisible by 2")
def pairs_that_start_at_an_odd_place(lib):
    lib.view_as_complex(lib.zeros(5)[1:].reshape(2, 2))


test_script = scripts.test()
