"""``trainctl profile``: where the time and the memory of training steps go."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import typer

from trainctl.cli.options import (
    ConfigArgument,
    DebugOption,
    DeviceOption,
    JsonOption,
    LogFormat,
    LogFormatOption,
    NoColorOption,
    OverridesArgument,
    PluginsOption,
    QuietOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    load,
)
from trainctl.cli.output import check_json_target, json_line, write_json
from trainctl.cli.text import count, printable, table

EXAMPLES = """\
trainctl profile configs/mlp.yaml
trainctl profile configs/mlp.yaml data.batch_size=256 --threads 1
trainctl profile configs/mlp.yaml --json - -q | jq '.ops[0]'"""

SMALL = 0.005
"""Ops with less than this share of a step have one row together."""

HOW = {
    "kernel": "compiled kernel",
    "NumPy kernel": "NumPy, cut into blocks",
    "elementwise": "NumPy, block by block",
    "call": "one NumPy call",
    "eager": "eager",
    "-": "",
}
HEADER = ["op", "calls", "ms", "share", "GFLOP/s", "of peak", "GB/s", "of copy", "done by"]
SIDES = "<>>>>>>><"


def profile(
    config: ConfigArgument,
    overrides: OverridesArgument = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    plugins: PluginsOption = None,
    steps: Annotated[
        int,
        typer.Option("--steps", metavar="N", min=1, help="Steps that are timed.", rich_help_panel="Profile"),
    ] = 20,
    json: JsonOption = None,
    log_format: LogFormatOption = "auto",
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    debug: DebugOption = False,
) -> None:
    """Show where the time and memory of training steps go."""
    from trainctl.jobs import run_profile

    check_json_target(json)
    loaded = load(config, overrides, sets, seed=seed, device=device, threads=threads, epochs=None)
    result = run_profile(loaded, steps=steps)
    if json is not None:
        write_json(json, result)
    if log_format == "json" and not quiet:
        print(json_line("profile", result), file=sys.stderr)
    elif not quiet:
        show_profile(result, log_format, no_color=no_color)


def show_profile(result: dict[str, Any], log_format: LogFormat = "plain", *, no_color: bool = False) -> None:
    """Write a profile to stderr: what was measured, the ops, what became of them in the plan, the memory."""
    draw = _draw_rich(not (no_color or os.environ.get("NO_COLOR"))) if _is_rich(log_format) else _draw_plain
    _say([*headings(result), ""])
    draw(HEADER, op_rows(result["ops"]), SIDES)
    _say(["", *plan_lines(result), ""] if result["plan"] else [""])
    draw(["memory", "MB"], memory_rows(result["memory"]), "<>")


def _is_rich(log_format: LogFormat) -> bool:
    return log_format == "rich" or (log_format == "auto" and sys.stderr.isatty())


def _say(lines: list[str]) -> None:
    print(printable("\n".join(lines)), file=sys.stderr)


def _draw_plain(header: list[str], rows: list[list[str]], sides: str) -> None:
    print(printable(table(header, rows, sides)), file=sys.stderr)


def _draw_rich(color: bool) -> Callable[[list[str], list[list[str]], str], None]:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(
        file=sys.stderr, color_system="auto" if color else None, width=None if sys.stderr.isatty() else 200
    )

    def draw(header: list[str], rows: list[list[str]], sides: str) -> None:
        drawn = Table(box=None, pad_edge=False, header_style="bold")
        for name, side in zip(header, sides, strict=True):
            drawn.add_column(name, justify="left" if side == "<" else "right", overflow="fold")
        for row in rows:
            drawn.add_row(*map(escape, map(printable, row)))
        console.print(drawn)

    return draw


def headings(result: dict[str, Any]) -> list[str]:
    """What was run, and what this machine can do at most."""
    peaks = result["peaks"]
    threads = count(result["threads"], "thread")
    lines = [
        f"{result['name']}: {result['step_ms']:.3g} ms a step of {count(result['batch_size'], 'sample')} on {threads}, "
        f"and {result['batch_ms']:.2g} ms for its batch; {result['timed_step_ms']:.3g} ms where each call is timed",
        f"measured here: float32 products {_both(peaks, 'product')} GFLOP/s, copying memory {_both(peaks, 'copy')} GB/s",
    ]
    return lines if result["plan"] else [*lines, f"no plan: {result['no_plan']}; these are the ops of eager mode"]


def _both(peaks: dict[str, Any], what: str) -> str:
    one = f"{peaks[f'{what}_one']:.0f}"
    return one if peaks["threads"] == 1 else f"{one} on 1 thread, {peaks[f'{what}_all']:.0f} on {peaks['threads']}"


def op_rows(ops: list[dict[str, Any]]) -> list[list[str]]:
    """The ops as rows of text, the longest first; small ones together at the end."""
    small = [each for each in ops if each["share"] < SMALL]
    rows = [_op_row(each) for each in ops if each["share"] >= SMALL]
    if small:
        total = {key: sum(each[key] for each in small) for key in ("calls", "ms", "share")}
        rows.append(_op_row({**dict.fromkeys(ops[0]), **total, "op": count(len(small), "other"), "how": "-"}))
    return rows


def _op_row(each: dict[str, Any]) -> list[str]:
    rates = [
        ("gflops_per_second", ".1f"),
        ("of_product_peak", ".0%"),
        ("gbytes_per_second", ".1f"),
        ("of_copy_peak", ".0%"),
    ]
    return [
        each["op"],
        str(each["calls"] or ""),
        f"{each['ms']:.3f}",
        f"{each['share']:.1%}",
        *("" if each[key] is None else format(each[key], form) for key, form in rates),
        HOW[each["how"]],
    ]


def plan_lines(result: dict[str, Any]) -> list[str]:
    """What the plan is made of, and what it does together."""
    plan = result["plan"]
    loops = "Numba's loops" if result["kernels"] == "numba" else "NumPy alone"
    lines = [
        f"plan: {count(plan['calls'], 'call')}, {loops}, BLAS on {count(plan['blas_threads'], 'thread')}; "
        f"{count(plan['plans'], 'plan')} for these steps, made in {plan['recording_ms']:.0f} ms"
    ]
    if plan["kernels_compiled"]:
        lines.append(
            f"{count(plan['kernels_compiled'], 'loop')} compiled, in {plan['kernels_ms'] / 1e3:.1f}s (first use)"
        )
    elif result["kernels"] == "numba":
        lines.append(f"loops loaded in {plan['kernels_ms']:.0f} ms")
    for each, times in Counter(map(_fused_text, plan["fused"])).items():
        lines.append(f"fused: {each}" + (f", {times} times" if times > 1 else ""))
    if plan["plain"]:
        lines.append(f"as in eager mode, one NumPy call each: {', '.join(plan['plain'])}")
    return lines


def _fused_text(each: dict[str, Any]) -> str:
    return f"{' + '.join(each['ops'])} over {'x'.join(map(str, each['shape']))}"


def memory_rows(memory: dict[str, int]) -> list[list[str]]:
    """What holds memory, in MB."""
    return [[name.replace("_", " "), f"{size / 1e6:.2f}"] for name, size in memory.items()]
