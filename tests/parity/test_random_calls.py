"""Random calls of the reductions, scans and sorts: any shape, dtype, layout and option, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trainctl

torch = pytest.importorskip("torch", reason="needs the extra `parity`")

Draw = Callable[[np.random.Generator, int], dict[str, Any]]


def one_of(*choices: Any) -> Callable[[np.random.Generator], Any]:
    return lambda rng: choices[rng.integers(len(choices))]


def dim(rng: np.random.Generator, ndim: int) -> int:
    return int(rng.integers(-max(ndim, 1), max(ndim, 1)))


def options(**choices: Any) -> Draw:
    """Return a draw of keyword arguments: ``dim`` fits the shape, others are among their choices or left out."""

    def draw(rng: np.random.Generator, ndim: int) -> dict[str, Any]:
        drawn = {name: one_of(*values)(rng) for name, values in choices.items() if name != "dim" and rng.random() < 0.6}
        if choices.get("dim") == "always" or ("dim" in choices and rng.random() < 0.7):
            drawn["dim"] = dim(rng, ndim)
        return drawn

    return draw


KEEPDIM, BOOLS = (True, False), (True, False)
CALLS: dict[str, Draw] = {
    "sum": options(dim="always", keepdim=KEEPDIM), "amax": options(dim="", keepdim=KEEPDIM), "prod": options(dim="always", keepdim=KEEPDIM),
    "cumsum": options(dim="always"), "cumprod": options(dim="always"), "cummax": options(dim="always"), "cummin": options(dim="always"),
    "logcumsumexp": options(dim="always"), "diff": options(dim="", n=(0, 1, 2, 3)), "trapezoid": options(dim="", dx=(0.5, 2)),
    "cumulative_trapezoid": options(dim="", dx=(0.5, 2)), "sort": options(dim="", descending=BOOLS), "argsort": options(dim="", descending=BOOLS),
    "msort": options(), "unique": options(dim="", return_inverse=BOOLS, return_counts=BOOLS),
    "unique_consecutive": options(dim="", return_inverse=BOOLS, return_counts=BOOLS), "median": options(dim="always", keepdim=KEEPDIM),
    "nanmedian": options(dim="always", keepdim=KEEPDIM), "mode": options(dim="", keepdim=KEEPDIM), "aminmax": options(dim="", keepdim=KEEPDIM),
    "nansum": options(dim="", keepdim=KEEPDIM), "nanmean": options(dim="", keepdim=KEEPDIM), "count_nonzero": options(dim=""),
    "std_mean": options(dim="always", keepdim=KEEPDIM, correction=(0, 1)), "histc": options(bins=(1, 4, 9)),
    "quantile": options(dim="", keepdim=KEEPDIM, q=(0.0, 0.3, 0.5, 1.0), interpolation=("linear", "lower", "higher", "midpoint", "nearest")),
}  # fmt: skip


def draw_array(rng: np.random.Generator) -> np.ndarray:
    """Return distinct numbers in random order: of equal ones PyTorch does not say which comes first."""
    shape = tuple(rng.choice([0, 1, 2, 3, 4], p=[0.05, 0.2, 0.3, 0.25, 0.2]) for _ in range(rng.integers(0, 4)))
    array = rng.permutation(np.arange(np.prod(shape, dtype=int)) - 3.0).reshape(shape)
    kind = one_of("float32", "float64", "float64", "float16", "int64", "int32", "int8", "bool")(rng)
    return np.asarray(array * (0.25 if kind[0] == "f" else 1)).astype(kind)


def call(library: Any, name: str, array: np.ndarray, transposed: bool, arguments: dict[str, Any]) -> list[np.ndarray]:
    """Return the results and the gradient of a call; the name of the error where it is refused."""
    leaf = library.from_numpy(np.ascontiguousarray(array.T) if transposed else array.copy())
    leaf = leaf.requires_grad_() if leaf.is_floating_point() else leaf
    x = leaf.permute(*reversed(range(leaf.ndim))) if transposed else leaf
    try:
        results = getattr(library, name)(x, **arguments)
    except (RuntimeError, IndexError, TypeError) as error:
        return [np.array(type(error).__name__)]
    results = [results] if isinstance(results, library.Tensor) else list(results)
    arrays = [each.detach().numpy() for each in results]
    smooth = [each for each in results if each.requires_grad]
    if smooth and not name.startswith(("unique", "histc")):
        weights = [
            library.from_numpy(np.cos(np.arange(each.numel())).reshape(each.shape).astype(array.dtype))
            for each in smooth
        ]
        arrays += [each.detach().numpy() for each in library.autograd.grad(smooth, [leaf], weights)]
    return arrays


@pytest.mark.filterwarnings("ignore:std_mean")
@pytest.mark.parametrize("name", CALLS)
def test_random_calls(name):
    rng = np.random.default_rng([ord(each) for each in name])
    for _ in range(25):
        array = draw_array(rng)
        transposed, arguments = bool(rng.integers(2)) and array.ndim > 1, CALLS[name](rng, array.ndim)
        if name == "quantile":
            arguments.setdefault("q", 0.7)
        mine, theirs = (call(library, name, array, transposed, arguments) for library in (trainctl, torch))
        assert len(mine) == len(theirs), (array.shape, array.dtype, arguments)
        for got, want in zip(mine, theirs, strict=True):
            assert got.dtype == want.dtype, (array.shape, array.dtype, arguments)
            if got.dtype.kind == "U":
                assert got == want, (array.shape, array.dtype, arguments)
            else:
                rtol = {"float16": 5e-3, "float32": 2e-5}.get(got.dtype.name, 1e-9)
                np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol, err_msg=f"{array!r} {arguments}")
