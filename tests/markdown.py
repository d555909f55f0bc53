"""Reading the fenced blocks of a Markdown document, so that what it shows can be run."""

from __future__ import annotations

import re
from typing import NamedTuple


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
