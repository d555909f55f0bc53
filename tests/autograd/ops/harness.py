"""One helper behind every op test: values and gradients against PyTorch, and gradients against differences.

A row names a public function and lists its cases; a case is the arguments, with :class:`A` for arrays. Where
PyTorch is installed each case is compared with it, else with what it gave when the golden file was made
(``python -m tests.golden.make_ops``). The arrays of a case depend only on the row's name and the case's place in it,
and come from NumPy's ``RandomState``, whose stream NumPy has promised not to change.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import trainctl
from tests.golden import ops as golden_ops
from trainctl.autograd import gradcheck

try:
    import torch
except ModuleNotFoundError:
    torch = None


class A:
    """An array argument.

    Args:
        shape: its sizes.
        dtype: element type; floats are uniform in ``low .. high``, integers too (``high`` excluded).
        low: smallest value.
        high: largest value.
        grad: ask for its gradient (floating and complex types only).
        layout: "" (contiguous), "T" (transposed memory) or "step" (every second element of a larger array).
        values: the elements themselves, instead of random ones.
    """

    def __init__(
        self, *shape: int, dtype: str = "float32", low: float = -2.0, high: float = 2.0, grad: bool = True,
        layout: str = "", values: Any = None,
    ) -> None:  # fmt: skip
        self.shape, self.dtype, self.layout, self.values = shape, dtype, layout, values
        self.low, self.high = low, high
        self.grad = grad and np.dtype(dtype).kind in "fc"

    def array(self, rng: np.random.RandomState, double: bool) -> np.ndarray:
        kind = np.dtype(self.dtype)
        if double and kind.kind in "fc":
            kind = np.dtype("complex128" if kind.kind == "c" else "float64")
        if self.values is not None:
            return np.array(self.values, kind)
        shape = (*self.shape[:-1], 2 * self.shape[-1]) if self.layout == "step" and self.shape else self.shape
        shape = shape[::-1] if self.layout == "T" else shape
        if kind.kind == "b":
            return np.asarray(rng.uniform(size=shape) < 0.5)
        if kind.kind in "ui":
            low = max(int(self.low), 0) if kind.kind == "u" else int(self.low)
            return np.asarray(rng.randint(low, max(int(self.high), low + 1), shape)).astype(kind)
        drawn = np.asarray(rng.uniform(self.low, self.high, shape))
        if kind.kind == "c":
            drawn = np.asarray(drawn + 1j * rng.uniform(self.low, self.high, shape))
            return drawn.astype(np.complex64).astype(kind)
        return drawn.astype(np.float32).astype(kind)

    def leaf(self, library: Any, array: np.ndarray) -> Any:
        """Return the array as a tensor of the library."""
        leaf = library.from_numpy(array.copy())
        return leaf.requires_grad_() if self.grad else leaf

    def seen(self, leaf: Any) -> Any:
        """Return the leaf as the op gets it: the same memory in the layout asked for."""
        if self.layout == "T":
            return leaf.permute(*reversed(range(leaf.ndim)))
        return leaf[..., ::2] if self.layout == "step" and self.shape else leaf


@dataclass(frozen=True)
class Case:
    """One call: ``args`` and ``kwargs`` with :class:`A` wherever an array belongs, also inside lists."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


def case(*args: Any, **kwargs: Any) -> Case:
    return Case(args, kwargs)


@dataclass(frozen=True)
class Row:
    """A public name and its cases.

    Args:
        name: dotted, below ``trainctl`` and ``torch``; ``Tensor.name`` for a method, operator or property.
        cases: the calls.
        grad: compare gradients with PyTorch's.
        gradcheck: compare gradients with differences in float64.
        rtol: relative tolerance against PyTorch (float32).
        atol: absolute tolerance against PyTorch.
        call: what to call instead, with the library and the arguments; the name is then only a name.
    """

    name: str
    cases: Sequence[Case]
    grad: bool = True
    gradcheck: bool = True
    rtol: float = 1e-5
    atol: float = 1e-6
    call: Callable[..., Any] | None = None


