"""Fifty kills at random moments, saves included; ``make torture`` does a thousand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.command import environment
from tests.train.faulty_runs import in_memory


def test_runs_killed_at_random_moments_end_as_one_that_was_not():
    with TemporaryDirectory(dir=in_memory()) as root:
        command = [sys.executable, "-m", "tests.torture.killing", root, "50", "0"]
        run = subprocess.run(
            command, env=environment(), cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=200
        )
    assert run.returncode == 0, run.stdout + run.stderr
    done = json.loads(run.stdout.splitlines()[-1])
    assert done["kills"] == 50
    assert done["in_save"] > 0
    assert done["after_the_end"] < 25
