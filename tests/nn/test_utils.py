"""Helpers for gradients and parameters."""

from __future__ import annotations

import math

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.nn import utils

scripts = Scripts()


def with_gradients(lib, *gradients):
    made = []
    for each in gradients:
        leaf = lib.zeros(len(each), requires_grad=True)
        leaf.grad = lib.tensor(each)
        made.append(leaf)
    return made


NORMS = [1.0, 2.0, 3.0, 0.5, math.inf]

for _norm in NORMS:

    @scripts.agrees(rtol=1e-5)
    def clipping_by_norm(lib, norm=_norm):
        a, b = with_gradients(lib, [3.0, -4.0], [12.0])
        total = lib.nn.utils.clip_grad_norm_([a, b], 2.0, norm_type=norm)
        return total, a.grad, b.grad


@scripts.gives((13.0, [3 / 13, -4 / 13], [12 / 13]))
def clipping_scales_all_alike(lib):
    a, b = with_gradients(lib, [3.0, -4.0], [12.0])
    return lib.nn.utils.clip_grad_norm_(iter([a, b]), 1.0), a.grad, b.grad


@scripts.gives((5.0, [3.0, -4.0], 0.0))
def small_gradients_stay(lib):
    (a,) = with_gradients(lib, [3.0, -4.0])
    return (
        lib.nn.utils.clip_grad_norm_(a, 100.0),
        a.grad,
        lib.nn.utils.clip_grad_norm_([lib.ones(1, requires_grad=True)], 1.0),
    )


@scripts.gives([True, True])
def a_norm_that_is_not_finite(lib):
    (a,) = with_gradients(lib, [math.inf, 1.0])
    total = lib.nn.utils.clip_grad_norm_([a], 1.0)
    return [math.isinf(total.item()), math.isnan(a.grad[0].item())]


@scripts.raises(
    RuntimeError, "The total norm of order 2.0 for gradients from `parameters` is non-finite, so it cannot be clipped"
)
def a_norm_that_is_not_finite_as_an_error(lib):
    lib.nn.utils.clip_grad_norm_(with_gradients(lib, [math.nan]), 1.0, error_if_nonfinite=True)


@scripts.gives(([0.5, -0.5], [0.25]))
def clipping_by_value(lib):
    a, b = with_gradients(lib, [3.0, -4.0], [0.25])
    lib.nn.utils.clip_grad_value_([a, b, lib.ones(1, requires_grad=True)], 0.5)
    return a.grad, b.grad


@scripts.gives(([1.0, 2.0, 3.0, 4.0], [[5.0, 6.0]], [7.0, 8.0], True))
def parameters_as_one_vector_and_back(lib):
    a, b = lib.tensor([[1.0, 2.0]], requires_grad=True), lib.tensor([3.0, 4.0], requires_grad=True)
    vector = lib.nn.utils.parameters_to_vector([a, b])
    lib.nn.utils.vector_to_parameters(lib.tensor([5.0, 6.0, 7.0, 8.0]), [a, b])
    return vector, a, b, vector.requires_grad


test_script = scripts.test()


def test_a_gradient_s_identity_is_kept_by_clipping():
    (a,) = with_gradients(trainctl, [3.0])
    before = a.grad
    utils.clip_grad_norm_([a], 1.0)
    assert a.grad is before


@pytest.mark.parametrize("size", [1, 3])
def test_a_vector_of_another_size_is_refused(size):
    a = trainctl.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=f"vector of {size} elements does not fit parameters of 2"):
        utils.vector_to_parameters(trainctl.ones(size), [a])
    assert a.tolist() == [0.0, 0.0]