def resolve(library: Any, row: Row) -> Callable[..., Any]:
    """Return what a row calls."""
    if row.call is not None:
        call = row.call
        return lambda *args, **kwargs: call(library, *args, **kwargs)
    if row.name.startswith("Tensor."):
        return _member(row.name.removeprefix("Tensor."))
    found = library
    for part in row.name.split("."):
        found = getattr(found, part)
    return found


def _member(name: str) -> Callable[..., Any]:
    """Return a function that calls a tensor's method, or reads its property; in-place forms get a copy."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        in_place = name.endswith("_") and not name.endswith("__")
        member = getattr(x.clone() if in_place else x, name)
        return member(*args, **kwargs) if callable(member) else member

    return call


@dataclass
class Outcome:
    """What a call gave: results and gradients as arrays, in order."""

    results: list[np.ndarray]
    grads: list[np.ndarray | None]


def _map_arrays(value: Any, function: Callable[[A], Any]) -> Any:
    """Return arguments with every array spec replaced by ``function`` of it, inside lists too."""
    if isinstance(value, A):
        return function(value)
    if isinstance(value, dict):
        return {key: _map_arrays(each, function) for key, each in value.items()}
    if isinstance(value, slice):
        return slice(*(_map_arrays(each, function) for each in (value.start, value.stop, value.step)))
    if isinstance(value, (list, tuple)):
        return type(value)(_map_arrays(each, function) for each in value)
    return value


def _named_dtypes(value: Any, library: Any) -> Any:
    """Return arguments with ``"dtype:float64"`` replaced by the library's own."""
    if isinstance(value, dict):
        return {key: _named_dtypes(each, library) for key, each in value.items()}
    if isinstance(value, str) and value.startswith("dtype:"):
        return getattr(library, value.removeprefix("dtype:"))
    return tuple(_named_dtypes(each, library) for each in value) if type(value) is tuple else value


def _leaves(row: Row, number: int, library: Any, double: bool = False) -> list[tuple[A, Any]]:
    """Return (spec, leaf tensor) for every array of a case, in the order of the arguments."""
    rng, found = np.random.RandomState([zlib.crc32(row.name.encode()), number]), []

    def make(spec: A) -> None:
        found.append((spec, spec.leaf(library, spec.array(rng, double))))

    one = row.cases[number]
    _map_arrays((one.args, one.kwargs), make)
    return found


def _call(row: Row, number: int, library: Any, leaves: Iterable[Any]) -> list[Any]:
    """Return the tensors that the function gives for these leaves."""
    one, given = row.cases[number], iter(leaves)
    args, kwargs = _map_arrays((one.args, one.kwargs), lambda spec: spec.seen(next(given)))
    function = resolve(library, row)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*degrees of freedom")
        result = function(*_named_dtypes(args, library), **_named_dtypes(kwargs, library))
    return list(_tensors(result, library))


def _tensors(result: Any, library: Any) -> Iterator[Any]:
    if isinstance(result, library.Tensor):
        yield result
    elif isinstance(result, (list, tuple)):
        for each in result:
            yield from _tensors(each, library)
    elif isinstance(result, (bool, int, float, complex)):
        yield library.tensor(result)


def run(row: Row, number: int, library: Any) -> Outcome:
    """Make one call with one library and return what it gave."""
    with warnings.catch_warnings():
        if library is torch:  # of complex numbers made real, ...
            warnings.simplefilter("ignore")
        return _run(row, number, library)


def _run(row: Row, number: int, library: Any) -> Outcome:
    pairs = _leaves(row, number, library)
    outputs = _call(row, number, library, (leaf for _, leaf in pairs))
    results = [_array(each, library) for each in outputs]
    wanted, grads = [leaf for spec, leaf in pairs if spec.grad], []
    differentiable = [each for each in outputs if each.requires_grad]
    if row.grad and wanted and differentiable:
        weights = [library.from_numpy(_cotangent(each, i)) for i, each in enumerate(differentiable)]
        found = library.autograd.grad(differentiable, wanted, weights, allow_unused=True)
        grads = [None if each is None else _array(each, library) for each in found]
    return Outcome(results, grads)


