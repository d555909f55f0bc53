"""JSON as these files have it: no key twice, only finite numbers, and bounds on size and depth.

A few KB of JSON can become GBs of objects, or a stack overflow in whoever walks them; so the bounds are looked
at before anything is made, where that is possible.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_VALUES = 400_000
MAX_DEPTH = 100


def parse(data: bytes | bytearray | str, *, max_values: int = MAX_VALUES) -> Any:
    """Return what JSON text says.

    Args:
        data: the text, in UTF-8 where it is bytes.
        max_values: the most values it may hold.

    Raises:
        ValueError: it is not JSON, or goes beyond what these files may say.

    Example:
        >>> parse(b'{"lr": 1e-3, "lr": 2}')
        Traceback (most recent call last):
        ValueError: the key 'lr' twice in one object
    """
    text = data if isinstance(data, str) else data.decode("utf-8")
    if sum(map(text.count, ",[{")) > max_values:
        raise ValueError(f"over {max_values} values")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant, parse_int=_integer
        )
    except RecursionError:
        raise ValueError(f"over {MAX_DEPTH} levels") from None
    check_depth(value)
    return value


def check_depth(value: Any, levels: int = MAX_DEPTH) -> None:
    """Check that lists and objects are not nested deeper than what walks them can follow.

    Raises:
        ValueError: they are.
    """
    if not levels:
        raise ValueError(f"over {MAX_DEPTH} levels")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(each, dict | list):
            check_depth(each, levels - 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > 40:
        raise ValueError(f"the number {text[:20]}... is too large")
    return int(text)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no number in JSON")
