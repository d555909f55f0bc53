"""Observers and fake quantizations give PyTorch's scales, zero points, buffers, outputs and gradients, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests import golden
from tests.parity import quantizers


def assert_same(got: quantizers.Outcome, want: quantizers.Outcome) -> None:
    assert list(got) == list(want)
    for what, (kind, shape, elements) in want.items():
        assert got[what][:2] == [kind, shape], what
        np.testing.assert_array_equal(got[what][2], elements, what)


@pytest.mark.parametrize("name", quantizers.CASES)
def test_the_outcome_is_the_golden_file_s(name):
    assert_same(quantizers.outcome(trainctl, name), golden.load_quantizers()[name])


def test_the_golden_file_is_what_torch_gives():
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    stored = golden.load_quantizers()
    assert stored.keys() == quantizers.CASES.keys()
    for name, want in quantizers.outcomes(torch).items():
        assert_same(stored[name], want)


def test_a_result_that_differs_in_its_last_bit_is_noticed():
    (name, *_), stored = quantizers.CASES, golden.load_quantizers()
    kind, shape, elements = stored[name]["its scale"]
    changed = {**stored[name], "its scale": [kind, shape, [float(np.nextafter(elements[0], 1))]]}
    with pytest.raises(AssertionError):
        assert_same(changed, stored[name])
