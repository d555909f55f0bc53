"""``trainctl data``: what is in a config's data, data sets that are made, what there is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import trainctl
from tests.cli import command
from tests.train.tiny import write_config
from trainctl.cli.main import main
from trainctl.data import MNIST
from trainctl.data.makers import MAKERS, linear, shapes, spirals
from trainctl.errors import DataError
from trainctl.registry import TABLES


def check(capfd, *words: str) -> tuple[int, dict, str]:
    code = main(["data", "check", *words, "--json", "-"])
    out, err = capfd.readouterr()
    return code, json.loads(out), err


TABLE = """\
data:
  dataset: {CSV: {file: train.csv, test_file: test.csv, features: [x, y], target: kind, classes: [a, b, c]}}
model: [{Linear: {out_features: 3}}]
loss: CrossEntropyLoss
optimizer: {SGD: {lr: 0.1}}
train: {epochs: 1}
"""
ROWS = ["1,2,a", "3,4,b", "5,6,c", "-7,8,a"]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("table.yaml").write_text(TABLE)
    write("train.csv", ROWS)
    write("test.csv", ["0,0,a", "0,1,b", "0,2,c"])
    return tmp_path


def write(name: str, rows: list[str]) -> None:
    Path(name).write_text("\n".join(["x,y,kind", *rows]) + "\n")


def test_what_is_in_good_data(place, capfd):
    code, found, err = check(capfd, "table.yaml")
    train = found["splits"]["train"]
    x, y = np.array([1, 3, 5, -7]), np.array([2, 4, 6, 8])
    assert (code, found["ok"], found["findings"]) == (0, True, [])
    assert (train["samples"], train["min"], train["max"]) == (4, -7, 8)
    np.testing.assert_allclose([train["mean"], train["std"]], [[x.mean(), y.mean()], [x.std(), y.std()]])
    assert train["classes"] == {"0": 2, "1": 1, "2": 1}
    assert list(found["splits"]) == ["train", "test"]
    assert err.splitlines()[-1] == "the data is fit to train on"


def test_the_same_sample_in_two_splits_is_an_error_unless_allowed(place, capfd):
    write("test.csv", ["3,4,b", "1,2,b", "0,2,c"])
    code, found, err = check(capfd, "table.yaml")
    messages = [each["message"] for each in found["findings"] if each["is_error"]]
    assert (code, found["ok"]) == (4, False)
    assert messages == ["test: 2 inputs are in train too, so figures on test flatter: 1 = 0, 0 = 1"]
    assert "test: 1 inputs have another target elsewhere: 0 = 1" in err
    assert "hint: --allow-duplicates" in err
    code, found, _ = check(capfd, "table.yaml", "--allow-duplicates")
    assert (code, found["ok"]) == (0, True)


def test_notes_on_data_that_is_odd(place, capfd):
    write("train.csv", ["1,2,a", "1,2,a", "1,3,b"])
    code, found, _ = check(capfd, "table.yaml")
    assert code == 0
    assert [each["message"] for each in found["findings"]] == [
        "train: no sample of 1 of 3 classes: 2",
        "train: 1 columns or channels never change: 0",
        "train: 1 inputs are there twice: 0 = 1",
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1,2,a", "1,nan,b"], "train.csv:3: column 'y': expected a finite float32 number, got nan"),
        (["1,2,d"], "train.csv:2: expected one of the declared classes, got 'd'"),
        ([], "train.csv: expected samples, got none"),
    ],
)
def test_data_that_cannot_be_read_is_exit_4(place, rows, message, capfd):
    write("train.csv", rows)
    assert main(["data", "check", "table.yaml"]) == 4
    assert message in capfd.readouterr().err


def bad_sample(self, index):
    if index == 3 and self.train:
        raise DataError("3.png: cut short")
    x = np.full((1, 28, 28), index + 100 * self.train, np.float32)
    if index == 5 and self.train:
        x[0, 0, 0] = np.nan
    if index == 6 and self.train:
        x = x[:, 1:]
    return trainctl.from_numpy(x), 12 if index == 7 and self.train else index % 10


def test_samples_that_are_bad_one_by_one_are_all_listed(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(MNIST, "__getitem__", bad_sample)
    monkeypatch.delattr(MNIST, "gather")
    monkeypatch.setattr(MNIST, "__len__", lambda self: 20)
    code, found, _ = check(capfd, str(write_config(tmp_path)), "data.split.val=0")
    assert code == 4
    assert [each["message"] for each in found["findings"] if each["is_error"]] == [
        "train: 1 cannot be read: sample 3: 3.png: cut short",
        "train: 2 not as declared: sample 6: input [1, 27, 28] instead of [1, 28, 28], "
        "sample 7: class 12 instead of 0 to 9",
        "train: 1 NaN or infinite: sample 5",
    ]
    assert found["splits"]["train"]["samples"] == 20


@pytest.mark.parametrize("name", MAKERS)
def test_a_data_set_that_is_made_is_the_same_each_time_and_trains(name, place, capfd):
    assert main(["data", "make", name, "one", "--samples", "600"]) == 0
    assert f"next: trainctl train one/{name}.yaml" in capfd.readouterr().err
    for folder, seed in (("two", "0"), ("three", "1")):
        assert main(["data", "make", name, folder, "--samples", "600", "--seed", seed, "-q"]) == 0
    suffix = MAKERS[name].suffix
    sums = [hashlib.sha256(Path(each, f"train{suffix}").read_bytes()).hexdigest() for each in ("one", "two", "three")]
    assert (sums[0] == sums[1], sums[0] == sums[2]) == (True, False)
    code, found, _ = check(capfd, f"one/{name}.yaml")
    assert (code, found["splits"]["train"]["samples"], found["splits"]["test"]["samples"]) == (0, 540, 200)
    assert main(["train", f"one/{name}.yaml", "-q", "--json", "summary.json"]) == 0
    summary = json.loads(Path("summary.json").read_text())
    learned = {"linear": summary["test_loss"] < 0.05}
    assert learned.get(name, summary["test_metrics"].get("accuracy", 0) > 0.6)


def test_made_samples_are_what_they_are_called():
    points, arms = spirals(3000, seed=1)
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    turned = np.angle(np.exp(1j * (angle - 2 * np.pi * (1.75 * radius + arms / 3))))
    assert np.median(np.abs(turned)) < 0.35
    inputs, sums = linear(1000, seed=1)
    weights, *_ = np.linalg.lstsq(np.c_[inputs, np.ones(1000)], sums, rcond=None)
    np.testing.assert_allclose(weights, [1.5, -2, 0.5, 0, 1], atol=0.02)
    pictures, kinds = shapes(300, seed=1)
    areas = [np.mean((pictures[kinds == kind] > 60).sum((1, 2))) for kind in range(3)]
    assert areas[1] > areas[0] * 0.8 > areas[2]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["make", "spiral", "d"], 2, "did you mean spirals?"),
        (["make", "spirals", "taken"], 2, "taken/train.csv: is there already"),
        (["make", "spirals", "d", "--samples", "3"], 2, "--samples"),
        (["make", "spirals", "table.yaml/d"], 2, "table.yaml"),
        (["check", "nowhere.yaml"], 2, "nowhere.yaml: no such file"),
        ([], 2, "missing command"),
    ],
)
def test_mistakes_have_their_exit_codes(place, words, code, message, capfd):
    Path("taken").mkdir()
    Path("taken/train.csv").write_text("mine")
    assert main(["data", *words]) == code
    assert message in capfd.readouterr().err
    assert Path("taken/train.csv").read_text() == "mine"


def test_what_there_is(place, capfd):
    Path("datasets/own").mkdir(parents=True)
    Path("datasets/own/x.npy").write_bytes(bytes(3_000_000))
    done = command.trainctl("data", "list")
    assert (done.returncode, done.stdout) == (0, b"")
    text = done.stderr.decode()
    for name in [*TABLES["dataset"], *MAKERS, "datasets/own  3.0 MB", "file features target [classes]"]:
        assert name in text
    assert main(["data", "list", "nowhere", "--json", "-", "-q"]) == 0
    assert json.loads(capfd.readouterr().out)["found"] == []
