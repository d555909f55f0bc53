"""``trainctl runs``: what runs there are, how they stand, in what they differ."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trainctl.cli.help import Command, Group
from trainctl.cli.options import DebugOption, JsonOption, QuietOption
from trainctl.cli.output import check_json_target, check_target, write_json
from trainctl.cli.text import duration, number, printable, table

app = typer.Typer(cls=Group, rich_markup_mode=None, add_completion=False)

LIST_EXAMPLES = """\
trainctl runs list
trainctl runs list runs/sweep --sort best
trainctl runs list --json - -q | jq '.runs[] | select(.status == "stopped") | .path'"""
SHOW_EXAMPLES = """\
trainctl runs show runs/mnist-mlp"""
COMPARE_EXAMPLES = """\
trainctl runs compare runs/mnist-mlp runs/mnist-mlp-2
trainctl runs compare runs/a runs/b --json - -q | jq .weights_equal"""
REPORT_EXAMPLES = """\
trainctl runs report runs/mnist-mlp --output report.html
trainctl runs report runs/a runs/b --output report.md"""

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)]
RunsArgument = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Run directories, the first to compare with.", show_default=False)
]


@app.callback()
def runs() -> None:
    """List, show, compare and report runs."""


@app.command("list", cls=Command, epilog=LIST_EXAMPLES)
def list_(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The folder they are in.")] = Path("runs"),
    sort: Annotated[
        Literal["age", "name", "status", "epochs", "best"],
        typer.Option("--sort", metavar="age|name|status|epochs|best", help="What decides the order."),
    ] = "age",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    json: JsonOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """List runs with their status, epochs, best value and age."""
    from trainctl.jobs import list_runs

    check_json_target(json)
    found = list_runs(root, sort=sort, reverse=reverse)
    if json is not None:
        write_json(json, found)
    if not quiet:
        _say(run_table(found["runs"]) if found["runs"] else f"{root}: no runs")


@app.command(cls=Command, epilog=SHOW_EXAMPLES)
def show(run: RunArgument, json: JsonOption = None, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show what a run directory says of its run."""
    from trainctl.jobs import describe_run

    check_json_target(json)
    found = describe_run(run)
    if json is not None:
        write_json(json, found)
    if not quiet:
        _say("\n".join(description(found)))


@app.command(cls=Command, epilog=COMPARE_EXAMPLES)
def compare(
    runs: RunsArgument, json: JsonOption = None, quiet: QuietOption = False, debug: DebugOption = False
) -> None:
    """Show in what runs differ: configs, figures, weights."""
    from trainctl.jobs import compare_runs

    check_json_target(json)
    found = compare_runs(runs)
    if json is not None:
        write_json(json, found)
    if not quiet:
        _say("\n".join(comparison(found)))


@app.command(cls=Command, epilog=REPORT_EXAMPLES)
def report(
    runs: RunsArgument,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The report: .html or .md.", show_default=False),
    ],
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write learning curves and figures to one file."""
    from trainctl.jobs import report_runs
    from trainctl.storage.files import replace_file

    check_target("--output", str(output))
    text = report_runs(runs, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_file(output.resolve(), text.encode("utf-8", "replace"))
    if not quiet:
        _say(f"wrote {output}")


def run_table(rows: list[dict[str, Any]]) -> str:
    """Runs, one a line."""
    header = ["run", "status", "epochs", "best", "value", "age"]
    return table(header, [_cells(row) for row in rows], "<<><>>")


def _cells(row: dict[str, Any]) -> list[str]:
    epochs = f"{row['epochs']}/{row['planned_epochs'] if row['planned_epochs'] is not None else '?'}"
    best = row["best_value"]
    figures = [row["monitor"], number(best)] if best is not None else ["", ""]
    return [row["path"], row["status"], epochs, *figures, age(row["age_seconds"])]


def age(seconds: float) -> str:
    """How long ago, in the unit that matters.

    Example:
        >>> age(12), age(7260), age(200_000)
        ('12.0s', '2h 01m', '2 days')
    """
    return duration(seconds) if seconds < 2 * 86_400 else f"{seconds / 86_400:.0f} days"


def description(found: dict[str, Any]) -> list[str]:
    """A run, one fact a line."""
    planned = "?" if found["planned_epochs"] is None else found["planned_epochs"]
    lines = [
        f"{found['path']}: {found['name']}, {found['status']}",
        f"epochs   {found['epochs']} of {planned}; last written {age(found['age_seconds'])} ago",
    ]
    if found["best_value"] is not None:
        lines.append(f"best     {found['monitor']} {number(found['best_value'])} in epoch {found['best_epoch']}")
    lines += [f"diverged {found['diverged']}"] if found["diverged"] else []
    lines += [f"damage   {each}" for each in found["damage"]]
    lines += [f"weights  {sha} ({which})" for which, sha in found["weights_sha256"].items() if sha]
    figures = [[name, number(value)] for name, value in found["metrics"].items()]
    return [*lines, "", table(["figure", "value"], figures, "<>")] if figures else lines


def comparison(found: dict[str, Any]) -> list[str]:
    """In what runs differ, for people."""
    runs, letters = found["runs"], [_letter(number) for number in range(len(found["runs"]))]
    lines = [f"{letter}  {run['path']} ({run['status']})" for letter, run in zip(letters, runs, strict=True)]
    lines += ["", "configs are the same"] if not found["config"] else ["", _config_table(found, letters)]
    if found["metrics"]:
        lines += ["", _figure_table(found, letters)]
    words = {True: "the weights are equal, bit for bit", False: "the weights differ", None: "weights: not known of all"}
    return [*lines, "", words[found["weights_equal"]]]


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _config_table(found: dict[str, Any], letters: list[str]) -> str:
    rows = [
        [each["path"], *["-" if n in each["missing"] else _short(value) for n, value in enumerate(each["values"])]]
        for each in found["config"]
    ]
    return table(["config", *letters], rows, "<" * (len(letters) + 1))


def _figure_table(found: dict[str, Any], letters: list[str]) -> str:
    header = ["figure", letters[0]]
    for letter in letters[1:]:
        header += [letter, f"{letter}-{letters[0]}"]
    rows = []
    for each in found["metrics"]:
        row = [each["name"], _figure(each["values"][0])]
        for value, difference in zip(each["values"][1:], each["differences"][1:], strict=True):
            row += [_figure(value), "" if difference is None else f"{difference:+.4g}"]
        rows.append(row)
    return table(header, rows, "<" + ">" * (len(header) - 1))


def _figure(value: float | None) -> str:
    return "-" if value is None else number(value)


def _short(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)
