"""JSON lines: a list of numbers a line, or an object with ``input`` and, if it likes, ``id``."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import IO, Any, NoReturn

import numpy as np

from trainctl.data.inputs.block import Block, Expected
from trainctl.errors import DataError

_LONGEST = 1 << 26
_FORM = 'a list of numbers, or {"input": [...], "id": ...}'


def read_json_lines(name: str, file: IO[bytes], expected: Expected, size: int) -> Iterator[Block]:
    """Yield the samples of JSON lines, ``size`` at a time. Empty lines are passed over.

    Raises:
        DataError: a line is not a sample; the message names it.

    Example:
        >>> import io
        >>> from trainctl.data.spec import ArraySpec
        >>> [block] = read_json_lines("a.jsonl", io.BytesIO(b'{"id": 7, "input": [1, 2]}'), Expected(ArraySpec((2,))), 9)
        >>> block.ids, block.values.tolist()
        ([7], [[1.0, 2.0]])
    """
    samples = _samples(name, file, expected)
    while chunk := list(itertools.islice(samples, size)):
        ids = [each[0] for each in chunk]
        yield Block(np.stack([each[1] for each in chunk]), None if all(each is None for each in ids) else ids)


def _samples(name: str, file: IO[bytes], expected: Expected) -> Iterator[tuple[Any, np.ndarray]]:
    for number in itertools.count(1):
        line = file.readline(_LONGEST)
        if not line:
            return
        if line.strip():
            yield _sample(f"{name}:{number}", line, expected)


def _sample(where: str, line: bytes, expected: Expected) -> tuple[Any, np.ndarray]:
    value = _parsed(where, line)
    own = None
    if isinstance(value, dict):
        if "input" not in value or not value.keys() <= {"input", "id"}:
            _fail(where, f"expected {_FORM}, got the keys {', '.join(map(repr, list(value)[:5])) or 'of nothing'}")
        own, value = value.get("id"), value["input"]
        if not isinstance(own, str | int | float | None) or own in (math.inf, -math.inf):
            _fail(where, f"expected an id that is a string or a number, got {json.dumps(own)[:40]}")
    if isinstance(value, int | float) and expected.size == 1:
        value = [value]
    if not isinstance(value, list):
        _fail(where, f"expected {_FORM}, got {json.dumps(value)[:40]}")
    if (b"true" in line or b"false" in line) and (odd := _odd(value)):  # which NumPy would take for numbers
        _fail(where, f"expected {expected.words}, got {odd}")
    return own, _numbers(where, value, expected)


def _numbers(where: str, value: list[Any], expected: Expected) -> np.ndarray:
    try:
        array = np.array(value)
    except ValueError:
        _fail(where, f"expected {expected.words}, got lists of different lengths")
    if array.dtype.kind not in "iuf" and array.size:
        _fail(where, f"expected {expected.words}, got {_odd(value) or 'numbers that are too large'}")
    if array.size != expected.size:
        _fail(where, f"expected {expected.words}, got {array.size}")
    shaped: np.ndarray = expected.shaped(array[None].astype(np.float64), where)[0]
    problem = expected.problem(shaped)
    return shaped if problem is None else _fail(where, problem)


def _odd(value: Any) -> str | None:
    """The first entry that is no number, as JSON; None where all are."""
    entries = [value]
    while entries:
        entry = entries.pop(0)
        if isinstance(entry, list):
            entries = entry + entries
        elif isinstance(entry, bool) or not isinstance(entry, int | float):
            return json.dumps(entry)[:40]
    return None


def _parsed(where: str, line: bytes) -> Any:
    if len(line) >= _LONGEST:
        _fail(where, f"a line of more than {_LONGEST:,} bytes")
    try:
        return json.loads(line.decode("utf-8-sig"), parse_constant=lambda word: _fail(where, f"{word} is not JSON"))
    except UnicodeDecodeError as error:
        _fail(where, f"expected UTF-8, got the byte 0x{line[error.start]:02x}")
    except RecursionError:
        _fail(where, "lists in lists, too deep")
    except ValueError as error:
        _fail(where, f"not JSON: {error}")


def _fail(where: str, message: str) -> NoReturn:
    raise DataError(f"{where}: {message}")
