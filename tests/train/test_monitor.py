from __future__ import annotations

import pytest

from trainctl.train.checkpoint import Best
from trainctl.train.monitor import Monitor


@pytest.mark.parametrize(
    ("higher_is_better", "value", "best", "expected"),
    [
        (False, 0.5, None, True),
        (True, 0.5, None, True),
        (False, 0.4, 0.5, True),
        (True, 0.4, 0.5, False),
        (False, 0.6, 0.5, False),
        (True, 0.6, 0.5, True),
        (False, 0.5, 0.5, False),  # of equals, the earlier
        (True, 0.5, 0.5, False),
        (True, None, None, False),  # a metric that was not a number
        (True, None, 0.5, False),
    ],
)
def test_which_epoch_is_better(higher_is_better: bool, value: float | None, best: float | None, expected: bool):
    monitor = Monitor("figure", higher_is_better)
    assert monitor.improves({"figure": value}, None if best is None else Best(best, 1, 5)) is expected
