"""Layers on codes against int64 sums and a rounding of their own, over random cases (a million: `make torture`)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backend.integer_reference import drawn


@pytest.mark.parametrize("first", range(0, 2000, 500))
def test_a_layer_gives_what_the_definition_says(first):
    for seed in range(first, first + 500):
        case = drawn(np.random.default_rng(seed))
        got, wanted = case.computed(), case.expected()
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), seed
        assert got.tobytes() == wanted.tobytes(), f"seed {seed}"
