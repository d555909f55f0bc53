"""What a config says about data is checked without reading any, each mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.build import build, check
from trainctl.config import load_config
from trainctl.errors import ConfigError

CONFIG = """\
data:
  dataset: {{{dataset}}}
  transforms: {transforms}
  train_transforms: {train_transforms}
  batch_size: 2
model:
  - Flatten
  - Linear: {{out_features: 2}}
loss: CrossEntropyLoss
optimizer: {{SGD: {{lr: 0.1}}}}
train: {{epochs: 1}}
"""
TABLE = "CSV: {file: t.csv, features: [x, y], target: kind, classes: [a, b]}"
IMAGES = "NPZ: {file: t.npz, shape: [1, 8, 8], classes: 2}"


def load(folder: Path, dataset: str = IMAGES, transforms: str = "[]", train_transforms: str = "[]"):
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(dataset=dataset, transforms=transforms, train_transforms=train_transforms))
    return load_config(path, environ={})


@pytest.mark.parametrize(
    ("parts", "place", "message"),
    [
        ({"dataset": TABLE.replace("[x, y]", "[x, x]")}, (2, 32), "data.dataset: CSV: features has 'x' twice"),
        ({"dataset": TABLE.replace("[a, b]", "1")}, (2, 73), "data.dataset: CSV: classes should be 2 or more, got 1"),
        ({"dataset": IMAGES.replace("8, 8", "0, 8")}, (2, 32), "data.dataset: NPZ: shape should be sizes of 1 or more"),
        ({"transforms": "[RandomHorizontalFlip]"}, (3, 16), "data.transforms.0: RandomHorizontalFlip is random"),
        ({"train_transforms": "[{RandomCrop: {size: 9}}]"}, (4, 22), "data.train_transforms.0: RandomCrop: RandomCrop"),
        ({"train_transforms": "[{RandomCrop: {size: 6}}]"}, (4, 3), "data.train_transforms: training samples are [1, 6, 6]"),
        ({"train_transforms": "[{RandomErasing: {p: 2.0}}]"}, (4, 42), "data.train_transforms.0: RandomErasing: p should"),
        ({"dataset": TABLE, "transforms": "[{Normalize: {mean: 0.0, std: 1.0}}]"}, (3, 16), "data.transforms.0: Normalize"),
    ],
)  # fmt: skip
def test_mistakes_are_found_without_data_at_their_place(tmp_path, parts, place, message):
    with pytest.raises(ConfigError) as caught:
        check(load(tmp_path, **parts))
    assert [(each.line, each.column) for each in caught.value.problems] == [place]
    assert caught.value.problems[0].message.startswith(message)


def test_training_samples_may_have_another_size_before_the_transforms_of_all(tmp_path):
    loaded = load(tmp_path, transforms="[{CenterCrop: {size: 6}}]", train_transforms="[{RandomCrop: {size: 6}}]")
    assert check(loaded).parameters == 2 * 36 + 2


def test_a_dataset_without_a_test_part_has_no_test_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("x,y,kind\n1,2,a\n3,4,b\n")
    experiment = build(load(tmp_path, TABLE))
    assert experiment.test_data is None
    assert len(experiment.training_data) == len(experiment.train_data) == 2
