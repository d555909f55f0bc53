"""Where jobs look for what they are not told."""

from __future__ import annotations

from pathlib import Path

RUNS = Path("runs")
"""Where run directories are, unless told otherwise."""
