"""From a model's outputs to answers a person can use: classes with probabilities, labels, values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.train.metrics.links import Link, probabilities


@dataclass(frozen=True)
class Answer:
    """What a model says of one sample. Which of the rest are there depends on the model's loss and outputs.

    Attributes:
        finite: whether all its outputs are finite numbers; where not, ``answer`` is None, and no number is one.
        answer: the class (of a softmax), 0 or 1 (of a sigmoid), or a list of them, one for each place or label; None
            where the outputs are values.
        probabilities: of each class [C], of yes [], or of each label [L]; [C, ...] for places.
        values: the outputs themselves, of a model of values.
        parts: of a model with several outputs, the answer of each by its name.
    """

    finite: bool
    answer: Any = None
    probabilities: np.ndarray | None = None
    values: np.ndarray | None = None
    parts: Mapping[str, Answer] | None = None


def answers_of(output: Any, link: Link | None) -> list[Answer]:
    """Return the answers in a batch of outputs.

    Args:
        output: [N, ...], or several by name.
        link: what the outputs are.

    Example:
        >>> import trainctl
        >>> [answer] = answers_of(trainctl.tensor([[0.0, 2.0]]), "softmax")
        >>> answer.answer, answer.probabilities.round(3).tolist()
        (1, [0.119, 0.881])
    """
    if isinstance(output, Mapping):
        named = {name: answers_of(each, None) for name, each in output.items()}
        rows = zip(*named.values(), strict=True)
        return [
            Answer(all(each.finite for each in row), parts=dict(zip(named, row, strict=True))) for row in rows
        ]  # fmt: skip
    array = np.array(output.detach().cpu().numpy())  # a copy: a plan's next call writes over its outputs
    if not array.size:
        return []
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1).tolist()
    if array.ndim >= 2 and array.shape[1] > 1 and link in ("softmax", "log", "margin"):
        return _classes(array, link, finite)
    if link in ("sigmoid", "probability"):
        return _labels(array, link, finite)
    return [Answer(known, values=row) for known, row in zip(finite, array, strict=True)]


def _classes(array: np.ndarray, link: Link, finite: list[bool]) -> list[Answer]:
    found = array.argmax(axis=1).tolist()
    with np.errstate(invalid="ignore", over="ignore"):
        shares = probabilities(array, link)
    each = [None] * len(found) if shares is None else shares
    return [
        Answer(known, number if known else None, share)
        for known, number, share in zip(finite, found, each, strict=True)
    ]


def _labels(array: np.ndarray, link: Link, finite: list[bool]) -> list[Answer]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    with np.errstate(invalid="ignore", over="ignore"):
        shares = probabilities(array, link)
    assert shares is not None
    yes = (array > (0.0 if link == "sigmoid" else 0.5)).astype(int).tolist()
    return [
        Answer(known, number if known else None, share)
        for known, number, share in zip(finite, yes, shares, strict=True)
    ]
