"""Plugins and graphs through the real command line: the document's own layer, and a data set of two inputs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.cli.command import REPO, trainctl
from trainctl.train.commands import resume_command

LAYER = REPO / "tests" / "fixtures" / "seed_document" / "custom_layer.py"

DIGITS = """\
plugins: [plugins/custom_layer.py]
data: {dataset: {MNIST: {root: data}}, split: {val: 0.2}, batch_size: 16}
model:
  - CustomConv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  - ReLU
  - Flatten
  - Linear: {out_features: 10}
loss: CrossEntropyLoss
optimizer: {Adam: {lr: 0.01}}
metrics: [accuracy]
train: {epochs: 2}
"""

PAIRS = '''\
"""Whether a number is in a list: two inputs, two targets."""
import trainctl as torch
from trainctl import nn
from trainctl.data import Dataset
from trainctl.data.spec import ArraySpec, SampleSpec

class Pairs(Dataset):
    def __init__(self, size: int = 6, train: bool = True):
        draw = torch.Generator().manual_seed(int(train))
        self.lists = torch.randint(0, 4, (64, size), generator=draw)
        self.numbers = torch.nn.functional.one_hot(torch.randint(0, 4, (64,), generator=draw), 4).float()

    @classmethod
    def sample_spec(cls, size: int = 6) -> SampleSpec:
        inputs = {"list": ArraySpec((size,), "int64", high=4), "number": ArraySpec((4,))}
        return SampleSpec(inputs, {"within": ArraySpec((), "int64", high=2), "mean": ArraySpec((1,))})

    def __len__(self):
        return 64

    def __getitem__(self, index):
        found = (self.lists[index] == self.numbers[index].argmax()).any()
        mean = self.lists[index].float().mean().reshape(1)
        return {"list": self.lists[index], "number": self.numbers[index]}, {"within": int(found), "mean": mean}

class Both(nn.Module):
    """The same as a class."""
    def __init__(self, hidden: int = 8):
        super().__init__()
        self.embedding, self.layer = nn.Embedding(4, hidden), nn.Linear(hidden + 4, hidden)
        self.within, self.average = nn.Linear(hidden, 2), nn.Linear(hidden, 1)

    def forward(self, list, number):
        x = torch.cat([self.embedding(list).mean(1), number], 1)
        x = torch.relu(self.layer(x))
        return {"within": self.within(x), "mean": self.average(x)}
'''
GRAPH = """\
plugins: [pairs.py]
data: {dataset: {Pairs: {size: 6}}, split: {val: 0.25}, batch_size: 16}
model:
  words: {from: list, layers: [{Embedding: {embedding_dim: 8}}, {GRU: {hidden_size: 8, output: last}}]}
  joined: {from: [words, number], layers: [{Bilinear: {out_features: 16}}, ReLU]}
  within: {from: joined, layers: [{Linear: {out_features: 2}}]}
  mean: {from: [words, joined], merge: cat, layers: [{Linear: {out_features: 1}}]}
  outputs: [within, mean]
