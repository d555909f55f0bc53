"""What every benchmark prints: a Markdown table, the machine it ran on, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Row = Mapping[str, str | float]


def cores() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, str | int]:
    """What the figures depend on besides the code; where the load is not about 0, trust ratios alone."""
    return {
        "processor": processor(),
        "cores": cores(),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?",
        "python": platform.python_version(),
        **{package: found for package in ("numpy", "numba", "torch", "jax") if (found := installed(package))},
    }


def installed(package: str) -> str:
    """A package's version, empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def processor() -> str:
    """The processor's name where the system tells it, its architecture elsewhere."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def markdown(rows: Sequence[Row]) -> str:
    """A table with the first row's keys as its head."""
    head = list(rows[0])
    table = [head, ["---"] * len(head), *([cell(row[key]) for key in head] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def publish(title: str, settings: Mapping[str, Any], rows: Sequence[Row], path: Path | None) -> None:
    """Print the table; write everything to `path` as JSON where one is given."""
    about = machine()
    facts = {**about, **settings}
    print(f"## {title}\n\n{', '.join(f'{key} {value}' for key, value in facts.items())}\n\n{markdown(rows)}\n")
    if path:
        content = {"title": title, "machine": about, "settings": settings, "rows": rows}
        path.write_text(json.dumps(content, indent=2) + "\n")
