"""``trainctl schema``: the config's JSON Schema, for editors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainctl.cli.options import DebugOption, QuietOption
from trainctl.cli.output import STDOUT, write_json
from trainctl.cli.text import printable
from trainctl.errors import UsageError

EXAMPLES = """\
trainctl schema -o trainctl.schema.json
trainctl schema | jq '."$defs"["layer.Linear"]'"""


def schema(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; by default to stdout.", rich_help_panel="Output"
        ),
    ] = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the JSON Schema of configs, for editors."""
    from trainctl.config.json_schema import config_schema

    if output is not None and output.is_dir():
        raise UsageError(f"--output {output}: expected a file, got a directory")
    write_json(STDOUT if output is None else str(output), config_schema())
    if output is not None and not quiet:
        how = f"put `# yaml-language-server: $schema={output}` on a config's first line"
        print(printable(f"{output}: written; {how}"), file=sys.stderr)
