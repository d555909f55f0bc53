from __future__ import annotations

import gc
import os

import pytest

from tests.cli.command import REPO, environment, trainctl
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


@pytest.mark.parametrize(
    ("words", "seconds"), [(["--help"], 0.25), (["validate", "configs/mlp.yaml"], 0.6)], ids=["help", "validate"]
)
def test_a_command_starts_at_once(words, seconds, tmp_path):
    """As it is installed, with its bytecode on disk; in processor time, as the machine has other work."""
    env = environment(PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(tmp_path))
    times = []
    for _ in range(6):  # the first one writes the bytecode
        before = os.times()
        assert trainctl(*words, env=env, cwd=REPO).returncode == 0
        after = os.times()
        spent = after.children_user - before.children_user + after.children_system - before.children_system
        times.append(spent)
        if min(times) < seconds:
            break
    assert min(times) < seconds
