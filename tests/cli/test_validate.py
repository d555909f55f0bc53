from __future__ import annotations

import json
import shutil

import pytest

from trainctl.cli.main import main

TABLE = """\
path     layer                                               output shape    parameters
         input                                               [N, 1, 28, 28]
model.0  Flatten(start_dim=1, end_dim=-1)                    [N, 784]                 0
model.1  Linear(in_features=784, out_features=8, bias=True)  [N, 8]               6,280
model.2  Dropout(p=0.3, inplace=False)                       [N, 8]                   0
model.3  ReLU()                                              [N, 8]                   0
model.4  Linear(in_features=8, out_features=10, bias=True)   [N, 10]                 90
         total                                                                    6,370
tiny.yaml: config is valid
"""


@pytest.fixture(autouse=True)
def without_data(workspace):
    """Whatever is checked here is checked before data is read."""
    shutil.rmtree(workspace / "data")
    return workspace


def test_it_shows_the_layers_and_says_that_all_is_well(capfd):
    assert main(["validate", "tiny.yaml"]) == 0
    assert capfd.readouterr() == ("", TABLE)


def test_quiet_says_nothing(capfd):
    assert main(["validate", "tiny.yaml", "-q"]) == 0
    assert capfd.readouterr() == ("", "")


def test_json_has_the_layers(capfd):
    assert main(["validate", "tiny.yaml", "--json", "-", "-q"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["schema_version"] == 1
    assert result["parameters"] == 6370
    assert result["layers"][4] == {
        "path": "model.4",
        "layer": "Linear(in_features=8, out_features=10, bias=True)",
        "output_shape": [10],
        "parameters": 90,
    }


MISTAKES = """\
data:
  dataset: {MNIST: {root: data}}
  batch_sise: 64
model:
  - Flatten
  - Linaer: {out_features: 8}
  - Linear: {out_features: ten}
loss: CrossEntropyLoss
optimizer: {SGD: {lr: 0.1}}
train: {epochs: 1}
"""


def test_every_mistake_is_shown_at_its_place_at_once(workspace, capfd):
    (workspace / "wrong.yaml").write_text(MISTAKES)
    assert main(["validate", "wrong.yaml"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert [error.split(" ")[1] for error in errors] == [
        "wrong.yaml:3:3:",
        "wrong.yaml:6:5:",
        "wrong.yaml:7:28:",
    ]
    assert "did you mean" in err
    assert "      batch_sise: 64\n      ^\n" in err


def test_sizes_that_do_not_fit_are_found_with_the_layer_and_the_fix(capfd):
    assert main(["validate", "tiny.yaml", "model.4.Linear.in_features=9"]) == 2
    err = capfd.readouterr().err
    for part in ("model.4", "in_features", "expected", "8", "got 9"):
        assert part in err
