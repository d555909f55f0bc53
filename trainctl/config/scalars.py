"""YAML 1.2's rules for what an unquoted word means; PyYAML's own are those of YAML 1.1.

``1e-3`` is a float, and ``no``, ``1_000``, ``12:30`` and ``2026-01-01`` are strings.
"""

from __future__ import annotations

import math
import re
from typing import Any

TAG = "tag:yaml.org,2002:"
MERGE = TAG + "merge"

_INFINITE = r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_RULES = {  # the pattern, and the characters that what matches it can begin with
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (rf"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|{_INFINITE}", list("-+.0123456789")),
    "merge": (r"<<", ["<"]),
}


def add_rules(resolver: Any) -> None:
    """Add the rules to a PyYAML loader or dumper class."""
    for kind, (pattern, first) in _RULES.items():
        resolver.add_implicit_resolver(TAG + kind, re.compile(rf"(?:{pattern})\Z"), first)


def value_of(kind: str, text: str) -> int | float | bool | None:
    """The value of a word of a kind.

    Raises:
        ValueError: the word is not of that kind, or the number is too large.

    Example:
        >>> value_of("float", "1e-3"), value_of("int", "0x10"), value_of("bool", "True")
        (0.001, 16, True)
    """
    if not re.fullmatch(_RULES[kind][0], text):
        raise ValueError(f"'{text}' is not what its tag says (!!{kind})")
    if kind == "int":
        return _integer(text)
    if kind == "float":
        return _float(text)
    return text.lower() == "true" if kind == "bool" else None


def _integer(text: str) -> int:
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    if len(text) < 100 and -(2**63) <= (value := int(text, base)) < 2**63:
        return value
    raise ValueError("an integer of more than 64 bits")


def _float(text: str) -> float:
    if re.fullmatch(_INFINITE, text):
        return float(text.lower().replace(".", ""))
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number too large for a float")
    return value
