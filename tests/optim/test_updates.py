"""What the optimizers' updates share."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl.optim import updates


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_moving_towards_a_value(share):
    average, value = np.array([1.0, -3.0]), np.array([0.1, 1e10])
    updates.move_towards(average, value, share)
    np.testing.assert_allclose(average, [1.0 - 0.9 * share, -3.0 + share * (1e10 + 3)], rtol=1e-12)
    assert share != 1.0 or average.tolist() == value.tolist()


def test_parts_of_complex_arrays_are_views_of_both_parts():
    z, w = np.array([1 + 2j, 3 + 4j]), np.zeros(2, complex)
    for source, target in updates.real_parts(z, w):
        target += source
    assert w.tolist() == z.tolist()
    x = np.zeros(2)
    assert updates.real_parts(x)[0][0] is x


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.9, 0.9), (1.0, 0.9), (0.9, -1.0), (float("nan"), 0.9)])
def test_betas_are_two_numbers_from_0_to_1(betas):
    with pytest.raises(ValueError, match="beta"):
        updates.check_betas(betas)


@pytest.mark.parametrize(
    ("default", "kind"), [(trainctl.float32, "float32"), (trainctl.float64, "float64"), (trainctl.float16, "float32")]
)
def test_a_scalar_of_the_state_has_pytorch_s_dtype(default, kind):
    before = trainctl.get_default_dtype()
    trainctl.set_default_dtype(default)
    try:
        assert updates.scalar(1.0).dtype == getattr(trainctl, kind)
    finally:
        trainctl.set_default_dtype(before)


@pytest.mark.parametrize(
    ("options", "expected", "left"),
    [
        ({"maximize": False}, 3.0, 2.0),
        ({"maximize": True}, -3.0, 2.0),
        ({"maximize": False, "weight_decay": 0.5}, 4.0, 2.0),
        ({"maximize": True, "weight_decay": 0.5}, -2.0, 2.0),
        ({"maximize": True, "weight_decay": 0.5, "decoupled_weight_decay": True}, -3.0, 1.9),
    ],
)
def test_where_to_go_down(options, expected, left):
    w = trainctl.tensor([2.0], dtype=trainctl.float64)
    g = updates.descent(w, trainctl.tensor([3.0], dtype=trainctl.float64), {"lr": 0.1, **options})
    assert g.tolist() == [expected]
    assert w.item() == pytest.approx(left)