def _array(tensor: Any, library: Any) -> np.ndarray:
    tensor = tensor.detach()
    return np.array(tensor.clone().resolve_conj().numpy() if library is torch else tensor.numpy())


def _cotangent(output: Any, place: int) -> np.ndarray:
    rng, shape = np.random.RandomState(place), tuple(output.shape)
    kind = np.dtype(str(output.dtype).split(".")[-1])
    drawn = rng.uniform(-1, 1, shape) + (1j * rng.uniform(-1, 1, shape) if kind.kind == "c" else 0)
    return np.asarray(drawn).astype(kind)


def expected(row: Row, number: int, family: str) -> Outcome:
    """Return PyTorch's outcome: computed where it is installed, else from the golden file."""
    return golden(row, number, family) if torch is None else run(row, number, torch)


def golden(row: Row, number: int, family: str) -> Outcome:
    """Return what the golden file of a family holds for a case."""
    results, grads = golden_ops.load(family)[key(row, number)]
    return Outcome(results, grads)


def key(row: Row, number: int) -> str:
    """Return the name of a case in a golden file."""
    return f"{row.name}/{number}"


def assert_same(got: Outcome, want: Outcome, row: Row) -> None:
    """Assert that shapes, dtypes, values and gradients agree."""
    assert [each.shape for each in got.results] == [each.shape for each in want.results]
    assert [each.dtype for each in got.results] == [each.dtype for each in want.results]
    for mine, theirs in zip(got.results, want.results, strict=True):
        _assert_close(mine, theirs, row.rtol, row.atol)
    if row.grad:
        assert len(got.grads) == len(want.grads)
        for mine, theirs in zip(got.grads, want.grads, strict=True):
            _assert_same_gradient(mine, theirs, row)


def _assert_same_gradient(mine: np.ndarray | None, theirs: np.ndarray | None, row: Row) -> None:
    if mine is None or theirs is None:  # one library says "unused" where the other says zeros
        other = theirs if mine is None else mine
        assert other is None or not np.any(other)
        return
    assert mine.shape == theirs.shape
    assert mine.dtype == theirs.dtype
    _assert_close(mine, theirs, 10 * row.rtol, 10 * row.atol)


def _assert_close(mine: np.ndarray, theirs: np.ndarray, rtol: float, atol: float) -> None:
    if mine.dtype == np.float16:  # its last digit
        rtol, atol = max(rtol, 2e-3), max(atol, 1e-3)
    np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol)


def check_values(row: Row, number: int, family: str) -> None:
    """Compare one case with PyTorch (or its golden values)."""
    assert_same(run(row, number, trainctl), expected(row, number, family), row)


def check_gradient(row: Row, number: int) -> None:
    """Compare the gradients of one case, in float64, with central differences."""
    pairs = _leaves(row, number, trainctl, double=True)
    wanted = [leaf for spec, leaf in pairs if spec.grad]
    if not (row.grad and row.gradcheck and wanted) or any(each.numel() > 200 for each in wanted):
        return

    def call(*now: Any) -> tuple[Any, ...]:
        given = iter(now)
        outputs = _call(row, number, trainctl, (next(given) if spec.grad else leaf for spec, leaf in pairs))
        return tuple(each for each in outputs if each.is_floating_point() or each.is_complex())

    gradcheck(call, tuple(wanted), atol=1e-4, rtol=1e-3)


@dataclass(frozen=True)
class Refusal:
    """A call that must fail, with PyTorch's type of exception.

    Args:
        name: as in :class:`Row`.
        case: the call.
        error: the type.
        match: a pattern found in our message: the shapes, the sizes, what to do.
        call: as in :class:`Row`.
    """

    name: str
    case: Case
    error: type[Exception]
    match: str
    call: Callable[..., Any] | None = None

    def check(self, library: Any) -> None:
        """Assert that the call fails as it should."""
        row = Row(self.name, [self.case], call=self.call)
        leaves = [leaf for _, leaf in _leaves(row, 0, library)]
        with pytest.raises(self.error, match=self.match if library is trainctl else None):
            _call(row, 0, library, leaves)


