"""Results of PyTorch, committed: what trainctl is held to where PyTorch is not installed.

Here is what training gives; the ops' results are in :mod:`tests.golden.ops`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

MLP = Path(__file__).parent / "mlp_100_steps.json"
OPTIMIZERS = Path(__file__).parent / "optimizers.json"
QUANTIZERS = Path(__file__).parent / "quantizers.json"
TRAININGS = Path(__file__).parent / "trainings.json"
QUANTIZED_MODELS = Path(__file__).parent / "quantized_models.json"


def load_optimizers() -> dict[str, np.ndarray]:
    return {name: np.array(path) for name, path in json.loads(OPTIMIZERS.read_text())["paths"].items()}


def load_losses() -> list[float]:
    return json.loads(MLP.read_text())["losses"]


def load_trainings() -> dict[str, list[float]]:
    return json.loads(TRAININGS.read_text())["losses"]


def load_quantized_models() -> dict[str, dict[str, Any]]:
    return json.loads(QUANTIZED_MODELS.read_text())["models"]


@cache
def load_quantizers() -> dict[str, dict[str, list[Any]]]:
    return json.loads(QUANTIZERS.read_text())["outcomes"]


def write(path: Path, torch_version: str, **content: object) -> None:
    """One key a line, so that a change shows as the lines it touches."""
    content = {"torch": torch_version.partition("+")[0], **content}
    text = json.dumps(content, separators=(",", ":"))
    path.write_text(text.replace('"', '\n"', 1).replace(',"', ',\n"').replace(':{"', ':{\n"') + "\n")
