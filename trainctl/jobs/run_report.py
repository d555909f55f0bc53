"""A report on runs in one file, HTML or Markdown, that needs nothing else: no scripts, no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from trainctl.errors import UsageError
from trainctl.jobs.charts import COLORS, Line, chart, sparkline
from trainctl.jobs.history import RunRecord, is_figure, read_run
from trainctl.version import __version__

_NOT_CURVES = ("schema_version", "epoch", "global_step")
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #8884; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
figure { margin: 0; }
figcaption { font-weight: 600; }
svg { max-width: 100%; height: auto; }
"""


def report_runs(paths: Sequence[str | Path], target: str | Path) -> str:
    """Return a report on runs: how they stand, their figures, learning curves and configs.

    Args:
        paths: one run directory or more.
        target: the file it is for, whose name says the format: ``.html`` or ``.md``.

    Raises:
        CheckpointError: one of them is no run.
        UsageError: the name says neither.
    """
    makers = {".html": _html, ".htm": _html, ".md": _markdown}
    maker = makers.get(Path(target).suffix.lower())
    if maker is None:
        raise UsageError(f"{target}: expected a name that ends in .html or .md", hint="--output report.html")
    records = [read_run(path) for path in paths]
    return maker(records)


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    planned = "?" if record.planned is None else str(record.planned)
    facts = [("status", record.status), ("epochs", f"{record.epochs} of {planned}")]
    if record.best:
        facts.append((f"best {record.monitor}", f"{record.best['value']:.6g} (epoch {record.best['epoch']})"))
    facts += [(name, f"{value:.6g}") for name, value in record.metrics.items() if not name.startswith("best ")]
    for key in ("parameters", "seconds", "device", "threads"):
        if key in record.summary:
            facts.append((key, str(record.summary[key])))
    facts += [(f"weights SHA-256 ({which})", sha) for which, sha in record.weights.items() if sha]
    facts += [("diverged", record.diverged)] if record.diverged else []
    return facts + [("damage", each) for each in record.damage]


def _curves(records: Sequence[RunRecord]) -> Iterator[tuple[str, list[Line]]]:
    """What there is to draw, by title: training and validation loss together."""
    names = dict.fromkeys(name for record in records for row in record.rows for name in row if name not in _NOT_CURVES)
    for name in names:
        together = {"train_loss": ("train_loss", "val_loss"), "val_loss": ()}.get(name, (name,))
        lines = [
            Line(f"{_named(record, records)}: {each}", points, COLORS[number % len(COLORS)], each == "train_loss")
            for number, record in enumerate(records)
            for each in together
            if (points := points_of(record, each))
        ]
        if lines:
            yield ("loss" if len(together) > 1 else name), lines


def _named(record: RunRecord, records: Sequence[RunRecord]) -> str:
    """A run's name; its path where several have that name."""
    return record.name if [each.name for each in records].count(record.name) == 1 else str(record.path)


def points_of(record: RunRecord, name: str) -> list[tuple[float, float]]:
    """Return a figure of a run's epochs: (epoch, value) where there is one."""
    return [
        (row["epoch"], row[name]) for row in record.rows if is_figure(row.get(name)) and is_figure(row.get("epoch"))
    ]


# -- HTML ---------------------------------------------------------------------------------------------


def _html(records: Sequence[RunRecord]) -> str:
    title = escape(", ".join(record.name for record in records))
    figures = [
        f"<figure><figcaption>{escape(name)}</figcaption>\n{chart(name, lines)}\n</figure>"
        for name, lines in _curves(records)
    ]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        *[_html_facts(record) for record in records],
        "<h2>Learning curves</h2>" if figures else "<p>No epoch is done yet.</p>",
        f'<div class="charts">{"".join(figures)}</div>',
        *[_html_config(record) for record in records],
        f"<p>Written by trainctl {__version__}.</p></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _html_facts(record: RunRecord) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{escape(value)}</td></tr>' for name, value in _facts(record)
    )
    return f"<h2>{escape(str(record.path))}</h2>\n<table>{rows}</table>"


def _html_config(record: RunRecord) -> str:
    rows = "".join(
        f"<tr><td>{escape(path)}</td><td>{escape(_plain(value))}</td></tr>" for path, value in record.config.items()
    )
    return f"<details><summary>config of {escape(record.name)}</summary><table>{rows}</table></details>"


def _plain(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


# -- Markdown -----------------------------------------------------------------------------------------


def _markdown(records: Sequence[RunRecord]) -> str:
    parts = [f"# {_cell(', '.join(record.name for record in records))}"]
    for record in records:
        facts = [f"| {_cell(name)} | {_cell(value)} |" for name, value in _facts(record)]
        parts += ["", f"## {_cell(str(record.path))}", "", "| | |", "|---|---|", *facts]
    parts += [
        "",
        "## Learning curves",
        "",
        "| figure | run | first | last | over the epochs |",
        "|---|---|---:|---:|---|",
    ]
    for _, lines in _curves(records):
        for line in lines:
            run, _, name = line.name.rpartition(": ")
            values = [y for _, y in line.points]
            parts.append(f"| {_cell(name)} | {_cell(run)} | {values[0]:.6g} | {values[-1]:.6g} | {sparkline(values)} |")
    return "\n".join([*parts, "", f"Written by trainctl {__version__}.", ""])


def _cell(text: str) -> str:
    """Text that stays in its cell and starts no HTML."""
    for old, new in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "\\`"), ("[", "\\["), ("\r", " "), ("\n", " ")):
        text = text.replace(old, new)
    return text
