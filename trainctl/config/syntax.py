"""PyYAML's complaints in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable

import yaml

from trainctl.config.tree import Place
from trainctl.errors import Problem

# (what PyYAML says, what we say, what to do, whether the mistake is where the construct begins)
_RULES: list[tuple[str, str, str | None, bool]] = [
    (r"found character '\\t'", "a tab where YAML wants spaces", "indent with spaces", False),
    (r"found character '(.)' that cannot start", r"a value cannot begin with '\1'", "put the value in quotes", False),
    (
        r"mapping values are not allowed",
        "a ':' that does not belong here",
        "give each key its own line, equally indented; put a value that holds ': ' in quotes",
        False,
    ),
    (r"could not find expected ':'", "a key without its ':'", "write `key: value`", True),
    (
        r"expected <block end>, but found '-'|sequence entries are not allowed",
        "a list item that does not belong here",
        "indent the items of one list equally, and do not mix them with keys",
        False,
    ),
    (
        r"expected <block end>",
        "the indentation does not fit the lines above",
        "indent the keys of one mapping equally, and do not mix keys and list items",
        False,
    ),
    (r"found unexpected (?:end of stream|document separator)", "a quote that is never closed", None, True),
    (
        r"expected ',' or '([\]}])', but got '<(?:stream|document) (?:end|start)>'",
        r"a bracket that is never closed by '\1'",
        None,
        True,
    ),
    (
        r"expected ',' or '([\]}])'",
        r"expected ',' or '\1' here",
        "a comma is missing, or the bracket of an earlier line is not closed",
        False,
    ),
    (
        r"expected the node content",
        "a value is missing here",
        "a comma or bracket is too many, or an earlier bracket is not closed",
        False,
    ),
    (r"(over \d+ (?:levels|values))", r"\1", "this is no config", False),
    (r"found duplicate anchor '([^']*)'", r"the anchor &\1 is set twice", None, False),
    (r"found undefined alias '?([^']*)'?", r"the alias *\1 has no anchor &\1 above it", None, False),
    (
        r"but found another document|expected '<document start>'",
        "more than one document; a config is one",
        "remove the '---' or what follows",
        False,
    ),
]


def explain(error: yaml.MarkedYAMLError, place: Callable[[yaml.Mark | None], Place]) -> Problem:
    """The mistake behind a PyYAML error, at its place.

    Args:
        error: what PyYAML raised; it says where in one of two marks.
        place: from PyYAML's mark to ours.
    """
    said = f"{error.context} {error.problem}"
    here, start = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    for pattern, message, hint, at_start in _RULES:
        match = re.search(pattern, said)
        if match:
            return place(start if at_start else here).problem(match.expand(message), hint)
    return place(here).problem(f"not YAML: {error.problem}")
