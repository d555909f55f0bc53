"""A signal in each part of a training, through the real command line: what is said, the exit code, and going on."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import environment
from tests.train.tiny import write_config

# Sends this process a signal from within a part of the program, as the shell or a scheduler would.
COMMAND = """
import importlib, os, sys
from trainctl.cli.main import main

place, call, signum, twice, *words = sys.argv[1:]
if place:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    original, calls = getattr(owner, name), []

    def interrupted(*args, **kwargs):
        calls.append(None)
        if len(calls) == int(call):
            os.kill(os.getpid(), int(signum))
            if twice == "twice":
                os.kill(os.getpid(), int(signum))
        return original(*args, **kwargs)

    setattr(owner, name, interrupted)
sys.exit(main(words))
"""

UPDATE = "trainctl.train.metrics:Accuracy.update"  # three batches of validation an epoch; then those of the test split
PLACES = {
    "set-up": ("trainctl.build:build", 1, "before the run began; nothing was written", False),
    "opening": ("trainctl.train.recorder:Recorder.open", 1, "before the first step; nothing is trained yet", True),
    "first-step": ("trainctl.train.steps:Steps._learn", 1, "at epoch 1, step 1; everything up to there is saved", True),
    "middle": ("trainctl.train.steps:Steps._learn", 8, "at epoch 2, step 3; everything up to there is saved", True),
    "validation": (UPDATE, 5, "at epoch 2, step 5; everything up to there is saved", True),
    "saving": (
        "trainctl.train.store:CheckpointStore.save",
        2,
        "at the end of epoch 2; everything up to there is saved",
        True,
    ),
    "test": (UPDATE, 11, "at the end of epoch 3; everything up to there is saved", True),
}


def trainctl(folder: Path, *words: str, at: str = "", call: int = 0, signum: int = 0, twice: bool = False):
    command = [sys.executable, "-c", COMMAND, at, str(call), str(int(signum)), "twice" if twice else "once", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, samples, and the run of it that nobody interrupts."""
    folder = tmp_path_factory.mktemp("signals")
    write_config(folder)
    np.save(folder / "many.npy", np.zeros((10, 28, 28), np.uint8))
    assert trainctl(folder, "train", "tiny.yaml", "train.compile=false", "-o", "runs/whole", "-q").returncode == 0
    return folder


def sha256(run: Path) -> list[str]:
    names = ("checkpoints/last/model.safetensors", "checkpoints/best/model.safetensors", "metrics.jsonl", "metrics.csv")
    return [hashlib.sha256((run / name).read_bytes()).hexdigest() for name in names]


@pytest.mark.parametrize(
    ("place", "signum"),
    [*((place, signal.SIGTERM) for place in PLACES), ("set-up", signal.SIGINT), ("validation", signal.SIGINT)],
)
def test_the_first_signal_saves_and_prints_the_command_that_goes_on(folder: Path, place: str, signum: signal.Signals):
    at, call, said, resumes = PLACES[place]
    run = f"runs/{place}-{signum.name}"
    words = ("train", "tiny.yaml", "train.compile=false", "-o", run, "-q")
    stopped = trainctl(folder, *words, at=at, call=call, signum=signum)
    assert stopped.returncode == 128 + signum
    first, *rest = stopped.stderr.splitlines()
    assert first == f"stopped by {signum.name} {said}"
    if not resumes:
        assert not rest
        assert not (folder / run).exists()
        return
    (resume,) = rest
    assert resume.startswith("resume: trainctl train ")
    gone_on = trainctl(folder, *shlex.split(resume)[2:], "-q")
    assert gone_on.returncode == 0
    assert sha256(folder / run) == sha256(folder / "runs/whole")


def test_a_signal_while_a_resumed_run_is_set_up_leaves_it_as_it_was(folder: Path):
    words = ("train", "tiny.yaml", "train.compile=false", "-o", "runs/resumed", "-q")
    assert trainctl(folder, *words, "train.epochs=1").returncode == 0
    before = sha256(folder / "runs/resumed")
    stopped = trainctl(folder, *words, "--resume", at="trainctl.build:build", call=1, signum=signal.SIGTERM)
    assert stopped.returncode == 143
    assert stopped.stderr.splitlines() == [
        "stopped by SIGTERM before the run went on; it is as it was",
        "resume: trainctl train runs/resumed/config.resolved.yaml --resume runs/resumed",
    ]
    assert sha256(folder / "runs/resumed") == before


@pytest.mark.parametrize("place", PLACES)
def test_a_second_signal_quits_at_once(folder: Path, place: str):
    at, call, _, _ = PLACES[place]
    words = ("train", "tiny.yaml", "train.compile=false", "-o", f"runs/twice-{place}", "-q")
    stopped = trainctl(folder, *words, at=at, call=call, signum=signal.SIGTERM, twice=True)
    assert stopped.returncode == -signal.SIGTERM  # 143 in a shell
    assert stopped.stderr == ""


