"""Reading the fenced blocks of a Markdown document, and running the commands it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).parents[1]


class Shown(NamedTuple):
    """A command of a `console` block and the output shown under it."""

    command: str
    output: str


def blocks(text: str, language: str) -> list[str]:
    """The contents of the document's fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def console(text: str) -> list[Shown]:
    """Every line after a `$ ` in the `console` blocks, with what follows it."""
    shown = []
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            shown.append(Shown(command, output.rstrip()))
    return shown


def make_checkout(folder: Path) -> Path:
    """Make `folder` like the checkout, with room to write, and `trainctl` on a path of its own."""
    for name in ("configs", "datasets"):
        (folder / name).symlink_to(REPO / name)
    program = folder / "bin" / "trainctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m trainctl "$@"\n')
    program.chmod(0o755)
    return folder


def run(command: str, checkout: Path) -> str:
    """What the command prints, each line without trailing blanks."""
    # One thread: BLAS's workers wait by spinning, which on a machine with other work takes 20 times as long.
    path = {
        "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPO),
        "TRAINCTL__THREADS": "1",
    }
    done = subprocess.run(
        ["sh", "-c", command], cwd=checkout, env={**os.environ, **path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    # Whether kernels are compiled or loaded depends on who was here before.
    return "\n".join(line.rstrip() for line in done.stdout.splitlines() if not line.startswith("note: compil"))
