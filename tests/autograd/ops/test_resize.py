"""Images made larger or smaller against PyTorch and against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, check_values, table, torch
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F

SMOOTH = {1: "linear", 2: "bilinear", 3: "trilinear"}


def to_sizes(mode, n, **more):
    """Larger, smaller, both, the same, by size and by factor."""
    x = A(1, 2, *(4, 5, 3)[:n], dtype="float64")
    wanted = [{"size": 7}, {"size": 2}, {"size": 1}, {"size": (4, 5, 3)[:n]}, {"size": [3, 9, 2][:n]}, {"scale_factor": 2}, {"scale_factor": 0.5}, {"scale_factor": (1.7, 0.6, 2.0)[:n]}]  # fmt: skip
    wanted += [{"scale_factor": 1.7, "recompute_scale_factor": True}]
    return [case(x, mode=mode, **more, **each) for each in wanted] + [case(A(*x.shape), size=6, mode=mode, **more)]  # fmt: skip


def layouts(mode, n):
    shape = (2, 2, *(4, 3, 3)[:n])
    return [case(A(*shape, layout="T"), size=5, mode=mode), case(A(*shape, layout="step"), size=3, mode=mode), case(A(0, *shape[1:]), size=5, mode=mode), case(A(*shape, dtype="float16"), scale_factor=1.5, mode=mode)]  # fmt: skip


def row(name, cases, **more):
    return Row(name, cases, call=lambda lib, *args, **kwargs: lib.nn.functional.interpolate(*args, **kwargs), **more)


ROWS = [
    *(row(f"{mode} {n}d", to_sizes(mode, n) + layouts(mode, n)) for mode in ("nearest", "nearest-exact", "area") for n in (1, 2, 3)),
    *(row(f"{SMOOTH[n]} align_corners={corners}", to_sizes(SMOOTH[n], n, align_corners=corners) + layouts(SMOOTH[n], n), rtol=1e-4, atol=1e-5) for n in (1, 2, 3) for corners in (False, True)),
    *(row(f"bicubic align_corners={corners}", to_sizes("bicubic", 2, align_corners=corners), rtol=1e-4, atol=1e-5) for corners in (False, True)),
    *(row(f"antialiased {mode}", [case(A(1, 2, 9, 8, dtype="float64"), mode=mode, antialias=True, **each) for each in ({"size": (4, 3)}, {"size": (13, 2)}, {"scale_factor": (0.3, 0.7)}, {"scale_factor": 2})], gradcheck=False) for mode in ("bilinear", "bicubic", "lanczos")),
    row("antialiased with aligned corners", [case(A(1, 2, 9, 8, dtype="float64"), size=(4, 3), mode=mode, antialias=True, align_corners=True) for mode in ("bilinear", "bicubic")], gradcheck=False),
    row("bytes", [case(A(1, 2, 3, 4, dtype="uint8", high=255), size=6), case(A(2, 2, 3, dtype="uint8", high=255), scale_factor=2, mode="nearest-exact")]),
    Row("nn.functional.interpolate", [case(A(1, 1, 3), 5), case(A(1, 1, 3), None, 2.0, "linear", True, None, False)]),
]  # fmt: skip

X = A(1, 2, 4, 4)
REFUSALS = [
    Refusal("nn.functional.interpolate", each, error, match) for each, error, match in (
        (case(X), ValueError, "either size or scale_factor"), (case(X, 2, 2), ValueError, "only one of size or scale_factor"), (case(X, (2, 2, 2)), ValueError, r"\[4, 4\] and size of \(2, 2, 2\)"),
        (case(X, scale_factor=(2.0,)), ValueError, "scale_factor"), (case(X, 2, recompute_scale_factor=True), ValueError, "explicit size"), (case(X, 2, align_corners=True), ValueError, "align_corners"),
        (case(X, 2, mode="linear"), NotImplementedError, "4D input.*'linear'; the modes are 3D: nearest"), (case(X, 2, mode="cubic"), NotImplementedError, "'cubic'"), (case(A(4, 4), 2), NotImplementedError, r"2D input of shape \[4, 4\]"),
        (case(X, 0), RuntimeError, r"greater than 0.*\[0, 0\]"), (case(X, scale_factor=0.1), RuntimeError, "greater than 0"), (case(A(1, 0, 4, 4), 2), RuntimeError, r"\[1, 0, 4, 4\]"), (case(X, 2.5), TypeError, "ints"),
        (case(X, 2, antialias=True), ValueError, "Anti-alias"), (case(A(1, 2, 4), 2, mode="linear", antialias=True), ValueError, "4-D"), (case(X, 2, mode="lanczos"), ValueError, "antialias=True"),
        (case(A(1, 2, 4, 4, dtype="int64"), 2), NotImplementedError, "int64"),
    )
]  # fmt: skip

test_values, test_gradient, test_refusal = table("resize", ROWS, REFUSALS)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
def test_gradients_of_gradients_are_those_of_differences(mode):
    x = trainctl.rand(1, 1, 3, 2, dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda x: F.interpolate(x * x, (2, 3), mode=mode), (x,))


@pytest.mark.skipif(torch is None, reason="needs the extra `parity`")
@pytest.mark.parametrize("mode", ["nearest-exact", "bilinear", "bicubic"])
def test_sizes_drawn_at_random(mode):
    draw = np.random.RandomState(0)
    options = {} if mode == "nearest-exact" else {"align_corners": True}
    pairs = [
        (A(1, 1, *draw.randint(1, 12, 2), dtype="float64"), tuple(draw.randint(1, 20, 2).tolist())) for _ in range(60)
    ]
    cases = [case(x, size, mode=mode, **options) for x, size in pairs]
    row = Row("nn.functional.interpolate", cases, rtol=1e-9, atol=1e-9)
    for number in range(len(cases)):
        check_values(row, number, "resize")


@pytest.mark.skipif(torch is None, reason="needs the extra `parity`")
@pytest.mark.parametrize("options", [{}, {"antialias": True}], ids=str)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_bytes_are_pytorch_s(mode, options):
    x = np.random.RandomState(0).randint(0, 256, (1, 3, 9, 8)).astype(np.uint8)
    for size in ((4, 5), (13, 15), (9, 20), (9, 8)):
        mine = F.interpolate(trainctl.from_numpy(x), size, mode=mode, **options).numpy()
        theirs = torch.nn.functional.interpolate(torch.from_numpy(x), size, mode=mode, **options).numpy()
        assert mine.dtype == np.uint8
        np.testing.assert_array_equal(mine, theirs)


def test_old_names_say_that_they_are_old():
    x = trainctl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    with pytest.warns(UserWarning, match="interpolate"):
        assert trainctl.equal(F.upsample(x, 4), F.interpolate(x, 4))
    with pytest.warns(UserWarning, match="interpolate"):
        assert trainctl.equal(F.upsample_nearest(x, scale_factor=2), F.interpolate(x, 4))
    with pytest.warns(UserWarning, match="interpolate"):
        assert trainctl.equal(F.upsample_bilinear(x, 3), F.interpolate(x, 3, mode="bilinear", align_corners=True))


def test_an_element_that_is_no_number_stays_where_it_is():
    x = trainctl.zeros(1, 1, 8)
    x[..., 0] = math.nan
    assert F.interpolate(x, 16, mode="linear").isnan().sum() == 3
