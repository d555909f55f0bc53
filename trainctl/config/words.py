"""Config values, types and near names in plain words, for messages.

Example:
    >>> expected(int), got("abc")
    ('an integer', "'abc' (a string)")
    >>> did_you_mean("epoch", ["epochs", "monitor"])
    "did you mean 'epochs'?"
"""

from __future__ import annotations

import difflib
import math
import os
import pathlib
import re
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from trainctl.config.scalars import value_of

_NOUNS: dict[Any, tuple[str, str]] = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "booleans"),
    str: ("a string", "strings"),
    type(None): ("null", "nulls"),
    pathlib.Path: ("a path", "paths"),
    os.PathLike: ("a path", "paths"),
    Any: ("a value", "values"),
}
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Expected:
    """Annotates a type with words for what it accepts, where its own would say too little."""

    text: str


def expected(hint: Any) -> str:
    """What a type hint accepts: "an integer >= 1", "an integer or a list of 2 integers"."""
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin is Annotated:
        return _constrained(args[0], args[1:])
    if origin in (Union, types.UnionType):
        return either(expected(arg) for arg in args)
    if origin is Literal:
        return either(f"'{arg}'" if isinstance(arg, str) else str(arg) for arg in args)
    if origin in _NOUNS:
        return _NOUNS[origin][0]
    if issubclass(origin, Sequence):
        return _list(args, fixed=origin is tuple and args != () and args[-1] is not Ellipsis)
    return f"a mapping with {quoted(origin.model_fields)}" if hasattr(origin, "model_fields") else "a mapping"


def _constrained(hint: Any, marks: Sequence[Any]) -> str:
    for mark in marks:
        if isinstance(mark, Expected):
            return mark.text
    bounds = [
        f"{sign} {getattr(mark, name)}" for mark in marks for name, sign in _BOUNDS.items() if hasattr(mark, name)
    ]
    return f"{expected(hint)} {' and '.join(bounds)}".rstrip()


def _list(items: tuple[Any, ...], fixed: bool) -> str:
    item = items[0] if items else Any
    while get_origin(item) is Annotated:
        item = get_args(item)[0]
    many = _NOUNS.get(item, _NOUNS[Any])[1]
    return f"a list of {len(items)} {many}" if fixed else f"a list of {many}"


def got(value: Any) -> str:
    """A value and its kind: ``'abc' (a string)``, ``3.5 (a number)``, ``[1, 2] (a list)``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"{str(value).lower()} (a boolean)"
    shown = repr(value)
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"{shown} (a {kind})" if len(shown) <= _LONGEST else f"a {kind} of {len(value)}"
    shown = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    return f"{shown} ({_NOUNS.get(type(value), _NOUNS[Any])[0]})"


def repair(value: Any, wanted: str) -> str | None:
    """How to write a value that is nearly what is wanted: without its quotes, as an integer, ...

    Args:
        value: the value as it was read.
        wanted: what :func:`expected` says of the type.
    """
    if wanted.startswith("a mapping"):
        return _repaired_mapping(value, re.findall("'([^']+)'", wanted))
    if isinstance(value, str):
        return _repaired_string(value, wanted)
    if isinstance(value, float) and "integer" in wanted and value.is_integer():
        return f"write {int(value)}"
    if isinstance(value, int | float) and "a string" in wanted:
        return f"put it in quotes: '{str(value).lower()}'"
    if wanted.startswith("a list") and isinstance(value, dict):
        return "begin each item with '- '"
    if value is None and wanted.startswith("a list"):
        return "write the items below it, or [] for an empty list"
    return None


def _repaired_mapping(value: Any, keys: Sequence[str]) -> str | None:
    """What is written in a mapping's place, with the key that it lacks."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\w+)\s*[ =:]\s*(\S+)", value)) and match[1] in keys:
        return f"write `{match[1]}: {match[2]}`"
    if isinstance(value, bool | int | float) and len(keys) == 1:
        return f"write {{{keys[0]}: {str(value).lower()}}}"
    return None


def _repaired_string(text: str, wanted: str) -> str | None:
    switch = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
    if re.match(r"\$\{?\w|\{\{", text):
        return "a file's text is taken as it is; set a value from outside with a TRAINCTL__A__B variable or --set"
    if "true or false" in wanted and text.lower() in switch:
        return f"write {switch[text.lower()]}"
    if wanted.startswith("a list"):
        return f"write [{text}]"
    if "a number" in wanted or "an integer" in wanted:
        return _without_disguise(text)
    if "cuda" in wanted and text.lower().startswith("gpu"):
        return f"write {text.lower().replace('gpu', 'cuda', 1)}"
    near = difflib.get_close_matches(text[:_LONGEST].lower(), re.findall("'([^']+)'", wanted), n=1)
    return f"did you mean '{near[0]}'?" if near else None


def _without_disguise(text: str) -> str | None:
    """A number that quotes, underscores or a comma make a string of, or the name of one without its dot."""
    if re.fullmatch("[-+]?inf(inity)?", text, re.IGNORECASE):
        return f"write {'-' if text.startswith('-') else ''}.inf"
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        return f"write {text.replace(',', '.')}"
    number = text.replace("_", "")
    try:
        value = value_of("float", number)
    except ValueError:
        return None
    disguise = "quotes" if number == text else "underscores"
    return f"write it without {disguise}: {number}" if value is not None and math.isfinite(value) else None


def either(words: Iterable[str]) -> str:
    """Alternatives for a sentence, each once: ``a, b or c``."""
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} or {last}" if others else last


def quoted(names: Iterable[str], most: int = 12) -> str:
    """Names for a sentence: ``'lr', 'momentum'``; a long list is cut."""
    listed = [f"'{name}'" for name in names]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """The nearest of the valid names, whatever the case, or all of them; None where there are none."""
    valid = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name[:_LONGEST].lower(), valid, n=1)
    if near:
        return f"did you mean '{valid[near[0]]}'?"
    return f"valid: {quoted(valid.values())}" if valid else None
