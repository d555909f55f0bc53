"""A whole run in a fraction of a second: 100 images that are MNIST's in form, a small net with dropout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.idx_files import write_mnist
from trainctl.config import LoadedConfig, load_config

CONFIG = """
name: tiny
seed: 3
threads: 1
data:
  dataset: {{MNIST: {{root: {root}}}}}
  split: {{val: 0.2}}
  batch_size: 16
  eval_batch_size: 7
model:
  - Flatten
  - Linear: {{out_features: 8}}
  - Dropout: {{p: 0.3}}
  - ReLU
  - Linear: {{out_features: 10}}
loss: CrossEntropyLoss
optimizer: {{Adam: {{lr: 0.01}}}}
metrics: [accuracy]
train: {{epochs: 3}}
"""
STEPS = 5
"""Steps in an epoch: 80 of the 100 training images, 16 at a time."""


def write_config(folder: Path) -> Path:
    """Write data and config; each class has its own picture, under noise, so there is something to learn."""
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 200, (10, 28, 28))
    for part, count in (("train", 100), ("t10k", 30)):
        labels = np.arange(count) % 10
        images = pictures[labels] + draw.integers(0, 56, (count, 28, 28))
        write_mnist(folder / "data", images.astype(np.uint8), labels.astype(np.uint8), part)
    path = folder / "tiny.yaml"
    path.write_text(CONFIG.format(root=folder / "data"))
    return path


def load(config: Path, *overrides: str) -> LoadedConfig:
    """The config with some values replaced."""
    return load_config(config, overrides, environ={})


TRAIN = """
import os, signal, sys
from trainctl.config import load_config
from trainctl.errors import TrainctlError
from trainctl.jobs import run_training
from trainctl.train.events import StepEnd

config, run, resume, at, signum, *overrides = sys.argv[1:]

def on_event(event):
    if isinstance(event, StepEnd) and event.global_step == int(at):
        os.kill(os.getpid(), int(signum))

try:
    run_training(load_config(config, overrides, environ={}), output_dir=run, resume=resume == "resume",
                 on_event=on_event)
except TrainctlError as error:
    print(error.message, error.hint, sep="\\n")
    sys.exit(error.exit_code)
"""


def train_in_process(
    config: Path, run: Path, *overrides: str, resume: bool = False, signal_at: int = 0, signum: int = 0
) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own, which sends itself a signal after a step."""
    words: Sequence[Any] = (config, run, "resume" if resume else "fresh", signal_at, signum, *overrides)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", TRAIN, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
