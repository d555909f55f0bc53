"""Run the README's commands again and show what they print now: python -m tests.make_readme."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.markdown import REPO, console, make_checkout, run


def main() -> None:
    readme = REPO / "README.md"
    text = readme.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        checkout = make_checkout(Path(folder))
        for shown in console(text):
            printed = run(shown.command, checkout)
            text = text.replace(f"$ {shown.command}\n{shown.output}", f"$ {shown.command}\n{printed}", 1)
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
