from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import trainctl
from trainctl.cli.main import main


@pytest.fixture
def trained(workspace):
    assert main(["train", "tiny.yaml", "-q"]) == 0
    return workspace


def summary(run: str = "runs/tiny") -> dict:
    return json.loads(Path(run, "summary.json").read_text())


def test_in_a_pipe_it_prints_a_plain_table_and_stdout_stays_empty(trained):
    run = trainctl("eval", "runs/tiny")
    best = os.readlink("runs/tiny/checkpoints/best")
    assert (run.returncode, run.stdout) == (0, b"")
    first, header, loss, accuracy = run.stderr.decode().splitlines()
    assert first == f"runs/tiny/checkpoints/{best}, test split, 30 samples"
    assert header.split() == ["metric", "value"]
    assert loss.split() == ["loss", f"{summary()['test_loss']:.4f}"]
    assert accuracy.split() == ["accuracy", f"{summary()['test_metrics']['accuracy']:.4f}"]


def test_json_alone_on_stdout_has_the_figures_of_the_summary(trained, capfd):
    assert main(["eval", "runs/tiny", "--json", "-", "-q"]) == 0
    out, err = capfd.readouterr()
    result = json.loads(out)
    assert err == ""
    assert result["schema_version"] == 1
    assert (result["split"], result["samples"]) == ("test", 30)
    assert result["loss"] == summary()["test_loss"]
    assert result["metrics"] == summary()["test_metrics"]


def test_the_json_format_is_one_line_on_stderr(trained, capfd):
    assert main(["eval", "runs/tiny", "--log-format", "json"]) == 0
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert json.loads(err)["event"] == "eval"
    assert json.loads(err)["metrics"] == summary()["test_metrics"]


@pytest.mark.parametrize("command", ["eval", "evaluate"])
def test_json_goes_to_a_file(command, trained, capfd):
    assert main([command, "runs/tiny", "--json", "out.json"]) == 0
    assert capfd.readouterr().out == ""
    assert json.loads(Path("out.json").read_text())["metrics"] == summary()["test_metrics"]


def test_without_a_name_it_is_the_latest_run(trained, capfd):
    assert main(["train", "tiny.yaml", "-q", "name=newer", "--seed", "8"]) == 0
    assert main(["eval", "--json", "-", "-q"]) == 0
    assert json.loads(capfd.readouterr().out)["name"] == "newer"


@pytest.mark.parametrize("place", ["runs/tiny/last", "runs/tiny/checkpoints/last", "runs/tiny/checkpoints/best"])
def test_a_checkpoint_can_be_named(place, trained, capfd):
    assert main(["eval", place, "--json", "-", "-q"]) == 0
    link = Path("runs/tiny/checkpoints", Path(place).name)
    assert json.loads(capfd.readouterr().out)["checkpoint"].endswith(os.readlink(link))


@pytest.mark.parametrize(("split", "samples"), [("train", 80), ("val", 20), ("test", 30)])
def test_every_split_can_be_measured(split, samples, trained, capfd):
    words = ["--split", split, "--batch-size", "11", "--threads", "1", "--json", "-", "-q"]
    assert main(["eval", "runs/tiny", *words]) == 0
    assert json.loads(capfd.readouterr().out)["samples"] == samples


def cut(name: str) -> None:
    path = Path("runs/tiny/checkpoints/best") / name
    path.write_bytes(path.read_bytes()[:-7])


def flip(name: str) -> None:
    path = Path("runs/tiny/checkpoints/best") / name
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("spoil", [cut, flip, lambda name: Path("runs/tiny/checkpoints/best", name).unlink()])
def test_a_corrupt_checkpoint_is_named(spoil, name, trained, capfd):
    spoil(name)
    code = main(["eval", "runs/tiny"])
    out, err = capfd.readouterr()
    assert (code, out) == (4, "")
    assert err.startswith("error: runs/tiny/checkpoints/step-")
    assert err.count("\n") <= 4


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (["runs/tinny"], 4, "runs/tinny: no such run or checkpoint"),
        (["tiny.yaml"], 4, "tiny.yaml"),
        (["data"], 4, "data"),
        (["--json", "data"], 2, "--json data"),
    ],
)
def test_what_cannot_be_evaluated_is_explained(words, code, shown, trained, capfd):
    assert main(["eval", *words]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert shown in err
    assert "Traceback" not in err


def test_nothing_to_evaluate_yet(workspace, capfd):
    assert main(["eval"]) == 4
    assert "hint: trainctl train CONFIG" in capfd.readouterr().err


REGRESSION = """
data: {dataset: {NPZ: {file: d.npz, shape: [3], inputs: x, target: y, test_inputs: null}}, split: {val: 0.25}}
model: [{Linear: {out_features: 1}}]
loss: MSELoss
optimizer: {SGD: {lr: 0.01}}
train: {epochs: 1}
"""


def test_a_run_without_test_split_or_classes_says_what_can_be_asked(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    numbers = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    np.savez("d.npz", x=numbers[:, :3], y=numbers[:, 3])
    Path("line.yaml").write_text(REGRESSION)
    assert main(["train", "line.yaml"]) == 0
    assert capfd.readouterr().err.endswith("\nnext: trainctl eval runs/line --split val\n")
    assert main(["eval", "runs/line"]) == 2
    assert capfd.readouterr().err.endswith("has no test split\nhint: it has train and val: --split val\n")
    assert main(["eval", "runs/line", "--split", "val", "--per-class"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("error: --per-class: the model of runs/line/checkpoints/step-")
    assert said.endswith("\nhint: leave out --per-class\n")
    assert main(["train", "line.yaml", "data.split.val=0", "--force"]) == 0
    assert capfd.readouterr().err.endswith("\nnext: trainctl eval runs/line --split train\n")
