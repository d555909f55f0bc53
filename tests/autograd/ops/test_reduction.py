"""Sums, extremes and statistics over dimensions, against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Case, Refusal, Row, case, table

INF, NAN = float("inf"), float("nan")
INTS = A(3, 4, dtype="int64", low=-5, high=6)


def cases(several: bool = True, empty: bool = True, whole: bool = True) -> list[Case]:
    """All of it, one dim from either end, several, with and without keepdim; scalars, layouts, sizes 0 and 1."""
    found = [
        case(A(3, 4)), case(A()), case(A(1)), case(A(2, 3, 4), 0), case(A(2, 3, 4), 1), case(A(2, 3, 4), -1), case(A(2, 3, 4), 1, True),
        case(A(2, 3, 4), dim=-2, keepdim=True), case(A(), 0), case(A(), -1, True), case(A(3, 1), 1), case(A(1, 1), 0), case(A(2, 0), 0),
        case(A(2, 3), axis=1), case(A(2, 3), axis=1, keepdims=True), case(A(3, 4, layout="T"), 0), case(A(3, 4, layout="step"), 1),
        case(A(2, 3, dtype="float64"), 1), case(A(2, 3, dtype="float16"), 1),
    ]  # fmt: skip
    if several:
        found += [
            case(A(2, 3, 4), (0, 2)),
            case(A(2, 3, 4), [-1, 0], True),
            case(A(2, 3, 4), (1,)),
            case(A(2, 3, 4), dim=()),
        ]
    if empty:
        found += [case(A(0, 3)), case(A(0, 3), 0), case(A(2, 0), 1, True)]
    if whole:
        found += [
            case(INTS),
            case(INTS, 1),
            case(A(3, 4, dtype="uint8", low=0, high=9), 0),
            case(A(3, dtype="bool")),
            case(A(2, 3, dtype="int32", low=-4, high=5), 1),
        ]
    return found


def unlike(found: list[Case], *positions: int) -> list[Case]:
    return [each for i, each in enumerate(found) if i not in positions]


FLOATS = cases(whole=False)
COMPLEX = [case(A(2, 3, dtype="complex64")), case(A(2, 3, dtype="complex64"), 1)]
TIED = [case(A(2, 3, values=[[1, 1, 0], [2, 2, 2]]), dim) for dim in (0, 1, -1)]

ROWS = [
    Row("sum", [*cases(), *COMPLEX, case(INTS, dtype="dtype:float32"), case(A(2, 3), 1, dtype="dtype:float64"), case(A(3, dtype="uint8", low=0, high=9), dtype="dtype:uint8")]),
    Row("mean", [*FLOATS, *COMPLEX, case(INTS, dtype="dtype:float32"), case(A(3, 4), 0, dtype="dtype:float64")]),
    *(Row(name, [*unlike(cases(empty=False), 1, 2), case(A(0, 3), 1), case(A(2, dtype="bool"), 0)]) for name in ("amax", "amin")),
    *(Row(f"Tensor.{name}", [*TIED, case(A(3, values=[1, NAN, 2])), case(A(2, 2, values=[[INF, -INF], [INF, NAN]]), 1)], gradcheck=False) for name in ("amax", "amin")),
    *(Row(name, [*cases(several=False, empty=False), case(A(3, 0), 0), case(A(3, 4), A(4)), case(A(3), other=A(3)), case(A(2, 3), dim=1, keepdim=True)]) for name in ("max", "min")),
    *(Row(f"Tensor.{name}", [case(A(4, values=[1, 3, 3, 0])), *TIED, case(A(3, values=[1, NAN, 2]), 0), case(A(4, values=[1, NAN, 2, NAN]))], gradcheck=False) for name in ("max", "min")),
    *(Row(name, [*unlike(cases(several=False, empty=False), 22), *TIED, case(A(3, values=[1, NAN, 2])), case(A(2, 3), keepdim=True), case(A(), keepdim=True)]) for name in ("argmax", "argmin")),
    *(Row(name, [*cases(), *COMPLEX, case(A(3, values=[0, 1, NAN])), case(A(2, 2, values=[[0, 0], [0, 1]], dtype="int64"), 1)]) for name in ("all", "any")),
    Row("prod", [*cases(several=False), *COMPLEX, case(A(2, 3), dtype="dtype:float64"), case(A(3, dtype="uint8", low=1, high=9), dtype="dtype:uint8"), case(A(3, dtype="bool"), dtype="dtype:bool")]),
    Row("Tensor.prod", [case(A(4, values=values)) for values in ([1, 0, 2, 3], [0, 1, 0, 2], [0, 0, 0, 1])] + [case(A(2, 3, values=[[0, 1, 2], [3, 0, 0]]), 1, True)]),
    Row("logsumexp", [*unlike(FLOATS, 0, 1, 2, 18, 22, 23), case(A(3, 4), 1), case(INTS, 1), case(A(3, dtype="bool"), 0), case(A(2, 0), 1), case(A(2, 3, low=80, high=99), 1), *COMPLEX[1:]]),
    Row("Tensor.logsumexp", [case(A(2, 3, values=[[-INF, -INF, -INF], [INF, 1, 2]]), 1), case(A(2, values=[NAN, 1]), 0)], gradcheck=False, grad=False),
]  # fmt: skip

REFUSALS = [
    Refusal("sum", case(A(2, 3), 2), IndexError, r"\[-2, 1\], but got 2"),
    Refusal("sum", case(A(), 1), IndexError, r"\[-1, 0\], but got 1"),
    Refusal("sum", case(A(2, 3), (0, 0)), RuntimeError, "dim 0 appears multiple times"),
    Refusal("sum", case(A(2, 3), 0.5), TypeError, "float"),
    Refusal("mean", case(INTS), RuntimeError, "floating point or complex dtype.*int64"),
    Refusal("mean", case(A(3), dtype="dtype:int64"), RuntimeError, "int64"),
    Refusal("amax", case(A(0, 3)), RuntimeError, r"amax.*\[0, 3\].*'dim' argument"),
    Refusal("amin", case(A(0, 3), 0), IndexError, r"amin.*dim 0.*\[0, 3\]"),
    Refusal("amax", case(A(2, dtype="complex64")), NotImplementedError, "amax.*complex64"),
    Refusal("max", case(A(0)), RuntimeError, r"max\(\).*\[0\]"),
    Refusal("min", case(A(0, 2), 0), IndexError, r"min\(\).*\[0, 2\]"),
    Refusal("max", case(A(2, 2), (0, 1)), TypeError, "tuple"),
    Refusal("max", case(A(2, dtype="complex64"), 0), RuntimeError, "complex64"),
    Refusal("argmax", case(A(0)), IndexError, r"argmax.*\[0\]"),
    Refusal("argmin", case(A(0, 2), 0), IndexError, r"argmin.*dim 0"),
    Refusal("argmax", case(A(2, dtype="bool")), RuntimeError, "bool"),
    Refusal("any", case(A(2), 1), IndexError, "got 1"),
    Refusal("prod", case(A(2, 3), (0, 1)), TypeError, "tuple"),
    Refusal("prod", case(A(2, 3), 2), IndexError, "got 2"),
    Refusal("logsumexp", case(A(2, 3), 2), IndexError, "got 2"),
]

test_values, test_gradient, test_refusal = table("reduction", ROWS, REFUSALS)
