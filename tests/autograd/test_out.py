"""``out=``: what is written where, of which dtype and shape, and what is refused, for every function that PyTorch has it for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import trainctl
import trainctl.nn.functional
from tests.autograd.ops.harness import A, Case, Row, _leaves, _map_arrays, _named_dtypes, _tensors, case, resolve
from trainctl.autograd import out as table
from trainctl.autograd.ops import listed

try:
    import torch
except ModuleNotFoundError:
    torch = None

X = A(2, 3, low=0.2, high=0.8, grad=False)
M = A(3, 3, low=0.2, high=0.8, grad=False)
B = A(2, 3, 3, low=0.2, high=0.8, grad=False)
V = A(3, low=0.2, high=0.8, grad=False)
N = A(2, 3, dtype="int64", low=1, high=9)
T = A(2, 3, dtype="bool")
I = A(2, dtype="int64", low=0, high=2)  # noqa: E741 - an index
D = A(2, dtype="int64", values=[1, 0])
P = A(2, 3, dtype="int64", low=0, high=2)
SPD = A(2, 2, values=[[2.0, 0.5], [0.5, 1.0]], grad=False)
TRIANGLE = A(2, 2, values=[[2.0, 0.5], [0.0, 1.0]], grad=False)

UNARY = (
    "abs absolute acos angle arccos arcsin arcsinh arctan arctanh asin asinh atan atanh ceil cos cosh deg2rad erf erfc erfinv exp exp2 expm1 fix floor frac isneginf isposinf "
    "log log10 log1p log2 logit nan_to_num nanmean nansum neg rad2deg reciprocal round rsqrt sgn sigmoid sign signbit sin sinc sinh sqrt square tan tanh trunc logical_not median "
    "nanmedian argmax argmin max min amax amin aminmax msort nonzero sort tril triu norm linalg.norm linalg.vector_norm linalg.matrix_norm linalg.matrix_rank linalg.pinv "
    "linalg.qr linalg.svdvals linalg.svd qr svd hardshrink nn.functional.hardshrink nn.functional.softshrink nn.functional.gelu nn.functional.logsigmoid nn.functional.softplus "
    "nn.functional.normalize histc"
)  # fmt: skip
BINARY = (
    "add arctan2 atan2 copysign div divide eq floor_divide fmax fmin fmod ge gt heaviside hypot ldexp le logaddexp logaddexp2 logical_and logical_or logical_xor lt maximum "
    "minimum mul multiply ne nextafter pow remainder sub subtract true_divide xlogy float_power kron inner isin linalg.vecdot complex polar"
)
ALONG = "all any cumsum cumprod cummax cummin logcumsumexp logsumexp mean median mode std var sum prod softmax log_softmax amax argmax max min sort diff"
CASES: dict[str, list[Case]] = {
    **{name: [case(X)] for name in UNARY.split()},
    **{name: [case(X, X)] for name in BINARY.split()},
    "argsort": [case(X, stable=True)],
    "acosh": [case(A(3, low=1.5, grad=False))], "arccosh": [case(A(3, low=1.5, grad=False))], "addbmm": [case(M, B, B)], "addcdiv": [case(X, X, X)], "addcmul": [case(X, X, X, value=2)],
    "addmm": [case(M, M, M, alpha=2)], "addmv": [case(V, M, V)], "addr": [case(M, V, V)], "baddbmm": [case(B, B, B)], "bitwise_not": [case(N)], "bmm": [case(B, B)],
    **{f"bitwise_{name}": [case(N, N), case(T, T)] for name in ("and", "or", "xor")}, "bucketize": [case(X, A(3, values=[0.3, 0.5, 0.6], grad=False))],
    "searchsorted": [case(A(3, values=[0.3, 0.5, 0.6], grad=False), X)], **{name: [case([X, X]), case([N, X], 1)] for name in ("cat", "concat", "concatenate")}, "stack": [case([X, X])],
    "chain_matmul": [case(M, M)], "cholesky": [case(SPD)], "linalg.cholesky": [case(SPD)], **{name: [case(X, 0.3, 0.5)] for name in ("clamp", "clip")}, "clamp_min": [case(X, 0.4)],
    "clamp_max": [case(X, 0.4)], "cross": [case(X, X, dim=1)], "linalg.cross": [case(X, X)], "diag": [case(V)], "dot": [case(V, V)], "vdot": [case(V, V)], "gather": [case(X, 1, A(2, 1, dtype="int64", low=0, high=3))],
    "index_select": [case(X, 1, I)], "inverse": [case(SPD)], "linalg.inv": [case(SPD)], "kthvalue": [case(X, 2)], "topk": [case(X, 2)], "lerp": [case(X, X, 0.5)], "masked_select": [case(X, T)],
    "matmul": [case(M, M)], "linalg.matmul": [case(M, M)], "mm": [case(X, M)], "mv": [case(X, V)], "matrix_power": [case(M, 2)], "linalg.matrix_power": [case(M, 2)], "outer": [case(V, V)],
    "linalg.multi_dot": [case([M, M, M])], "quantile": [case(X, 0.5)], "nanquantile": [case(X, 0.5, dim=1)], "tensordot": [case(X, M, 1)], "where": [case(T, X, X)], "linalg.det": [case(SPD)],
    "linalg.slogdet": [case(SPD)], "linalg.eigh": [case(SPD)], "linalg.eigvalsh": [case(SPD)], "linalg.solve": [case(SPD, A(2, grad=False))],
    "linalg.solve_triangular": [case(TRIANGLE, A(2, 2, grad=False), upper=True)], "nn.functional.linear": [case(X, M, V)], "nn.functional.avg_pool2d": [case(A(1, 1, 4, 4, grad=False), 2)],
    "nn.functional.avg_pool3d": [case(A(1, 1, 4, 4, 2, grad=False), 2)], "arange": [case(5), case(1.0, 4.0, 0.5), case(5, dtype="dtype:float32")], "eye": [case(3), case(2, 3, dtype="dtype:int64")],
    **{name: [case([X, X])] for name in ("hstack", "vstack", "row_stack", "dstack", "column_stack")}, **{f"bitwise_{way}_shift": [case(N, N)] for way in ("left", "right")}, "narrow_copy": [case(X, 1, 0, 2)],
    "take": [case(X, I)], "take_along_dim": [case(X, P, 1)], "index_add": [case(X, 0, I, X)], "index_copy": [case(X, 0, D, X)], "index_reduce": [case(X, 0, I, X, "prod")], "threshold": [case(X, 0.5, 2.0)],
    "scatter": [case(X, 0, P, 2.0)], "scatter_add": [case(X, 0, P, X)], "scatter_reduce": [case(X, 0, P, X, "amax")], "slogdet": [case(SPD)], "linalg.lstsq": [case(SPD, SPD)], "logspace": [case(0, 1, 5)],
    "full": [case((2, 3), 1.5), case((2,), 3, dtype="dtype:float64")], "linspace": [case(0, 1, 5)], "ones": [case(2, 3)], "zeros": [case((2, 3)), case(2, dtype="dtype:int32")],
}  # fmt: skip
for each in ALONG.split():
    CASES[each] = [*CASES.get(each, []), case(X, 1)]
for each in ["add", "mul", "pow", "eq", "maximum", "floor_divide", "remainder"]:
    CASES[each] = [*CASES[each], case(N, N)]
for each in ["sqrt", "abs", "neg", "square", "sigmoid", "round", "argmax", "sort"]:
    CASES[each] = [*CASES[each], case(N)]
CASES["sum"] = [*CASES["sum"], case(N, 0), case(X, 0, dtype="dtype:float64")]
RANDOM = {"empty", "bernoulli", "rand", "randn", "randint", "randperm", "multinomial", "normal"}
# Where PyTorch refuses a dtype, or ``out`` of one form of the function, and here there is no reason to.
WIDER = "clamp clamp_max clamp_min clip linalg.matrix_power matrix_power median nanmean nanmedian nansum std var"
JOINING = {"cat", "concat", "concatenate", "stack", "hstack", "vstack", "row_stack", "dstack", "column_stack"}
OTHER_ERROR = {*JOINING, "median", "nanmean", "nanmedian", "nansum"}  # RuntimeError here
UNWARNED = {"addbmm", "narrow_copy", "nn.functional.logsigmoid"}  # PyTorch resizes their ``out`` without a word
NAMES = " ".join((table.CASTABLE, table.EXACT, table.ACCUMULATED, table.MADE)).split()
CALLS = [pytest.param(name, i, id=f"{name}-{i}") for name, cases in CASES.items() for i in range(len(cases))]


def test_every_function_with_out_has_a_case():
    assert sorted(NAMES) == sorted(set(NAMES)) == sorted({*CASES, *RANDOM})


def run(library: Any, name: str, number: int, **more: Any) -> Any:
    """Call a function of a library on the arrays of a case."""
    row = Row(name, CASES[name])
    given = iter([leaf for _, leaf in _leaves(row, number, library)])
    one = row.cases[number]
    args, kwargs = _map_arrays((one.args, one.kwargs), lambda spec: spec.seen(next(given)))
    return resolve(library, row)(*_named_dtypes(args, library), **_named_dtypes(kwargs, library), **more)


def outs(library: Any, results: list[Any], shape: str, dtype: str | None) -> list[Any]:
    """Return what to write results into: of their shapes or others, of their dtypes or another."""
    kinds = [dtype or str(each.dtype).split(".")[-1] for each in results]
    sizes = {"same": lambda s: s, "empty": lambda _: (0,), "other": lambda s: (*s, 2)}[shape]
    return [
        library.zeros(sizes(tuple(each.shape)), dtype=getattr(library, kind))
        for each, kind in zip(results, kinds, strict=True)
    ]


def outcome(library: Any, name: str, number: int, shape: str, dtype: str | None) -> Any:
    """Return what was written (as arrays), or the error and its type, and how many warnings of a resize there were."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plain = run(library, name, number)
        places = outs(library, list(_tensors(plain, library)), shape, dtype)
        try:
            result = run(library, name, number, out=places[0] if isinstance(plain, library.Tensor) else tuple(places))
        except (RuntimeError, TypeError, ValueError) as error:
            return type(error)
    assert all(a is b for a, b in zip(_tensors(result, library), places, strict=True))
    resized = [each for each in caught if "An output with one or more elements was resized" in str(each.message)]
    return [np.array(each.numpy()) for each in places], bool(resized)


