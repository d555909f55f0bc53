"""From the same weights and batches, the losses of 100 steps are PyTorch's to 1e-5 relative."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests import golden
from tests.parity import mlp


@pytest.fixture(scope="module")
def losses() -> list[float]:
    return mlp.losses(trainctl)


def test_the_losses_are_the_golden_file_s(losses):
    np.testing.assert_allclose(losses, golden.load_losses(), rtol=1e-5)


def test_the_losses_are_torch_s(losses):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    np.testing.assert_allclose(losses, mlp.losses(torch), rtol=1e-5)


def test_the_golden_file_is_what_torch_gives():
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    np.testing.assert_allclose(golden.load_losses(), mlp.losses(torch), rtol=1e-5)


def test_the_net_learns(losses):
    assert len(losses) == mlp.STEPS
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:5])
