"""Results of PyTorch, committed: what trainctl is held to where PyTorch is not installed.

Here is what training gives; the ops' results are in :mod:`tests.golden.ops`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

MLP = Path(__file__).parent / "mlp_100_steps.json"
OPTIMIZERS = Path(__file__).parent / "optimizers.json"
TRAININGS = Path(__file__).parent / "trainings.json"
QUANTIZED = Path(__file__).parent / "quantized.json"


def load_optimizers() -> dict[str, np.ndarray]:
    return {name: np.array(path) for name, path in json.loads(OPTIMIZERS.read_text())["paths"].items()}


def load_losses() -> list[float]:
    return json.loads(MLP.read_text())["losses"]


def load_trainings() -> dict[str, list[float]]:
    return json.loads(TRAININGS.read_text())["losses"]


def load_quantized() -> dict[str, dict[str, Any]]:
    return json.loads(QUANTIZED.read_text())["models"]


def write(path: Path, torch_version: str, **content: object) -> None:
    """One key a line, so that a change shows as the lines it touches."""
    content = {"torch": torch_version.partition("+")[0], **content}
    text = json.dumps(content, separators=(",", ":"))
    path.write_text(text.replace('"', '\n"', 1).replace(',"', ',\n"').replace(':{"', ':{\n"') + "\n")