def table(
    family: str, rows: Sequence[Row], refusals: Sequence[Refusal] = ()
) -> tuple[Callable[..., None], Callable[..., None], Callable[..., None]]:
    """Return the tests of a family's table: values, gradients, refusals."""
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), f"a row is named twice: {sorted({n for n in names if names.count(n) > 1})}"
    cases = [pytest.param(row, i, id=f"{row.name}-{i}") for row in rows for i in range(len(row.cases))]
    refused = [pytest.param(each, id=f"{each.name}-{i}") for i, each in enumerate(refusals)]

    @pytest.mark.parametrize(("row", "number"), cases)
    def test_values(row: Row, number: int) -> None:
        check_values(row, number, family)

    @pytest.mark.parametrize(("row", "number"), cases)
    def test_gradient(row: Row, number: int) -> None:
        check_gradient(row, number)

    @pytest.mark.parametrize("refusal", refused)
    def test_refusal(refusal: Refusal) -> None:
        refusal.check(trainctl)
        if torch is not None:
            refusal.check(torch)

    return test_values, test_gradient, test_refusal


# -- cases that most ops share --------------------------------------------------------------------------


def unary_cases(low: float = -2.0, high: float = 2.0, ints: bool = True, complex: bool = False) -> list[Case]:
    """Scalar, vector, size 0 and 1, transposed, stepped, float64, integers, complex."""
    at = {"low": low, "high": high}
    cases = [
        case(A(**at)), case(A(5, **at)), case(A(0, 3, **at)), case(A(1, 1, **at)), case(A(2, 3, 4, **at)),
        case(A(3, 4, layout="T", **at)), case(A(3, 4, layout="step", **at)), case(A(4, dtype="float64", **at)),
    ]  # fmt: skip
    if ints:
        cases += [case(A(2, 3, dtype="int64", low=max(low, 1), high=max(high, 3)))]
    if complex:
        cases += [case(A(2, 3, dtype="complex64", **at))]
    return cases


def binary_cases(
    low: float = -2.0, high: float = 2.0, ints: bool = True, numbers: bool = True, complex: bool = False
) -> list[Case]:
    """Equal shapes, every broadcast, scalars, size 0, layouts, mixed dtypes, numbers."""
    at = {"low": low, "high": high}
    cases = [
        case(A(3, 4, **at), A(3, 4, **at)), case(A(3, 4, **at), A(4, **at)), case(A(4, **at), A(3, 4, **at)),
        case(A(3, 1, **at), A(1, 4, **at)), case(A(**at), A(2, 3, **at)), case(A(2, 3, **at), A(**at)),
        case(A(**at), A(**at)), case(A(0, 3, **at), A(1, 3, **at)), case(A(3, 4, layout="T", **at), A(3, 4, layout="step", **at)),
        case(A(2, 3, dtype="float64", **at), A(2, 3, **at)), case(A(dtype="float64", **at), A(2, 3, **at)),
    ]  # fmt: skip
    if ints:
        whole = {"low": max(low, 1), "high": max(high, 4)}
        cases += [
            case(A(2, 3, dtype="int64", **whole), A(3, **at)), case(A(2, 3, dtype="int32", **whole), A(2, 3, dtype="int64", **whole)),
            case(A(2, 3, dtype="uint8", **whole), A(2, 3, dtype="int8", **whole)),
        ]  # fmt: skip
    if numbers:
        cases += [case(A(2, 3, **at), 2), case(A(2, 3, **at), 1.5), case(A(2, 3, dtype="float64", **at), 1.5)]
        cases += (
            [case(A(2, 3, dtype="int64", low=1, high=5), 1.5), case(A(2, 3, dtype="int64", low=1, high=5), 2)]
            if ints
            else []
        )
    if complex:
        cases += [
            case(A(2, 3, dtype="complex64", **at), A(2, 3, dtype="complex64", **at)),
            case(A(3, dtype="complex64", **at), A(2, 3, **at)),
        ]
    return cases
