"""Every metric again, one sample at a time in plain Python, for the tests to compare with."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def answers(scores: np.ndarray) -> list[int]:
    return [max(range(len(row)), key=lambda index: (row[index], -index)) for row in scores.tolist()]


def accuracy(scores: np.ndarray, target: np.ndarray) -> float:
    return sum(a == t for a, t in zip(answers(scores), target.tolist(), strict=True)) / len(target)


def top_k(scores: np.ndarray, target: np.ndarray, k: int) -> float:
    hits = 0
    for row, right in zip(scores.tolist(), target.tolist(), strict=True):
        ranked = sorted(range(len(row)), key=lambda index: (-row[index], index))
        hits += right in ranked[:k]
    return hits / len(target)


def marks(answered: list[int], right: list[int], number: int) -> tuple[int, int, int]:
    hits = sum(a == r == number for a, r in zip(answered, right, strict=True))
    return hits, answered.count(number), right.count(number)


def share(kind: str, hits: int, answered: int, right: int, zero: float) -> float:
    above, below = {"precision": (hits, answered), "recall": (hits, right), "f1": (2 * hits, answered + right)}[kind]
    return above / below if below else zero


def averaged(kind: str, average: str, answered: list[int], right: list[int], classes: int, zero: float) -> float:
    of_class = [marks(answered, right, number) for number in range(classes)]
    if average == "binary":
        return share(kind, *of_class[1], zero)
    if average == "micro":
        return share(kind, *(sum(each) for each in zip(*of_class, strict=True)), zero)
    present = [each for each in of_class if each[1] or each[2]]
    shares = [share(kind, *each, zero) for each in present]
    if average == "macro":
        return math.fsum(shares) / len(shares)
    return math.fsum(value * each[2] for value, each in zip(shares, present, strict=True)) / len(right)


def auc(scores: list[float], positive: list[bool]) -> float:
    """The definition: each positive against each negative, ties half."""
    ours = [score for score, yes in zip(scores, positive, strict=True) if yes]
    others = [score for score, yes in zip(scores, positive, strict=True) if not yes]
    wins = sum(Fraction(1) if a > b else Fraction(1, 2) if a == b else 0 for a in ours for b in others)
    return float(wins / (len(ours) * len(others)))


def r2(output: np.ndarray, target: np.ndarray) -> float:
    figures = []
    for predicted, right in zip(output.T.tolist(), target.T.tolist(), strict=True):
        mean = math.fsum(right) / len(right)
        varied = math.fsum((each - mean) ** 2 for each in right)
        missed = math.fsum((p - r) ** 2 for p, r in zip(predicted, right, strict=True))
        figures.append(1 - missed / varied if varied else float(not missed))
    return math.fsum(figures) / len(figures)


def cross_entropy(scores: np.ndarray, target: np.ndarray, ignored: int = -100) -> list[float]:
    losses = []
    for row, right in zip(scores.tolist(), target.tolist(), strict=True):
        if right != ignored:
            top = max(row)
            losses.append(top + math.log(math.fsum(math.exp(each - top) for each in row)) - row[right])
    return losses
