"""Several elements for one place reduced to one, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd import gradcheck, gradgradcheck
from trainctl.backend.arrays import NUMPY, Backend


def at(*values, dtype="int64"):
    """An index tensor."""
    return A(values=values[0] if len(values) == 1 else list(values), dtype=dtype)


MANY = at([[0, 2, 1, 0], [0, 0, 1, 2], [0, 2, 2, 2]])
SCATTERED = [
    (A(3, 4), 0, MANY, A(3, 4)), (A(3, 4, grad=False), 1, at([[1, 1], [0, 3]]), A(3, 4, grad=False)), (A(2), -1, at([1] * 6), A(6)), (A(2, 3, 2), 1, at([[[2], [2]]]), A(1, 2, 1)), (A(), 0, at([0, 0]), A(2)), (A(), 0, at(0), A()), (A(3, grad=False), 0, at(1), A(1, grad=False)), (A(3, 4, grad=False), 0, at([]), A(2, 2, grad=False)),
    (A(3, 4, layout="T"), 0, at([[2, 1], [2, 0]]), A(2, 2, layout="T")), (A(3), 0, at([1, 1], dtype="int32"), A(2)), (A(3, dtype="float64"), 0, at([1, 1]), A(2, dtype="float64")),
]  # fmt: skip
ENTRIES = [
    (A(3, 4), 0, at([2, 0, 2]), A(3, 4)), (A(3, 4), -1, at([1, 1]), A(3, 2)), (A(2, 3, 2), 1, at([2, 2, 0]), A(2, 3, 2)), (A(3), 0, at([1] * 6), A(6)), (A(), 0, at(0), A()), (A(3, 4), 0, at([]), A(0, 4)), (A(0, 3), 1, at([2, 2]), A(0, 2)),
    (A(3, 4, layout="T"), 0, at([1, 1]), A(2, 4, layout="T")), (A(3, 4, grad=False), 0, at([1, 1], dtype="int32"), A(2, 4, grad=False)),
]  # fmt: skip
# Zeros, one and several for a place, in the input and in what is multiplied into it.
ZEROS = [
    (A(values=[0.0, 2.0, 3.0, 0.0]), 0, at([0, 0, 1, 1, 2, 3]), A(values=[0.0, 2.0, 0.0, 3.0, 0.0, 0.0])),
    (A(values=[1.0, 2.0]), 0, at([0, 0, 1]), A(values=[0.0, 0.0, 2.0])),
]
TIES = [
    (A(values=[1.0, 2.0, 0.0]), 0, at([0, 0, 1, 1]), A(values=[1.0, 1.0, 2.0, 2.0])),
    (A(values=[9.0, -9.0]), 0, at([0, 0, 1]), A(values=[9.0, 9.0, -9.0])),
    (A(values=[0.0, 1.0]), 0, at([0, 0]), A(values=[0.0, -1.0])),
    (A(values=[0.0]), 0, at([0, 0]), A(values=[float("nan"), 1.0], grad=False)),
]
WHOLE = [
    (A(3, dtype=kind, low=-9, high=9), 0, at([1, 1, 2]), A(3, dtype=kind, low=-9, high=9))
    for kind in ("int8", "uint8", "int64")
]
BOOLS = [(A(3, dtype="bool"), 0, at([1, 1]), A(2, dtype="bool"))]
COMPLEX = [(A(3, dtype="complex64", grad=False), 0, at([1, 1, 0]), A(3, dtype="complex64", grad=False))]


def both(name, reduce, cases):
    """Each case with what is there and without it."""
    return [case(name, *each, reduce=reduce, include_self=include) for each in cases for include in (True, False)]


def call(lib, name, *args, **kwargs):
    return getattr(lib, name)(*args, **kwargs)


def call_method(lib, name, x, *args, **kwargs):
    return getattr(x.clone(), name)(*args, **kwargs)


NAMES = {"scatter_reduce": ("sum", "prod", "mean", "amax", "amin"), "index_reduce": ("prod", "mean", "amax", "amin")}
CASES = {"scatter_reduce": SCATTERED, "index_reduce": ENTRIES}
EXTRA = {
    "sum": WHOLE + BOOLS,
    "prod": WHOLE + BOOLS + ZEROS,
    "mean": WHOLE,
    "amax": WHOLE + BOOLS,
    "amin": WHOLE + BOOLS,
}

ROWS = [
    *(Row(f"{name} {reduce}", both(name, reduce, CASES[name] + [each for each in EXTRA[reduce] if name == "scatter_reduce" or each not in BOOLS]), call=call) for name, kinds in NAMES.items() for reduce in kinds),
    *(Row(f"{name} method", both(name, "prod", CASES[name][:3]), call=call_method) for name in NAMES),
    *(Row(f"{name}_ {reduce}", both(f"{name}_", reduce, CASES[name][:3]), call=call_method) for name, kinds in NAMES.items() for reduce in kinds),
    *(Row(f"{name} {reduce} ties", both(name, reduce, TIES), gradcheck=False, call=call) for name in NAMES for reduce in ("amax", "amin")),
    *(Row(f"scatter_reduce {reduce} complex", both("scatter_reduce", reduce, COMPLEX), call=call) for reduce in ("prod", "mean")),
    Row("scatter_reduce", [case(A(3), 0, at([1, 1]), A(2), "sum"), case(A(3), dim=0, index=at([1, 1]), src=A(2), reduce="amax", include_self=False)]),
    Row("index_reduce", [case(A(3), 0, at([1, 1]), A(2), "mean"), case(A(3), dim=0, index=at([1, 1]), source=A(2), reduce="amax", include_self=False)]),
]  # fmt: skip

REFUSALS = [
    Refusal("scatter_reduce", case(A(3), 0, at([1]), A(1), "add"), RuntimeError, "sum, prod, .* but got add"),
    Refusal("scatter_reduce", case(A(3), 0, at([3]), A(1), "sum"), RuntimeError, "index 3"),
    Refusal("scatter_reduce", case(A(3), 0, at([1]), A(1, dtype="float64"), "sum"), RuntimeError, "float32 and float64"),
    Refusal("scatter_reduce", case(A(3), 0, at([1]), 1.0, "sum"), TypeError, "'src' must be Tensor, not float"),
    Refusal("scatter_reduce", case(A(3, dtype="bool"), 0, at([1]), A(1, dtype="bool"), "mean"), NotImplementedError, "bool"),
    Refusal("scatter_reduce", case(A(3, dtype="complex64"), 0, at([1]), A(1, dtype="complex64"), "amax"), NotImplementedError, "complex64"),
    Refusal("index_reduce", case(A(3), 0, at([1]), A(1), "sum"), RuntimeError, "prod, mean, .* but got sum"),
    Refusal("index_reduce", case(A(3), 0, at([3]), A(1), "prod"), IndexError, "index 3"),
    Refusal("index_reduce", case(A(3), 0, at([-1]), A(1), "prod"), IndexError, "index -1"),
    Refusal("index_reduce", case(A(3), 0, at([1]), A(2), "prod"), RuntimeError, r"indices \(1\).*\(2\)"),
    Refusal("index_reduce", case(A(3), 0, at([[1]]), A(1), "prod"), IndexError, "vector"),
    Refusal("index_reduce", case(A(3), 0, at([1]), A(1, dtype="float64"), "prod"), RuntimeError, "float32.*float64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("scatter_reduce", ROWS, REFUSALS)


@pytest.mark.parametrize("reduce", NAMES["scatter_reduce"])
@pytest.mark.parametrize("include_self", [True, False])
def test_second_derivatives(reduce, include_self):
    x = trainctl.tensor([1.5, 0.0, -2.0], dtype=trainctl.float64, requires_grad=True)
    source = trainctl.tensor([0.5, 0.0, 3.0, -1.0], dtype=trainctl.float64, requires_grad=True)
    index = trainctl.tensor([0, 0, 2, 0])

    def reduced(x, source):
        return x.scatter_reduce(0, index, source, reduce, include_self=include_self)

    if reduce != "prod":
        assert gradgradcheck(reduced, (x, source))
    else:  # where something is 0, PyTorch's gradient is right but holds the others of that place to be constant
        assert gradcheck(reduced, (x, source))
        assert gradgradcheck(reduced, ((x + 1).detach().requires_grad_(), (source + 2).detach().requires_grad_()))


def test_a_product_of_several_zeros_has_no_second_derivative():
    source = trainctl.zeros(2, requires_grad=True)
    y = trainctl.ones(1).scatter_reduce(0, trainctl.tensor([0, 0]), source, "prod")
    (g,) = trainctl.autograd.grad(y, source, create_graph=True)
    assert g.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="Double backward is unsupported"):
        trainctl.autograd.grad(g.sum(), source)


@pytest.mark.parametrize("function", ["add", "multiply", "maximum", "minimum"])
@pytest.mark.parametrize("kind", ["int64", "float32", "bool"])
def test_what_other_libraries_do_is_what_numpy_does(function, kind):
    rng = NUMPY.random.default_rng(0)
    for count in (0, 1, 7, 100):
        target = rng.integers(-3, 4, (5, 3)).astype(kind)
        index = (slice(None), rng.integers(0, 3, count))
        source = rng.integers(-3, 4, (5, count)).astype(kind)
        wanted = target.copy()
        NUMPY.scatter_reduce(function, wanted, index, source)
        Backend(NUMPY.library, NUMPY.array_type, "cpu").scatter_reduce(function, target, index, source)
        assert (target == wanted).all()
        assert target.dtype == wanted.dtype