def test_what_a_plan_is_doing_is_finished_first(folder: Path):
    """A signal from outside, at whatever moment, with steps that are plans."""
    words = ["train", "tiny.yaml", "-o", "runs/outside", "--log-format", "json", "train.epochs=100000"]
    command = [sys.executable, "-m", "trainctl", *words]
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if '"event": "epoch"' in line:
                break
        os.kill(process.pid, signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 143
    assert "stopped by SIGTERM at " in rest
    assert "resume: trainctl train runs/outside/config.resolved.yaml --resume runs/outside" in rest


# Where a signal finds a command that has nothing to save, and what that command is to write.
OTHERS = {
    "eval": ("trainctl.train.metrics:Accuracy.update", 3, "eval runs/whole --json out.json --junit out.xml -q"),
    "predict": (
        "trainctl.jobs.prediction:Predictor.answer",
        2,
        "predict runs/whole many.npy --batch-size 3 -o out.csv",
    ),
    "rehearsal": ("trainctl.train.steps:Steps._learn", 1, "train tiny.yaml train.compile=false --dry-run -o out"),
    "check": ("trainctl.data.mnist:MNIST.gather", 2, "data check tiny.yaml --json out.json"),
    "reading": ("trainctl.config:load_config", 1, "train tiny.yaml -o out"),
}


@pytest.mark.parametrize(
    ("place", "signum"),
    [*((place, signal.SIGTERM) for place in OTHERS), ("eval", signal.SIGINT), ("predict", signal.SIGINT)],
)
def test_a_signal_elsewhere_leaves_nothing_half_written(folder: Path, place: str, signum: signal.Signals):
    at, call, words = OTHERS[place]
    before, runs = sorted(folder.iterdir()), sorted(folder.glob("runs/*"))
    stopped = trainctl(folder, *words.split(), at=at, call=call, signum=signum)
    assert stopped.returncode == 128 + signum
    assert stopped.stderr.splitlines()[-1] == f"stopped by {signum.name} before it was done"
    assert "Traceback" not in stopped.stderr
    assert stopped.stdout == ""
    assert (sorted(folder.iterdir()), sorted(folder.glob("runs/*"))) == (before, runs)


def test_an_interrupted_prediction_leaves_whole_lines_and_the_old_file(folder: Path):
    (folder / "kept.jsonl").write_text("old\n")
    at, call, _ = OTHERS["predict"]
    for target in ("-", "kept.jsonl"):
        words = ("predict", "runs/whole", "many.npy", "--batch-size", "3", "-o", target)
        stopped = trainctl(folder, *words, at=at, call=call, signum=signal.SIGTERM)
        assert stopped.returncode == 143
        lines = stopped.stdout.splitlines()
        assert [json.loads(line)["row"] for line in lines] == ([0, 1, 2] if target == "-" else [])
    assert (folder / "kept.jsonl").read_text() == "old\n"
    (folder / "kept.jsonl").unlink()


def test_a_second_signal_quits_another_command_at_once(folder: Path):
    """The first is being answered when the second comes: as a file is removed."""
    script = COMMAND.replace("sys.exit(main(words))", AGAIN)
    at, call, words = OTHERS["predict"]
    command = [sys.executable, "-c", script, at, str(call), str(int(signal.SIGTERM)), "once", *words.split()]
    stopped = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60)
    assert stopped.returncode == -signal.SIGTERM  # 143 in a shell
    assert stopped.stderr == ""
    (folder / ".tmp-out.csv").unlink()


AGAIN = """
from pathlib import Path

def unlink(self, missing_ok=False):
    os.kill(os.getpid(), int(signum))

Path.unlink = unlink
sys.exit(main(words))
"""


def test_the_printed_command_goes_on_in_a_shell(folder: Path):
    """With a space in the run's name, from the folder that the run was begun in."""
    at, call, _, _ = PLACES["middle"]
    words = ("train", "tiny.yaml", "train.compile=false", "-o", "runs/my ünï run", "-q")
    stopped = trainctl(folder, *words, at=at, call=call, signum=signal.SIGINT)
    assert stopped.returncode == 130
    resume = stopped.stderr.splitlines()[-1].removeprefix("resume: ")
    (folder / "trainctl").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m trainctl "$@"\n')
    (folder / "trainctl").chmod(0o755)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    subprocess.run(["/bin/sh", "-c", resume], cwd=folder, env=environment(PATH=path), timeout=60, check=True)
    (folder / "trainctl").unlink()
    assert sha256(folder / "runs/my ünï run") == sha256(folder / "runs/whole")
