"""Optimizers take PyTorch's steps."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests import golden
from tests.parity import optimizers


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_the_path_is_the_golden_file_s(name):
    np.testing.assert_allclose(optimizers.path(trainctl, name), golden.load_optimizers()[name], rtol=1e-12)


def test_the_golden_file_is_what_torch_gives():
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    stored = golden.load_optimizers()
    assert stored.keys() == optimizers.OPTIMIZERS.keys()
    for name, path in optimizers.paths(torch).items():
        np.testing.assert_allclose(stored[name], path, rtol=1e-12)
