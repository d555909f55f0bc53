"""Loading a hostile file opens nothing outside, runs nothing, imports nothing, and ends in one of our errors at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.cli.command import environment
from tests.train.faulty_runs import in_memory

TARGETS = ["load", "config", "idx", "checkpoint", "run", "resume"]
HARMLESS = {
    "metrics lead outside",
    "the summary leads outside",
    "an unfinished file leads outside",
    "summary: nested",
    "summary: a pipe",
}


@pytest.fixture(scope="module")
def verdicts() -> list[dict[str, Any]]:
    with TemporaryDirectory(dir=in_memory()) as root:
        command = [sys.executable, "-m", "tests.hostile.judge", root]
        run = subprocess.run(
            command, env=environment(), cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, timeout=200, check=True
        )
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith(b"{")]


def told(each: dict[str, Any]) -> str:
    return f"{each['target']}: {each['name']}: {each['how']} {each['text']}"


@pytest.mark.parametrize("target", TARGETS)
def test_it_is_refused_in_words(verdicts: list[dict[str, Any]], target: str):
    cases = [each for each in verdicts if each["target"] == target and each["name"] not in HARMLESS]
    assert len(cases) > 5
    assert [told(each) for each in cases if each["how"] != "refused"] == []
    assert [told(each) for each in cases if len(each["text"]) < 20 or "the secret outside" in each["text"]] == []


def test_what_a_run_does_not_need_does_not_matter(verdicts: list[dict[str, Any]]):
    cases = [each for each in verdicts if each["name"] in HARMLESS]
    assert len(cases) == len(HARMLESS)
    assert [told(each) for each in cases if each["how"] != "accepted"] == []


def test_nothing_outside_is_opened_and_nothing_runs(verdicts: list[dict[str, Any]]):
    assert [(told(each), each["seen"]) for each in verdicts if each["seen"]] == []
    assert [told(each) for each in verdicts if not each["kept"]] == []


def test_it_takes_a_second_and_64_mib_at_most(verdicts: list[dict[str, Any]]):
    cases = [each for each in verdicts if each["target"] != "resume"]  # which trains, where nothing is wrong
    assert [(told(each), each["seconds"]) for each in cases if each["seconds"] > 1] == []
    assert [(told(each), each["mib"]) for each in cases if each["mib"] > 64] == []
