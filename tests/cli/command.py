"""Running ``trainctl`` as a shell would, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[2]
TRAINCTL = [sys.executable, "-m", "trainctl"]


def environment(**changes: str) -> dict[str, str]:
    """This process's, with the package found wherever the command runs."""
    return {**os.environ, "PYTHONPATH": str(REPO), **changes}


def trainctl(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command line to its end; what is not redirected is captured."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment(), **options}
    return subprocess.run([*TRAINCTL, *words], timeout=60, check=False, **options)


def commands(group: Any, *words: str) -> dict[str, Any]:
    """Every command of the program that help lists, those of its groups too, by its words."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, *words, name)
        elif not command.hidden:
            found[" ".join([*words, name])] = command
    return found
