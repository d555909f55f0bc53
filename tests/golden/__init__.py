"""Results of PyTorch, committed: what trainctl is held to where PyTorch is not installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

OPS = Path(__file__).parent / "ops.json"
MLP = Path(__file__).parent / "mlp_100_steps.json"


def load_ops() -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in json.loads(OPS.read_text())["results"].items()}


def load_losses() -> list[float]:
    return json.loads(MLP.read_text())["losses"]


def write(path: Path, torch_version: str, **content: object) -> None:
    """One key a line, so that a change shows as the lines it touches."""
    content = {"torch": torch_version.partition("+")[0], **content}
    text = json.dumps(content, separators=(",", ":"))
    path.write_text(text.replace('"', '\n"', 1).replace(',"', ',\n"').replace(':{"', ':{\n"') + "\n")
