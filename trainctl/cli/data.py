"""``trainctl data``: what data there is, what is in it, and small data sets to begin with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from trainctl.cli.help import Command, Group
from trainctl.cli.options import (
    ConfigArgument,
    DebugOption,
    JsonOption,
    OverridesArgument,
    QuietOption,
    SeedOption,
    SetOption,
    load,
)
from trainctl.cli.output import check_json_target, write_json
from trainctl.cli.text import count, printable, table
from trainctl.errors import DataError

app = typer.Typer(cls=Group, rich_markup_mode=None, add_completion=False)

CHECK_EXAMPLES = """\
trainctl data check configs/mlp.yaml
trainctl data check configs/mlp.yaml --json - -q | jq .splits.train.classes"""
MAKE_EXAMPLES = """\
trainctl data make spirals datasets/spirals
trainctl data make shapes datasets/shapes --samples 3000 --seed 1"""
LIST_EXAMPLES = """\
trainctl data list
trainctl data list --json - -q | jq '.kinds[].name'"""

_SHOWN = 8  # numbers of a list


@app.callback()
def data() -> None:
    """Check, make and list data."""


@app.command(cls=Command, epilog=CHECK_EXAMPLES)
def check(
    config: ConfigArgument,
    overrides: OverridesArgument = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    allow_duplicates: Annotated[
        bool,
        typer.Option("--allow-duplicates", help="An input that stands in two splits is no error."),
    ] = False,
    json: JsonOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Read all of a config's data, show it; exit 4 if it is bad."""
    from trainctl.jobs.data_check import check_data

    check_json_target(json)
    loaded = load(config, overrides, sets, seed=seed, device="cpu", threads=None, epochs=None)
    found = check_data(loaded, allow_duplicates=allow_duplicates)
    if json is not None:
        write_json(json, found)
    if not quiet:
        _say("\n".join(check_lines(found)))
    if not found["ok"]:
        wrong = [each["message"] for each in found["findings"] if each["is_error"]]
        hint = "--allow-duplicates accepts what stands in two splits" if "too, so figures" in wrong[0] else None
        raise DataError(f"{config}: the data is not fit to train on: {wrong[0]}", hint=hint)


@app.command(cls=Command, epilog=MAKE_EXAMPLES)
def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="linear, shapes or spirals.", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where its files go.", show_default=False)],
    samples: Annotated[int, typer.Option("--samples", metavar="N", min=20, max=1_000_000, help="To train on.")] = 1500,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**62, help="Other seeds, other samples.")] = 0,
    force: Annotated[bool, typer.Option("--force", "-f", help="Write over files that are there.")] = False,
    json: JsonOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a small data set, and a config that trains on it."""
    from trainctl.jobs import make_data

    check_json_target(json)
    made = make_data(name, folder, samples=samples, seed=seed, force=force)
    if json is not None:
        write_json(json, made)
    if not quiet:
        _say("\n".join([f"wrote {path}" for path in made["files"].values()]))
        _say(f"next: trainctl train {shlex.quote(made['files']['config'])}")


@app.command("list", cls=Command, epilog=LIST_EXAMPLES)
def list_(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="Where data sets are.")] = Path("datasets"),
    json: JsonOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """List kinds of data, data that can be made, and data there is."""
    from trainctl.jobs import list_data

    check_json_target(json)
    found = list_data(root)
    if json is not None:
        write_json(json, found)
    if not quiet:
        _say("\n".join(list_lines(found)))


def list_lines(found: dict[str, Any]) -> list[str]:
    """What data there is, for people."""
    kinds = []
    for kind in found["kinds"]:
        arguments = [each["name"] if each["required"] else f"[{each['name']}]" for each in kind["arguments"]]
        kinds += [f"  {kind['name']:12} {kind['title']}", f"  {'':12} {' '.join(arguments)}"]
    lines = ["kinds, with their arguments:", *kinds, "", "can be made (trainctl data make NAME DIR):"]
    lines += [f"  {each['name']:12} {each['title']}" for each in found["makers"]]
    lines += ["", f"in {found['folder']}:" if found["found"] else f"{found['folder']}: no data sets"]
    return lines + [f"  {each['path']}  {each['bytes'] / 1e6:.1f} MB" for each in found["found"]]


def check_lines(found: dict[str, Any]) -> list[str]:
    """What is in a config's data, for people."""
    rows = []
    for name, split in found["splits"].items():
        span = f"{split['min']:.4g} to {split['max']:.4g}" if "min" in split else ""
        rows.append(
            [name, f"{split['samples']:,}", span, _list(split.get("mean")), _list(split.get("std")), _targets(split)]
        )
    lines = [f"{found['name']}: {found['dataset']}", ""]
    lines += [table(["split", "samples", "values", "mean", "std", "targets"], rows, "<><<<<"), ""]
    findings = found["findings"]
    lines += [f"{'error' if each['is_error'] else 'note'}: {each['message']}" for each in findings]
    wrong = sum(each["is_error"] for each in findings)
    return [*lines, count(wrong, "problem") if wrong else "the data is fit to train on"]


def _list(values: list[float] | None) -> str:
    if not values:
        return ""
    shown = ", ".join(f"{value:.4g}" for value in values[:_SHOWN])
    return f"[{shown}, ...]" if len(values) > _SHOWN else shown if len(values) == 1 else f"[{shown}]"


def _targets(split: dict[str, Any]) -> str:
    if "target_min" in split:
        return f"{split['target_min']:.4g} to {split['target_max']:.4g}"
    counts = list(split.get("classes", {}).values())
    if not counts:
        return ""
    least, most = min(counts), max(counts)
    return f"{len(counts)} classes of {least:,}" + (f" to {most:,}" if most > least else "")


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)