@pytest.mark.parametrize(("name", "number"), CALLS)
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [("same", None), ("empty", None), ("other", None), ("same", "float64"), ("same", "int64"), ("same", "float16"), ("same", "complex64")],
)  # fmt: skip
@pytest.mark.skipif(torch is None, reason="compares with PyTorch")
def test_what_is_written_and_refused_is_pytorchs(name, number, shape, dtype):
    got, want = outcome(trainctl, name, number, shape, dtype), outcome(torch, name, number, shape, dtype)
    if isinstance(want, type):
        assert issubclass(got, want) or name in OTHER_ERROR if isinstance(got, type) else name in WIDER.split()
        return
    assert not isinstance(got, type), got
    for mine, theirs in zip(got[0], want[0], strict=True):
        assert mine.dtype == theirs.dtype
        mine, theirs = (mine, theirs) if "svd" not in name else (abs(mine), abs(theirs))  # the signs are anybody's
        np.testing.assert_allclose(mine, theirs, rtol=2e-3 if dtype == "float16" else 1e-5, atol=1e-6)
    assert got[1] == want[1] or name in UNWARNED


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_out_holds_the_result(name, number):
    plain = run(trainctl, name, number)
    written, resized = outcome(trainctl, name, number, "same", None)
    assert not resized
    for mine, theirs in zip(written, _tensors(plain, trainctl), strict=True):
        np.testing.assert_array_equal(mine, theirs.numpy())


