"""An evaluation for other tools: JUnit XML for a CI's test page, Markdown for a comment or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainctl.cli.text import count, number

_NOT_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST_CLASSES = 20
"""A larger table is no help in a comment; JSON has it."""

# -- JUnit --------------------------------------------------------------------------------------------


def junit(result: Mapping[str, Any]) -> str:
    """An evaluation as JUnit XML: a test case for each figure, each gate and each comparison with the baseline.

    The document keeps to the schema of Jenkins' xUnit plugin, which GitLab and GitHub's actions read, too.

    Args:
        result: what :func:`trainctl.jobs.run_evaluation` returned.
    """
    from xml.etree import ElementTree as Xml

    cases = list(_cases(result))
    counts = {
        "name": f"trainctl eval {result['name']}",
        "tests": str(len(cases)),
        "failures": str(sum(kind == "failure" for _, _, kind, _ in cases)),
        "errors": "0",
        "skipped": "0",
        "time": f"{result['seconds']:.3f}",
    }
    total = {key: value for key, value in counts.items() if key != "skipped"}  # the schema has none for all suites
    root = Xml.Element("testsuites", _clean(total))
    suite = Xml.SubElement(root, "testsuite", _clean(counts))
    properties = Xml.SubElement(suite, "properties")
    for key in ("checkpoint", "split", "samples", "weights_sha256"):
        Xml.SubElement(properties, "property", _clean({"name": key, "value": str(result[key])}))
    for group, name, kind, text in cases:
        case = Xml.SubElement(suite, "testcase", _clean({"classname": group, "name": name, "time": "0.000"}))
        if kind == "failure":
            Xml.SubElement(case, "failure", _clean({"message": text, "type": group})).text = _NOT_XML.sub("?", text)
        else:
            Xml.SubElement(case, "system-out").text = _NOT_XML.sub("?", text)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _clean(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes without the characters that XML has no way to say."""
    return {key: _NOT_XML.sub("?", value) for key, value in attributes.items()}


def _cases(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Group, name, whether it failed, and the text of each test case. A figure that is no number fails, too."""
    suite = f"{result['name']}.{result['split']}"
    for name, value in {"loss": result["loss"], **result["metrics"]}.items():
        kind = "failure" if value is None else "passed"
        yield f"{suite}.metrics", name, kind, f"{name} is {_figure(value)}"
    for gate in result["gates"]:
        kind = "passed" if gate["passed"] else "failure"
        exact = "not finite" if gate["value"] is None else f"{gate['value']:.6g}"
        yield f"{suite}.gates", gate["gate"], kind, f"{gate['name']} is {exact}; the gate is {gate['gate']}"
    for row in (result["baseline"] or {"comparisons": []})["comparisons"]:
        failed = row["decides"] and row["verdict"] == "regression"
        text = f"{row['name']}: {', '.join(_comparison_cells(row)[1:])}"
        yield f"{suite}.baseline", row["name"], "failure" if failed else "passed", text


# -- Markdown -----------------------------------------------------------------------------------------


def markdown(result: Mapping[str, Any]) -> str:
    """An evaluation as Markdown: its verdict, then tables of figures, gates, comparisons and classes.

    Args:
        result: what :func:`trainctl.jobs.run_evaluation` returned.
    """
    verdict = "passed" if result["passed"] else "**failed**"
    gated = result["gates"] or result["baseline"]
    lines = [
        f"### {_escaped(result['name'])}" + (f": {verdict}" if gated else ""),
        "",
        f"{_code(result['checkpoint'])}, {result['split']} split, {count(result['samples'], 'sample')}",
        "",
        *_grid(["metric", "value"], [[name, _figure(value)] for name, value in _figures(result)], "<>"),
    ]
    if result["gates"]:
        lines += [
            "",
            *_grid(["gate: fails if", "value", "result"], [_gate_cells(each) for each in result["gates"]], "<><"),
        ]
    if result["baseline"]:
        lines += ["", f"Against {_code(result['baseline']['checkpoint'])}, on the same samples:", ""]
        lines += _grid(
            COMPARISON, [_comparison_cells(each) for each in result["baseline"]["comparisons"]], COMPARISON_SIDES
        )
    for name, table in result["tables"].items():
        lines += ["", *_table_lines(name, table)]
    return "\n".join(lines) + "\n"


def _figures(result: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    return [("loss", result["loss"]), *result["metrics"].items()]


def _figure(value: float | None) -> str:
    return "not finite" if value is None else number(value)


def _gate_cells(gate: Mapping[str, Any]) -> list[str]:
    return [gate["gate"], _figure(gate["value"]), "passed" if gate["passed"] else "failed"]


COMPARISON = ["metric", "value", "baseline", "difference", "interval", "p", "verdict"]
COMPARISON_SIDES = "<>>>>><"


def _comparison_cells(row: Mapping[str, Any]) -> list[str]:
    untested = row["p"] is None
    interval = "" if untested else " to ".join("" if each is None else f"{each:+.4g}" for each in row["interval"])
    note = "" if row["decides"] else " (does not decide)"
    return [
        row["name"],
        _figure(row["value"]),
        _figure(row["baseline"]),
        "" if untested else f"{row['difference']:+.4g}",
        interval,
        "" if untested else f"{row['p_adjusted']:.2g}",
        row["verdict"] + note,
    ]


def comparison_rows(compared: Mapping[str, Any]) -> list[list[str]]:
    """A comparison as rows of text, under the names in ``COMPARISON``."""
    return [_comparison_cells(row) for row in compared["comparisons"]]


def _table_lines(name: str, table: Any) -> list[str]:
    shown = table_rows(table)
    if shown is None:
        return [f"{_escaped(name)}: in the JSON result"]
    header, rows = shown
    return [f"{_escaped(name)}:", "", *_grid(header, rows, "<" + ">" * (len(header) - 1))]


def table_rows(table: Any) -> tuple[list[str], list[list[str]]] | None:
    """A table's header and rows of text; None where it is empty or too large to show."""
    values = table.get("values", []) if isinstance(table, dict) else []
    if not values or len(values) > _MOST_CLASSES:
        return None
    labels = table.get("labels") or [str(index) for index in range(len(values))]
    header = table.get("header") or (labels if len(values[0]) == len(values) else ["no", "yes"])
    corner = " \\ ".join(str(table[key]) for key in ("rows", "columns") if key in table)
    return [corner, *header], [[label, *map(_cell, row)] for label, row in zip(labels, values, strict=True)]


def _cell(value: float | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else number(value)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """A table in GitHub's Markdown."""
    rule = [":--" if side == "<" else "--:" for side in sides]
    return ["| " + " | ".join(map(_escaped, row)) + " |" for row in (header, rule, *rows)]


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no end of a table's cell, no HTML."""
    text = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """Text in the fixed width of code, whatever backticks are in it."""
    text = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if fence != "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"
