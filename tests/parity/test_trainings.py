"""From the same weights and batches, the losses of 50 steps are PyTorch's to 1e-4 relative.

The MLP's training is in ``test_mlp_100_steps.py``: longer, and held to 1e-5.
"""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests import golden
from tests.parity import trainings

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # PyTorch's remark on norm_first


@pytest.fixture(scope="module", params=trainings.TRAININGS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def losses(name):
    return trainings.TRAININGS[name](trainctl)


def test_the_losses_are_the_golden_file_s(name, losses):
    np.testing.assert_allclose(losses, golden.load_trainings()[name], rtol=1e-4)


def test_the_losses_are_torch_s(name, losses):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    theirs = trainings.TRAININGS[name](torch)
    np.testing.assert_allclose(losses, theirs, rtol=1e-4)
    np.testing.assert_allclose(golden.load_trainings()[name], theirs, rtol=1e-4)


def test_the_net_learns(losses):
    assert len(losses) == trainings.STEPS
    assert np.mean(losses[-5:]) < 0.96 * np.mean(losses[:5])


def test_the_golden_file_holds_these_trainings():
    assert golden.load_trainings().keys() == trainings.TRAININGS.keys()
