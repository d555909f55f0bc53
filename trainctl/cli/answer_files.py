"""Answers of a model as JSON lines or CSV, written as they come; a file is whole or absent."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from trainctl.cli.output import STDOUT, writing
from trainctl.storage.files import TEMPORARY, fsync_directory

if TYPE_CHECKING:
    from trainctl.jobs.answers import Answer
    from trainctl.jobs.prediction import Prediction

_DIGITS = 9  # of a probability, after the point; of a value, in all: a float32 has no more


@dataclass(frozen=True)
class Details:
    """How much of an answer is written.

    Attributes:
        classes: their names; None where they have none.
        top: how many of the most probable classes.
        proba: whether the probability of every class.
        several: whether there are several files, so that each answer says its own.
    """

    classes: Sequence[str] | None = None
    top: int = 0
    proba: bool = False
    several: bool = False


def write_answers(target: str, format: str, predictions: Iterable[Prediction], details: Details) -> tuple[int, int]:
    """Write answers, and return how many there were, and how many of those were not finite.

    Args:
        target: a file, or ``-`` for stdout.
        format: ``jsonl`` or ``csv``.
        predictions: the answers.
        details: what is written of them.
    """
    rows = spoiled = 0
    with writing(target), _opened(target) as file:
        write = _csv_writer(file) if format == "csv" else _json_writer(file)
        for each in predictions:
            write(fields(each, details))
            rows += 1
            spoiled += not each.answer.finite
    return rows, spoiled


def fields(prediction: Prediction, details: Details) -> dict[str, Any]:
    """An answer as it is written: plain data.

    Example:
        >>> from trainctl.jobs.answers import Answer
        >>> from trainctl.jobs.prediction import Prediction
        >>> answer = Answer(True, 1, np.array([0.25, 0.75]))
        >>> fields(Prediction("a.csv", 0, None, answer), Details(classes=["no", "yes"]))
        {'row': 0, 'class': 1, 'label': 'yes', 'probability': 0.75}
    """
    facts: dict[str, Any] = {"file": prediction.file} if details.several else {}
    facts["row"] = prediction.row
    if prediction.id is not None:
        facts["id"] = prediction.id
    return facts | _answer_fields(prediction.answer, details)


def _answer_fields(answer: Answer, details: Details) -> dict[str, Any]:
    error = {} if answer.finite else {"error": "not finite"}
    if answer.parts is not None:
        return {"outputs": {name: _answer_fields(each, details) for name, each in answer.parts.items()}} | error
    if answer.values is not None:
        return _value_fields(answer.values) | error
    shares = answer.probabilities
    if shares is not None and shares.ndim and (shares.ndim > 1 or isinstance(answer.answer, list)):
        return {"classes": answer.answer, "probabilities": _rounded(shares)} | error  # of each place or label
    facts = {"class": answer.answer} | _label(answer.answer, details)
    if shares is not None:
        facts["probability"] = _share(shares if shares.ndim == 0 else shares[answer.answer or 0])
        facts |= _share_fields(shares, details) if shares.ndim else {}
    return facts | error


def _share_fields(shares: np.ndarray, details: Details) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if details.top:
        ranked = np.argsort(-shares, kind="stable").tolist()[: details.top]  # of equals the first
        facts["top"] = [
            {"class": number} | _label(number, details) | {"probability": _share(shares[number])} for number in ranked
        ]
    if details.proba:
        facts["probabilities"] = _rounded(shares)
    return facts


def _label(number: int | None, details: Details) -> dict[str, Any]:
    if details.classes is None:
        return {}
    return {"label": details.classes[number] if number is not None and number < len(details.classes) else None}


def _share(value: Any) -> float | None:
    return _finite(round(float(value), _DIGITS))


def _value_fields(outputs: np.ndarray) -> dict[str, Any]:
    values = _significant(outputs.tolist())
    if isinstance(values, list) and len(values) == 1 and not isinstance(values[0], list):
        values = values[0]
    return {"values" if isinstance(values, list) else "value": values}


def _rounded(shares: np.ndarray) -> Any:
    rounded = np.round(shares, _DIGITS).tolist()
    return rounded if np.isfinite(shares).all() else _significant(rounded)


def _significant(value: Any) -> Any:
    """Numbers as short as float32 allows; None for what JSON has no word for."""
    if isinstance(value, list):
        return [_significant(each) for each in value]
    return _finite(float(f"{value:.{_DIGITS}g}"))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


# -- writing ------------------------------------------------------------------------------------------


def _json_writer(file: IO[str]) -> Any:
    def write(facts: dict[str, Any]) -> None:
        file.write(json.dumps(facts, allow_nan=False) + "\n")

    return write


def _csv_writer(file: IO[str]) -> Any:
    """Writes rows under the header of the first, and of each that is not finite the column ``error``."""
    writer = csv.writer(file, lineterminator="\n")
    header: list[str] = []

    def write(facts: dict[str, Any]) -> None:
        flat = dict(_flat("", facts))
        if not header:
            header.extend(name for name in flat if name != "error")
            header.append("error")
            writer.writerow(header)
        writer.writerow([_encodable(flat.get(name)) for name in header])

    return write


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Columns of nested data: ``probabilities_0``, ``top_1_class``."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(f"{prefix}_{name}" if prefix else name, each)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _flat(f"{prefix}_{index}", each)
    else:
        yield prefix, value


@contextmanager
def _opened(target: str) -> Iterator[IO[str]]:
    """A text file that takes its place when all is written, or stdout."""
    path = Path(target)
    if target == STDOUT:
        yield sys.stdout
        return
    if path.exists() and not path.is_file():
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file  # a pipe or a device is written to, never replaced
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(TEMPORARY + path.name)
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        fsync_directory(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
