"""Each exit code of each command, as a shell sees it; those of signals are in test_signals.py."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import environment
from tests.train.tiny import write_config
from trainctl.cli.main import main

FASTER = "train.compile=false train.epochs=1 -q"
STOPS = "train.early_stopping={patience: 1, min_delta: 9}"  # no epoch is that much better than the first

CASES = [
    # success; early stop counts
    (0, "validate tiny.yaml", "tiny.yaml: config is valid"),
    (0, "show tiny.yaml", ""),
    (0, "schema", ""),
    (0, "doctor", ""),
    (0, f"train tiny.yaml train.compile=false -o runs/early '{STOPS}'", "stopped early, after epoch 2"),
    (0, "train tiny.yaml train.compile=false --dry-run", "dry run"),
    (0, "eval runs/good --fail-if 'accuracy<0.01' --baseline runs/bad", "passed"),
    (0, "predict runs/good two.npy", "2 samples"),
    (0, "data check tiny.yaml", "the data is fit to train on"),
    (0, "runs compare runs/good runs/bad", "the weights differ"),
    # usage and config
    (2, "", "Usage: trainctl"),
    (2, "trian tiny.yaml", "no such command 'trian'"),
    (2, "train", "missing CONFIG"),
    (2, "train gone.yaml", "gone.yaml"),
    (2, "train tiny.yaml train.epoch=3", "did you mean 'epochs'?"),
    (2, "train tiny.yaml train.epochs=0", "train.epochs"),
    (2, "train tiny.yaml --epochs many", "'--epochs'"),
    (2, "train tiny.yaml -o runs/good", "holds a run already"),
    (2, "train tiny.yaml -o runs/good --resume --force", "--resume"),
    (2, "train tiny.yaml --device cuda -o runs/gpu", "cuda"),
    (2, "validate tiny.yaml model.1.Linear.out_features=x", "out_features"),
    (2, "validate tiny.yaml -s model.4.Linear.in_features=9", "in_features"),
    (2, "show tiny.yaml nonsense", "nonsense"),
    (2, "eval runs/good --fail-if 'acuracy<1'", "did you mean 'accuracy'?"),
    (2, "eval runs/good --fail-if 'accuracy'", "--fail-if"),
    (2, "eval runs/good --compare accuracy", "--baseline RUN"),
    (2, "eval runs/good --split tst", "--split"),
    (2, "predict runs/good two.parquet --input-format parquet", "parquet"),
    (2, "predict runs/good tiny.yaml", "--input-format"),
    (2, "predict runs/good - <&-", "-: stdin is closed"),
    (2, "init perceptron", "perceptron"),
    (2, "init mlp -o tiny.yaml", "tiny.yaml"),
    (2, "data make circles made", "circles"),
    (2, "runs report runs/good -o report.pdf", ".html"),
    (2, "profile tiny.yaml train.epoch=3", "did you mean 'epochs'?"),
    # a gate
    (3, "eval runs/good --fail-if 'accuracy<=1'", "gate failed: accuracy is "),
    (3, "eval runs/bad --baseline runs/good", "gate failed: "),
    (3, "eval runs/bad --baseline runs/good --max-drop 0.01", "gate failed: "),
    # data or a checkpoint
    (4, f"train tiny.yaml data.dataset.MNIST.root=gone -o runs/gone {FASTER}", "gone"),
    (4, f"train tiny.yaml data.dataset.MNIST.root=damaged -o runs/damaged {FASTER}", "damaged/"),
    (4, "train --resume runs/gone", "runs/gone: no such run or checkpoint"),
    (4, "train --resume runs/cut", "runs/cut/"),
    (4, f"train tiny.yaml --init-from runs/gone -o runs/new {FASTER}", "runs/gone"),
    (4, "eval runs/gone", "runs/gone: no such run or checkpoint"),
    (4, "eval runs/cut", "runs/cut/"),
    (4, "eval runs/good -s data.dataset.MNIST.root=damaged", "damaged/"),
    (4, "eval runs/good --baseline runs/gone", "runs/gone"),
    (4, "predict runs/cut two.npy", "runs/cut/"),
    (4, "predict runs/good gone.npy", "gone.npy: no such file"),
    (4, "predict runs/good cut.npy", "cut.npy"),
    (4, "data check tiny.yaml data.dataset.MNIST.root=damaged", "damaged/"),
    (4, "runs show runs/gone", "runs/gone"),
    (4, "profile tiny.yaml data.dataset.MNIST.root=gone", "gone"),
    # diverged
    (5, f"train tiny.yaml 'optimizer={{SGD: {{lr: 1e38}}}}' -o runs/diverged {FASTER}", "diverged at epoch 1, step 2"),
    (5, "predict runs/good huge.npy", "not finite"),
    # what is nobody's usage
    (1, "eval runs/good --json /dev/full", "error: /dev/full: No space left on device"),
    (1, "predict runs/good two.npy -o /dev/full", "error: /dev/full: No space left on device"),
    (1, "show tiny.yaml > /dev/full", "error: stdout: No space left on device"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a good run, a hardly trained one and one that is cut short."""
    folder = tmp_path_factory.mktemp("codes")
    write_config(folder)
    runs = {
        "good": "train.epochs=8 'data.transforms=[{Normalize: {mean: 0.3, std: 0.2}}]'",
        "bad": "optimizer.Adam.lr=1e-6 train.epochs=1",
        "cut": "train.epochs=1",
    }
    for name, words in runs.items():
        run = [
            "train",
            str(folder / "tiny.yaml"),
            *shlex.split(words),
            "train.compile=false",
            "-o",
            str(folder / "runs" / name),
        ]
        assert main([*run, "-q"]) == 0
    weights = next((folder / "runs/cut/checkpoints").glob("step-*")) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    (folder / "damaged").mkdir()
    for file in (folder / "data").iterdir():
        (folder / "damaged" / file.name).write_bytes(file.read_bytes()[:-100])
    np.save(folder / "two.npy", np.zeros((2, 28, 28), np.uint8))
    np.save(folder / "huge.npy", np.full((2, 28, 28), 1e38))
    (folder / "cut.npy").write_bytes((folder / "two.npy").read_bytes()[:-1])
    return folder


@pytest.mark.parametrize(("code", "line", "said"), CASES, ids=[f"{code}: {line}" for code, line, _ in CASES])
def test_exit_code(place: Path, code: int, line: str, said: str):
    """In a shell, which may redirect; where something is wrong, stderr begins with what, and never shows a traceback."""
    command = f"exec {shlex.quote(sys.executable)} -m trainctl {line}"
    run = subprocess.run(
        command, shell=True, cwd=place, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == code, run.stderr
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert "internal error" not in run.stderr
    assert ("\nerror: " in f"\n{run.stderr}") == (code != 0 and line != "")
