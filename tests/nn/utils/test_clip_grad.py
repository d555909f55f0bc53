"""Limits on the size of gradients."""

from __future__ import annotations

import math
import warnings

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


NORMS = [1.0, 2, 3.0, 0.5, math.inf, "inf"]

for _norm in NORMS:

    @scripts.agrees(rtol=1e-5)
    def clipping_by_norm(lib, norm=_norm):
        a, b = with_gradients(lib, [3.0, -4.0], [12.0])
        total = lib.nn.utils.clip_grad_norm_([a, b], 2.0, norm_type=norm)
        return total, a.grad, b.grad

    @scripts.agrees(rtol=1e-5)
    def a_norm_alone(lib, norm=_norm):
        return lib.nn.utils.get_total_norm([lib.tensor([3.0, -4.0]), lib.tensor([[12.0]])], norm_type=norm)


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


@scripts.gives(([0.3, -0.4], 0.0))
def clipping_with_a_norm_that_is_known(lib):
    (a,) = with_gradients(lib, [3.0, -4.0])
    lib.nn.utils.clip_grads_with_norm_([a, lib.ones(1, requires_grad=True)], 1.0, lib.tensor(10.0))
    return a.grad, lib.nn.utils.get_total_norm([])


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


@scripts.gives(["`parameters` is an empty generator, no gradient clipping will occur."])
def parameters_that_were_used_up(lib):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lib.nn.utils.clip_grad_norm_((each for each in []), 1.0)
    return [str(each.message) for each in caught]


@scripts.gives(([0.5, -0.5], [0.25]))
def clipping_by_value(lib):
    a, b = with_gradients(lib, [3.0, -4.0], [0.25])
    lib.nn.utils.clip_grad_value_([a, b, lib.ones(1, requires_grad=True)], 0.5)
    return a.grad, b.grad


test_script = scripts.test()


def test_a_gradient_s_identity_is_kept_by_clipping():
    (a,) = with_gradients(trainctl, [3.0])
    before = a.grad
    utils.clip_grad_norm_([a], 1.0)
    assert a.grad is before


def test_large_gradients_do_not_lose_their_norm():
    (a,) = with_gradients(trainctl, [1e15, 1e15])
    assert utils.clip_grad_norm_([a], 1.0).item() == pytest.approx(math.sqrt(2) * 1e15, rel=1e-5)
