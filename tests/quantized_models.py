"""Configs of small models of each kind that ``trainctl quantize`` has to hold, trained in about a second."""

from __future__ import annotations

from pathlib import Path

from trainctl.config import load_config
from trainctl.jobs import run_training

_CONFIG = """
name: {name}
seed: 0
threads: 1
data:
  dataset: {{SmallMNIST: {{}}}}
  split: {{val: 0.2}}
  transforms: [{{Normalize: {{mean: 0.13, std: 0.3}}}}]
{model}
loss: CrossEntropyLoss
optimizer: {{Adam: {{lr: 0.003}}}}
metrics: [accuracy]
train: {{epochs: 2}}
"""

MODELS = {
    "mlp": """
model: [Flatten, {Linear: {out_features: 64}}, ReLU, {Linear: {out_features: 10}}]
""",
    "cnn": """
model:
  - Conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - BatchNorm2d
  - ReLU
  - Conv2d: {out_channels: 32, kernel_size: 3, padding: 1}
  - ReLU
  - MaxPool2d: {kernel_size: 2}
  - Flatten
  - Dropout: {p: 0.2}
  - Linear: {out_features: 10}
""",
    "resnet": """
blocks:
  conv:
    parameters: [channels, stride: 1]
    layers:
      - Conv2d: {out_channels: $channels, kernel_size: 3, stride: $stride, padding: 1, bias: false}
      - BatchNorm2d
model:
  - conv: {channels: 16, stride: 2}
  - ReLU
  - Residual: {layers: [{conv: {channels: 16}}, ReLU, {conv: {channels: 16}}]}
  - ReLU
  - Residual:
      layers: [{conv: {channels: 48, stride: 2}}, ReLU, {conv: {channels: 48}}]
      shortcut: [{Conv2d: {out_channels: 48, kernel_size: 1, stride: 2, bias: false}}, BatchNorm2d]
  - ReLU
  - AdaptiveAvgPool2d: {output_size: 1}
  - Flatten
  - Linear: {out_features: 10}
""",
    "lstm": """
model:
  - Flatten: {start_dim: 1, end_dim: 2}
  - LSTM: {hidden_size: 128, output: last}
  - Linear: {out_features: 10}
""",
    "transformer": """
model:
  - Flatten: {start_dim: 1, end_dim: 2}
  - Linear: {out_features: 64}
  - TransformerEncoderLayer: {nhead: 4, dim_feedforward: 128}
  - Flatten
  - Linear: {out_features: 10}
""",
}


def trained(folder: Path, name: str, *overrides: str) -> Path:
    """Train one of them and return its run."""
    config = folder / f"{name}.yaml"
    config.write_text(_CONFIG.format(name=name, model=MODELS[name]))
    run_training(load_config(config, overrides, environ={}), output_dir=folder / name)
    return folder / name
