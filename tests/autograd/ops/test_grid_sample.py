"""Images sampled at the points of a grid, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F

POINTS = [[[[-1, -1], [1, 1], [0, 0.3]], [[-0.4, 0.9], [1.6, -1.7], [3.2, 0.1]]]]  # corners, inside, and far outside
OPTIONS = [
    {"mode": mode, "padding_mode": padding, "align_corners": corners}
    for mode in ("bilinear", "nearest", "bicubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (False, True)
]


def row(name, cases, **more):
    return Row(
        name, cases, atol=1e-5, call=lambda lib, *args, **kwargs: lib.nn.functional.grid_sample(*args, **kwargs), **more
    )


ROWS = [
    row("at random", [case(A(2, 3, 4, 5, dtype="float64"), A(2, 3, 2, 2, dtype="float64", low=-1.4, high=1.4), **options) for options in OPTIONS], gradcheck=False),
    row("at the corners", [case(A(1, 2, 3, 4), A(1, 2, 3, 2, values=POINTS), **options) for options in OPTIONS], gradcheck=False),  # a slope ends there
    row("in volumes", [case(A(1, 2, 3, 2, 4, dtype="float64"), A(1, 2, 1, 3, 3, dtype="float64", low=-1.4, high=1.4), **options) for options in OPTIONS if options["mode"] != "bicubic"], gradcheck=False),
    row("slopes", [case(A(1, 1, 3, 4), A(1, 1, 2, 2, values=[[[[0.1, 0.2], [-0.35, 0.45]]]]), mode=mode, align_corners=False) for mode in ("bilinear", "bicubic")]),
    row("sizes", [
        case(A(0, 1, 2, 2), A(0, 2, 2, 2), align_corners=False), case(A(1, 0, 2, 2), A(1, 2, 2, 2), align_corners=False), case(A(1, 1, 2, 2), A(1, 0, 2, 2), align_corners=False), case(A(1, 1, 1, 1), A(1, 2, 2, 2), "bilinear", "reflection", True),
        case(A(1, 1, 2, 2, dtype="float16"), A(1, 2, 2, 2, dtype="float16"), align_corners=True),
    ], gradcheck=False),
    Row("nn.functional.affine_grid", [
        case(A(2, 2, 3), (2, 3, 4, 5), align_corners=True), case(A(2, 2, 3), [2, 3, 4, 5], align_corners=False), case(A(1, 2, 3), (1, 1, 1, 2), align_corners=False), case(A(2, 3, 4), (2, 1, 2, 3, 4), align_corners=False),
        case(A(1, 3, 4, dtype="float64"), (1, 1, 2, 3, 4), True),
    ]),
]  # fmt: skip

X, G = A(1, 1, 3, 3), A(1, 2, 2, 2)
REFUSALS = [
    *(Refusal("nn.functional.grid_sample", case(x, grid, align_corners=False), RuntimeError, match) for x, grid, match in (
        (A(2, 1, 3, 3), G, r"\[2, 1, 3, 3\] and \[1, 2, 2, 2\]"), (X, A(1, 2, 2, 3), r"\[1, 2, 2, 3\]"), (A(1, 3, 3), G, r"\[1, 3, 3\]"), (A(1, 1, 0, 3), G, "non-empty spatial"), (X, A(1, 2, 2, 2, dtype="float64"), "float32 and float64"),
    )),
    Refusal("nn.functional.grid_sample", case(X, G, "linear", align_corners=False), ValueError, "'linear'"),
    Refusal("nn.functional.grid_sample", case(X, G, padding_mode="circular", align_corners=False), ValueError, "'circular'"),
    Refusal("nn.functional.grid_sample", case(A(1, 1, 2, 2, 2), A(1, 1, 1, 1, 3), "bicubic", align_corners=False), RuntimeError, "only supports 4D"),
    Refusal("nn.functional.affine_grid", case(A(2, 3, 3), (2, 1, 2, 2), False), ValueError, "Nx2x3"),
    Refusal("nn.functional.affine_grid", case(A(2, 2, 3), (2, 1, 2), False), NotImplementedError, r"\(2, 1, 2\)"),
    Refusal("nn.functional.affine_grid", case(A(2, 2, 3), (2, 1, 0, 2), False), ValueError, "positive output size"),
    Refusal("nn.functional.affine_grid", case(A(2, 2, 3), (3, 1, 2, 2), False), RuntimeError, r"\[2, 2, 3\]"),
    Refusal("nn.functional.affine_grid", case(A(2, 2, 3, dtype="int64"), (2, 1, 2, 2), False), ValueError, "floating point"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("grid_sample", ROWS, REFUSALS)


def test_gradients_of_gradients_are_those_of_differences():
    trainctl.manual_seed(0)
    x = trainctl.rand(1, 1, 3, 3, dtype=trainctl.float64, requires_grad=True)
    grid = trainctl.tensor([[[[0.1, 0.2], [-0.35, 0.45]]]], dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(lambda *given: F.grid_sample(*given, align_corners=False), (x, grid))


def test_the_identity_gives_the_image_back():
    x = trainctl.rand(2, 3, 4, 5)
    grid = F.affine_grid(trainctl.eye(2, 3).expand(2, 2, 3), x.shape, align_corners=False)
    assert trainctl.allclose(F.grid_sample(x, grid, align_corners=False), x, atol=1e-6)


def test_whoever_does_not_say_where_the_corners_are_is_told():
    with pytest.warns(UserWarning, match="align_corners"):
        F.grid_sample(trainctl.ones(1, 1, 2, 2), trainctl.zeros(1, 1, 1, 2))