def test_random_functions_write_what_they_would_have_drawn():
    for name, args in (("rand", (3,)), ("randn", (2, 2)), ("randint", (9, (4,))), ("randperm", (5,))):
        function = getattr(trainctl, name)
        trainctl.manual_seed(3)
        want = function(*args)
        trainctl.manual_seed(3)
        out = trainctl.empty(0, dtype=want.dtype)
        assert function(*args, out=out) is out
        assert out.equal(want)


def test_the_memory_of_out_is_written_also_through_a_view_and_where_it_is_an_operand():
    base = trainctl.zeros(2, 3)
    trainctl.add(trainctl.ones(3), 1, out=base[1])
    assert base.tolist() == [[0, 0, 0], [2, 2, 2]]
    trainctl.mul(base, base, out=base)
    assert base.tolist() == [[0, 0, 0], [4, 4, 4]]
    x = trainctl.arange(6.0)
    trainctl.add(x[:4], x[1:5], out=x[2:])  # the operands are read before anything is written
    assert x.tolist() == [0, 1, 1, 3, 5, 7]


def test_a_view_that_is_resized_leaves_its_base():
    base = trainctl.zeros(2, 3)
    row = base[0]
    with pytest.warns(UserWarning, match=r"shape \[3\].*shape \[2\]") as caught:
        trainctl.add(trainctl.ones(2), 0, out=row)
    assert caught[0].filename == __file__
    assert (row.tolist(), base.sum().item()) == ([1, 1], 0)


