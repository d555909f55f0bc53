"""``trainctl init``: a commented config to begin with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from trainctl.cli.options import DebugOption, QuietOption
from trainctl.cli.output import STDOUT, write_text
from trainctl.cli.text import printable, table
from trainctl.errors import UsageError

EXAMPLES = """\
trainctl init
trainctl init cnn -o configs/digits.yaml
trainctl init --list"""


def init(
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="Which one, by default mlp.")] = "mlp",
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|-",
            help="Where to write it; by default TEMPLATE.yaml.",
            rich_help_panel="Output",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the file that is there.", rich_help_panel="Output")
    ] = False,
    names: Annotated[bool, typer.Option("--list", help="List the templates, and write none.")] = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a commented config, which trains on data of the package."""
    from trainctl.config.templates import template as text_of
    from trainctl.config.templates import templates

    if names:
        print(table(["template", "what it is"], [list(row) for row in templates().items()], "<<"))
        return
    if output == STDOUT:
        write_text(STDOUT, text_of(template))
        return
    path = Path(f"{template}.yaml" if output is None else output)
    write_config(path, text_of(template, str(path)), force=force)
    if not quiet:
        print(printable(f"{path}: written\nnext: trainctl train {shlex.quote(str(path))}"), file=sys.stderr)


def write_config(path: Path, text: str, *, force: bool) -> None:
    """Write a config, and the folders it is in.

    Args:
        path: the file.
        text: what to write.
        force: replace the file that is there.

    Raises:
        UsageError: there is a file and it is not to be replaced, or a directory.
    """
    from trainctl.storage.files import replace_file

    if path.is_dir() or not path.name:
        raise UsageError(f"--output {path}: expected a file, got a directory", hint=f"-o {path / 'mlp.yaml'}")
    if not force and (path.is_symlink() or path.exists()):
        raise UsageError(f"{path}: is there already", hint="--force replaces it; -o names another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path.resolve(), text.encode())
