"""Whole models: random ones, those of configs in each form, a plugin's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plan import models
from trainctl.build.parts import Parts
from trainctl.config import load_config
from trainctl.jobs.exporting import OnnxModel
from trainctl.onnx import export
from trainctl.registry import extended

pytest.importorskip("onnx", reason="needs the extra `onnx`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("number", range(12))
def test_a_random_model(number):
    example = models.example(number)
    report = export(example.model, example.x).report
    assert report is not None
    assert report.error <= 1e-5


def exported(path: Path) -> tuple[OnnxModel, dict[str, str]]:
    loaded = load_config(path)
    with extended(loaded.names):
        model = OnnxModel(Parts(loaded))
    found = model.export(model.metadata)
    assert found.report is not None
    assert {1, 2, 7} < set(found.report.sizes)
    return model, model.metadata


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_the_model_of_a_config(name):
    _, metadata = exported(REPO / "configs" / f"{name}.yaml")
    assert json.loads(metadata["preprocessing"])[0] == {"Normalize": {"mean": 0.1307, "std": 0.3081}}
    assert metadata["output_link"] == "softmax"


PLUGIN = """
from trainctl import nn

class Gated(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.value, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        self.calls = 0

    def forward(self, x):
        gate = self.gate(x).sigmoid()
        out = x.clone()
        out[:, 1:] *= gate[:, 1:]
        return out + self.value(x)
"""
CONFIG = """
name: model
plugins: [plugin.py]
data: {dataset: {MNIST: {root: data}}, batch_size: 4}
model:
  - Flatten
  - Linear: {out_features: 6}
  - Residual: {layers: [ReLU, {Linear: {out_features: 6}}]}
  - Parallel: {branches: [[Tanh], [{Repeat: {times: 2, layers: [{Linear: {out_features: 6}}, GELU]}}]], merge: cat}
  - Unflatten: {dim: 1, unflattened_size: [3, 4]}
  - Permute: {dims: [0, 2, 1]}
  - LSTM: {hidden_size: 5, bidirectional: true}
  - TransformerEncoderLayer: {nhead: 2, dim_feedforward: 8}
  - Flatten
  - Linear: {out_features: 7}
  - Gated: {width: 7}
  - Linear: {out_features: 10}
loss: CrossEntropyLoss
optimizer: {SGD: {lr: 0.1}}
train: {epochs: 1}
"""


def test_the_forms_of_a_config_and_a_plugin(tmp_path):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "model.yaml").write_text(CONFIG)
    model, _ = exported(tmp_path / "model.yaml")
    assert not model.has_named_outputs