loss: {within: CrossEntropyLoss, mean: MSELoss, weights: {mean: 0.5}}
optimizer: {Adam: {lr: 0.02}}
metrics: [accuracy]
train: {epochs: 8}
"""


def said(*words: str) -> str:
    result = trainctl(*words)
    assert result.returncode == 0, result.stderr.decode()
    return result.stderr.decode()


def test_the_layer_of_the_document_trains_and_its_run_imports_it_only_when_told(workspace: Path):
    (workspace / "plugins").mkdir()
    shutil.copy(LAYER, workspace / "plugins" / "custom_layer.py")
    (workspace / "digits.yaml").write_text(DIGITS)
    output = said("train", "digits.yaml")
    assert "next: trainctl eval runs/digits --plugins plugins/custom_layer.py" in output
    summary = json.loads((workspace / "runs/digits/summary.json").read_bytes())
    assert summary["test_metrics"]["accuracy"] > 0.9

    refused = trainctl("eval", "runs/digits")
    assert refused.returncode == 2
    hint = refused.stderr.decode().splitlines()[-1]
    assert hint.strip() == "if you trust it: trainctl eval runs/digits --plugins plugins/custom_layer.py"
    assert "accuracy" in said(*shlex.split(hint.partition("trainctl ")[2]))

    command = resume_command("runs/digits")
    assert command.endswith("--resume runs/digits --plugins plugins/custom_layer.py")
    with open(workspace / "plugins" / "custom_layer.py", "a") as file:
        file.write("# changed\n")
    again = said(*shlex.split(command)[1:], "--epochs", "3")
    assert "plugins/custom_layer.py: changed since the run was recorded; results may differ" in again
    assert "epoch 3/3" in again


def test_a_resume_command_names_the_plugins_of_an_intact_config_alone(tmp_path: Path):
    config = tmp_path / "config.resolved.yaml"
    for text, plugins in {
        "plugins:\n- {file: 'a b.py', sha256: x}\n- {module: m, sha256: y}\ndata: 1\n": " --plugins 'a b.py' --plugins m",
        "plugins: []\n": "",
        "plugins:\n  a: 1\n": "",
        "plugins:\n- " + "[" * 5000 + "\n": "",
        "plugins:\n- {file: 3}\n- x\n": "",
    }.items():
        config.write_text(text)
        assert resume_command(tmp_path).partition(f"--resume {tmp_path}")[2] == plugins
    config.write_bytes(b"plugins:\n- \xff\n")
    assert resume_command(tmp_path).endswith(f"--resume {tmp_path}")


@pytest.mark.parametrize("model", ["nodes", "class"])
def test_two_inputs_and_two_outputs(model, workspace: Path):
    (workspace / "pairs.py").write_text(PAIRS)
    sets = [] if model == "nodes" else ["model={Both: {hidden: 16}}"]
    (workspace / "graph.yaml").write_text(GRAPH)
    output = said("train", "graph.yaml", *sets)
    assert "without a plan" not in output
    if model == "class":
        for command in (["eval", "runs/graph", "--baseline", "runs/graph"], ["predict", "runs/graph", "pairs.py"]):
            refused = trainctl(*command, "--plugins", "pairs.py")
            assert refused.returncode == 2
            assert b"models of one " in refused.stderr
        assert json.loads(trainctl("eval", "--plugins", "pairs.py", "--json", "-").stdout)["samples"] == 64
        refused = trainctl("eval", "--plugins", "pairs.py", "--per-class")
        assert refused.returncode == 2
        assert b"--per-class: takes models of one output; " in refused.stderr
        return
    rows = [json.loads(line) for line in (workspace / "runs/graph/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["train_loss"] < 0.8 * rows[0]["train_loss"]
    assert 0 <= rows[-1]["accuracy"] <= 1
    whole = (workspace / "runs/graph/checkpoints/last/model.safetensors").read_bytes()

    said("train", "graph.yaml", "--epochs", "3", "-f")
    said("train", "graph.yaml", "--resume")
    assert (workspace / "runs/graph/checkpoints/last/model.safetensors").read_bytes() == whole


def test_what_does_not_fit_in_a_graph_is_found_without_data(workspace: Path):
    (workspace / "pairs.py").write_text(PAIRS)
    text = GRAPH.replace("from: list,", "from: lists,").replace("mean: MSELoss", "means: MSELoss")
    (workspace / "graph.yaml").write_text(text.replace("mean: 0.5", "means: 1"))
    result = trainctl("validate", "graph.yaml")
    assert result.returncode == 2
    assert re.findall(r"(graph\.yaml:.*)\n(?:    .*\n)*    (.*)\n", result.stderr.decode()) == [
        ("graph.yaml:4:17: model.words.from: there is no input or node 'lists'", "did you mean 'list'?"),
        ("graph.yaml:9:41: loss.means: the model has no output 'means'", "did you mean 'mean'?"),
    ]