def test_backward_sees_that_out_was_changed():
    x, w = trainctl.ones(2), trainctl.ones(2, requires_grad=True)
    y = (x * w).sum()
    trainctl.add(trainctl.ones(2), 1, out=x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_no_gradient_goes_through_out():
    x, w = trainctl.ones(2), trainctl.ones(2, requires_grad=True)
    for args, out in (((x, w), trainctl.empty(2)), ((x, x), w)):
        with pytest.raises(RuntimeError, match=r"^add\(\): functions with out=... arguments don't support automatic"):
            trainctl.add(*args, out=out)
        with trainctl.no_grad():
            assert trainctl.add(*args, out=out) is out
    assert trainctl.argmax(w, out=trainctl.empty((), dtype=trainctl.int64)) == 0  # there is no gradient to lose


@pytest.mark.parametrize(
    ("name", "out", "error", "match"),
    [
        ("add", 3, TypeError, r"^add\(\): argument 'out' must be Tensor, not int"),
        ("add", (trainctl.ones(3),), TypeError, "must be Tensor, not tuple"),
        ("zeros", 3, TypeError, r"^zeros\(\): argument 'out' must be Tensor, not int"),
        ("topk", trainctl.ones(3), TypeError, r"^topk\(\): argument 'out' must be tuple of Tensors, not Tensor"),
        ("topk", (trainctl.ones(3),), TypeError, "tuple of 2 elements but got 1"),
        ("topk", (trainctl.ones(3), 3), TypeError, "must be Tensor, not int"),
        ("add", trainctl.ones(2, 3, dtype=trainctl.int64), RuntimeError, "float32 can't be cast .* output type int64"),
        ("amax", trainctl.ones((), dtype=trainctl.float64), RuntimeError, "dtype float32, but got float64"),
        ("add", trainctl.ones(1).expand(2, 3), RuntimeError, "more than one element .* single memory location"),
    ],
)
def test_refusals(name, out, error, match):
    with pytest.raises(error, match=match):
        run(trainctl, name, 0, out=out)


def test_norm_takes_out_by_name_only():
    with pytest.raises(TypeError, match=r"^norm\(\): give out= by name"):
        trainctl.norm(trainctl.ones(3), 2, None, False, trainctl.empty(()))


def test_nothing_is_written_where_one_of_several_is_refused():
    values = trainctl.zeros(2, 2)
    with pytest.raises(RuntimeError, match="dtype int64, but got float32"):
        trainctl.topk(trainctl.ones(2, 3), 2, out=(values, trainctl.zeros(2, 2)))
    assert not values.any()


@pytest.mark.skipif(torch is None, reason="asks PyTorch")
def test_every_function_that_pytorch_has_out_for_has_it():
    ours = [*listed("FUNCTIONS"), *(f"linalg.{each}" for each in listed("LINALG"))]
    undocumented = {"std_mean", "var_mean"}  # the other way round: their documentation names it, and they refuse it
    missing = []
    for name in ours:
        found = torch
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not None and ", out=None" in (found.__doc__ or "").split("\n\n")[0] and name not in undocumented:
            missing.append(name)
    assert sorted(set(missing) - set(NAMES)) == []


@pytest.mark.parametrize("name", ["add", "sub", "addmm", "addmv", "addr", "addbmm", "baddbmm"])
def test_a_number_in_front_of_its_tensor_is_explained(name):
    tensors = [trainctl.ones(2)] * 3
    args = (tensors[0], 2, tensors[1]) if name in ("add", "sub") else (2, *tensors)
    with pytest.raises(TypeError, match=rf"^{name}\(\): a number in front .* write {name}\(input"):
        getattr(trainctl, name)(*args)
    with pytest.raises(TypeError, match="a number in front"):
        getattr(trainctl.ones(2), name)(*args[-2:] if name in ("add", "sub") else (2, *tensors[1:]))
