from __future__ import annotations

import gc

import pytest

from trainctl.cli import train
from trainctl.cli.main import main
from trainctl.cli.startup import started

USUAL = gc.get_threshold()


def test_the_collector_rests_until_the_first_step(workspace, monkeypatch):
    seen = []
    monkeypatch.setattr(train, "started", lambda: (seen.append(gc.get_threshold()), started(), seen.append(USUAL)))
    assert main(["train", "tiny.yaml", "-q"]) == 0
    assert seen == [(500_000, 20, 20), USUAL]


@pytest.mark.parametrize("words", [["train", "tiny.yaml", "-q"], ["validate", "no-such.yaml"]])
def test_the_collector_is_left_as_it_was(words, workspace):
    main(words)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (USUAL, 0)
