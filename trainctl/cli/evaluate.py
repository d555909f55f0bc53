"""``trainctl eval``: how good a trained model is, and whether that is good enough."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trainctl.cli.options import DebugOption, JsonOption, LogFormatOption, PluginsOption, QuietOption, RuntimeOption
from trainctl.cli.output import check_targets, json_line, write_json, write_text
from trainctl.cli.text import count, number, printable, table

EXAMPLES = """\
trainctl eval runs/mnist-mlp
trainctl eval runs/mnist-mlp/last --split val --per-class
trainctl eval runs/mnist-mlp --fail-if 'accuracy<0.97' --junit eval.xml
trainctl eval runs/new --baseline runs/mnist-mlp --markdown - > summary.md
trainctl eval --json - | jq .metrics.accuracy"""

_EVALUATION, _GATES, _OUTPUT = "Evaluation", "Gates", "Output"


def evaluate(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN|CHECKPOINT",
            help="A run, whose best checkpoint is meant, or a checkpoint; by default the latest run.",
        ),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"],
        typer.Option(
            "--split", metavar="train|val|test", help="The samples to measure on.", rich_help_panel=_EVALUATION
        ),
    ] = "test",
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", min=1, help="Samples at a time.", rich_help_panel=_EVALUATION),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="auto|cpu|cuda[:N]", help="By default as in the config.", rich_help_panel=_EVALUATION
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="By default as in the run.", rich_help_panel=_EVALUATION),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="KEY=VALUE",
            help="Replace a value of the run's data or metrics; may be repeated.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None,
    per_class: Annotated[
        bool,
        typer.Option("--per-class", help="Precision, recall and F1 of each class, too.", rich_help_panel=_EVALUATION),
    ] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="NAME<NUMBER",
            help="Exit 3 if a figure is so: 'accuracy<0.97', 'loss>=0.2'; may be repeated.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="RUN|CHECKPOINT",
            help="Exit 3 if the model is significantly worse than this one on the same samples.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="NAME",
            help="The figure that decides against the baseline; may be repeated; by default every metric.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option("--alpha", metavar="P", help="The test's level of significance.", rich_help_panel=_GATES),
    ] = 0.05,
    max_drop: Annotated[
        float,
        typer.Option(
            "--max-drop",
            metavar="X",
            help="How much worse than the baseline's a figure may be.",
            rich_help_panel=_GATES,
        ),
    ] = 0.0,
    runtime: RuntimeOption = "trainctl",
    plugins: PluginsOption = None,
    json: JsonOption = None,
    junit: Annotated[
        str | None,
        typer.Option(
            "--junit", metavar="PATH|-", help="Write JUnit XML for a CI's test page.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(
            "--markdown", metavar="PATH|-", help="Write tables for a comment or a summary.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    log_format: LogFormatOption = "auto",
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure a trained model and hold it to its gates."""
    from trainctl.errors import GateError
    from trainctl.jobs import failures, run_evaluation

    check_targets({"--json": json, "--junit": junit, "--markdown": markdown})
    result = run_evaluation(
        run,
        split=split,
        threads=threads,
        batch_size=batch_size,
        device=device,
        overrides=sets or [],
        fail_if=fail_if or [],
        baseline=baseline,
        compare=compare or [],
        alpha=alpha,
        max_drop=max_drop,
        per_class=per_class,
        runtime=runtime,
    )
    _write(result, json, junit, markdown)
    if log_format == "json" and not quiet:
        print(json_line("eval", result), file=sys.stderr)
    elif not quiet:
        print(printable(result_table(result)), file=sys.stderr)
    if not result["passed"]:
        raise GateError(f"gate failed: {'; '.join(failures(result))}")


def _write(result: dict[str, Any], json: str | None, junit: str | None, markdown: str | None) -> None:
    """Write the files, also of an evaluation that fails."""
    from trainctl.cli import report_files

    if json is not None:
        write_json(json, result)
    if junit is not None:
        write_text(junit, report_files.junit(result))
    if markdown is not None:
        write_text(markdown, report_files.markdown(result))


def result_table(result: dict[str, Any]) -> str:
    """What was measured, on what, the figures, and what gates and baseline say of them."""
    from trainctl.cli.report_files import COMPARISON, COMPARISON_SIDES, comparison_rows, table_rows

    figures = {"loss": result["loss"], **result["metrics"]}
    rows = [[name, "not finite" if value is None else number(value)] for name, value in figures.items()]
    what = f"{result['checkpoint']}, {result['split']} split, {count(result['samples'], 'sample')}"
    parts = [f"{what}\n{table(['metric', 'value'], rows, '<>')}"]
    for name, found in result["tables"].items():
        shown = table_rows(found)
        parts.append(f"{name}\n{table(*shown, '<' + '>' * (len(shown[0]) - 1))}" if shown else f"{name}: --json has it")
    if result["baseline"]:
        against = f"against {result['baseline']['checkpoint']}, on the same samples"
        parts.append(f"{against}\n{table(COMPARISON, comparison_rows(result['baseline']), COMPARISON_SIDES)}")
    if result["gates"]:
        gates = [[each["gate"], "passed" if each["passed"] else "failed"] for each in result["gates"]]
        parts.append(table(["gate: fails if", "result"], gates, "<<"))
    return "\n\n".join(parts)
