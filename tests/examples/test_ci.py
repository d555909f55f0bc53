"""The scripts of examples/ci do what they say, and CI's own files call scripts that are there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.command import REPO, environment
from tests.markdown import make_checkout
from tests.train.tiny import write_config

CI = REPO / "examples" / "ci"
SCRIPTS = sorted(CI.glob("*.sh"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml, its data, and trainctl in bin/."""
    folder = make_checkout(tmp_path_factory.mktemp("ci"))
    write_config(folder)
    return folder


def script(name: str, place: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    options: dict[str, Any] = {"cwd": place, "env": environment(PATH=path, **changes), "text": True, "timeout": 60}
    return subprocess.run([str(CI / name), *words], capture_output=True, check=False, **options)


def test_train_then_gate(place: Path):
    trained = script("train.sh", place, "tiny.yaml", "runs/one", "train.epochs=1")
    assert trained.returncode == 0, trained.stderr
    assert "epoch 1/1" in trained.stderr
    held = script("gate.sh", place, "runs/one", "loss>1e6", GITHUB_STEP_SUMMARY=str(place / "summary.md"))
    assert held.returncode == 0, held.stderr
    failed = script("gate.sh", place, "runs/one", "loss>0", "runs/one", GITHUB_STEP_SUMMARY=str(place / "summary.md"))
    assert failed.returncode == 3
    assert "gate failed: loss is" in failed.stderr
    assert json.loads((place / "runs/one/eval.json").read_text())["baseline"]["passed"]
    assert {path.name for path in (place / "runs/one").glob("eval.*")} == {"eval.json", "eval.xml", "eval.md"}
    assert re.findall("^### .*", (place / "summary.md").read_text(), re.MULTILINE) == [
        "### tiny: passed", "### tiny: **failed**",
    ]  # fmt: skip


def test_quantize_then_gate(place: Path):
    trained = script("train.sh", place, "tiny.yaml", "runs/float", "train.epochs=1")
    assert trained.returncode == 0, trained.stderr
    summary = place / "quantized.md"
    held = script("quantize-gate.sh", place, "runs/float", "1", "runs/int8", GITHUB_STEP_SUMMARY=str(summary))
    assert held.returncode == 0, held.stderr
    assert "written: runs/int8" in held.stderr
    assert json.loads((place / "runs/int8.json").read_text())["passed"]
    config = (place / "tiny.yaml").read_text().replace("metrics: [accuracy]", "metrics: []")  # then the loss decides
    (place / "loss.yaml").write_text(config)
    script("train.sh", place, "loss.yaml", "runs/loss", "train.epochs=1")
    failed = script("quantize-gate.sh", place, "runs/loss", "0", "runs/none", GITHUB_STEP_SUMMARY=str(summary))
    assert failed.returncode == 3, failed.stderr
    assert "gate failed: " in failed.stderr
    assert not (place / "runs/none").exists()
    assert not json.loads((place / "runs/none.json").read_text())["passed"]
    assert summary.read_text() == (
        "int8 of `runs/float` holds a drop of 1: `runs/int8`\nint8 of `runs/loss` does **not** hold a drop of 0\n"
    )


def test_quantize_then_export(place: Path):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    trained = script("train.sh", place, "tiny.yaml", "runs/ship", "train.epochs=1")
    assert trained.returncode == 0, trained.stderr
    assert script("quantize-gate.sh", place, "runs/ship", "1", "runs/ship8").returncode == 0
    written = script("export.sh", place, "runs/ship8", "ship.onnx", "loss>1e6")
    assert written.returncode == 0, written.stderr
    assert (place / "ship.onnx").stat().st_size > 1000
    assert json.loads((place / "ship.onnx.json").read_text())["file"] == "ship.onnx"
    failed = script("export.sh", place, "runs/ship8", "ship.onnx", "loss>0")
    assert failed.returncode == 3
    assert "gate failed: loss is" in failed.stderr


def test_a_seed_that_fails_is_in_the_table(place: Path):
    done = script("seeds.sh", place, "tiny.yaml", "runs/seeds", "accuracy <= 1", "0")
    assert done.returncode == 3, done.stderr
    header, _, row = done.stdout.splitlines()
    assert header == "| seed | accuracy | gate: fails if `accuracy <= 1` |"
    value = json.loads((place / "runs/seeds/seed-0/eval.json").read_text())["metrics"]["accuracy"]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["0", str(value), "failed"]


# The first call is sent SIGTERM once it has saved something; later calls are trainctl.
PREEMPTED = """#!/bin/sh
if [ -e preempted ]; then exec {program} "$@"; fi
touch preempted
{program} "$@" &
until [ -e runs/long/checkpoints/last ]; do sleep 0.02; done
kill -TERM $!
wait $!
"""


def test_a_preempted_training_goes_on(place: Path):
    program = place / "bin" / "trainctl"
    usual = program.read_text()
    program.write_text(PREEMPTED.format(program=f"{sys.executable} -m trainctl"))
    try:
        done = script("resume-after-preemption.sh", place, "tiny.yaml", "runs/long", TRAINCTL__TRAIN__EPOCHS="60")
    finally:
        program.write_text(usual)
    assert done.returncode == 0, done.stderr
    assert "attempt 1 of 5 was stopped (143)" in done.stderr
    assert "goes on at epoch" in done.stderr
    assert json.loads((place / "runs/long/summary.json").read_text())["epochs"] == 60


def test_what_no_attempt_would_mend_ends_at_once(place: Path):
    for name, words, code in (
        ("resume-after-preemption.sh", ["gone.yaml", "runs/none"], 2),
        ("seeds.sh", ["gone.yaml", "runs/none", "loss>1", "0", "1"], 2),
        ("quantize-gate.sh", ["runs/gone", "0.1", "runs/none"], 4),
    ):
        done = script(name, place, *words)
        assert done.returncode == code
        assert done.stderr.count("error:") == 1


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_how_it_is_called(path: Path):
    done = subprocess.run([str(path)], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: {path}")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say():
    done = subprocess.run(["shellcheck", *map(str, SCRIPTS)], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_the_files_of_ci_are_yaml_and_call_scripts_that_are_there(name: str):
    text = (CI / name).read_text()
    assert isinstance(yaml.safe_load(text), dict)
    called = set(re.findall(r"examples/ci/[\w.-]+", text))
    assert called
    for each in called:
        assert os.access(REPO / each, os.X_OK), each
