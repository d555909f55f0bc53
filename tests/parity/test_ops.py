"""Ops and optimizers give PyTorch's values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests import golden
from tests.parity import cases


def run(torch, name: str) -> cases.Arrays:
    return cases.run_op(torch, name) if name in cases.OPS else cases.run_optimizer(torch, name)


def assert_same(actual: cases.Arrays, expected: cases.Arrays) -> None:
    assert actual.keys() == expected.keys()
    for name, array in actual.items():
        assert array.shape == expected[name].shape, name
        assert array.dtype == expected[name].dtype, name
        np.testing.assert_allclose(array, expected[name], rtol=1e-12, atol=1e-14, err_msg=name)


def golden_of(name: str) -> cases.Arrays:
    return {key: array for key, array in golden.load_ops().items() if key.startswith(f"{name}.")}


@pytest.mark.parametrize("name", [*cases.OPS, *cases.OPTIMIZERS])
def test_trainctl_agrees_with_the_golden_file(name):
    assert_same(run(trainctl, name), golden_of(name))


@pytest.mark.parametrize("name", [*cases.OPS, *cases.OPTIMIZERS])
def test_trainctl_agrees_with_torch(name):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    assert_same(run(trainctl, name), run(torch, name))


def test_the_golden_file_is_what_torch_gives():
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    assert_same(golden.load_ops(), cases.run_all(torch))
