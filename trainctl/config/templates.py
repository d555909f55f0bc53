"""The configs that come with the package, for a start."""

from __future__ import annotations

import shlex
from pathlib import Path

from trainctl.config.words import did_you_mean
from trainctl.errors import UsageError

FOLDER = Path(__file__).parents[1] / "assets" / "templates"


def templates() -> dict[str, str]:
    """The templates' names, each with the first line of what it says it is.

    Example:
        >>> "mlp" in templates()
        True
    """
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))}
    return {name: text.partition("\n")[0].removeprefix("# ").rstrip(".:") for name, text in texts.items()}


def template(name: str, file: str | None = None) -> str:
    """A template's text.

    Args:
        name: which.
        file: what it will be called, for the commands it shows.

    Raises:
        UsageError: there is none of that name.

    Example:
        >>> template("mlp").startswith("# ")
        True
    """
    if name not in templates():
        raise UsageError(f"no template '{name}'", hint=did_you_mean(name, templates()))
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    if file is None or not file.isprintable():  # a line break would end the comment
        return text
    return text.replace(f"{name}.yaml", shlex.quote(file)).replace(f"runs/{name}", f"runs/{Path(file).stem}")
