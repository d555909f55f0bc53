"""Gates: a condition on a figure, such as ``accuracy<0.97``, that fails an evaluation."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainctl.errors import UsageError

_OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_GATE = re.compile(r"\s*(?P<name>[^\s<>=!]+)\s*(?P<sign>[<>=!]+)\s*(?P<number>\S+)\s*")
_FORM = "NAME OP NUMBER with one of < <= > >= == !="


@dataclass(frozen=True)
class Gate:
    """A condition that fails an evaluation.

    Attributes:
        text: as it was written.
        name: of the figure.
        sign: how it is compared: ``<``, ``<=``, ``>``, ``>=``, ``==`` or ``!=``.
        number: with what.
    """

    text: str
    name: str
    sign: str
    number: float

    def fails(self, value: float | None) -> bool:
        """Return whether a figure fails the gate; one that is not a number always does.

        Example:
            >>> gate = parse_gate("accuracy < 0.97")
            >>> gate.fails(0.96), gate.fails(0.97), gate.fails(float("nan")), gate.fails(None)
            (True, False, True, True)
        """
        return value is None or math.isnan(value) or _OPERATORS[self.sign](value, self.number)


def parse_gate(text: str) -> Gate:
    """Read a gate; the text is never evaluated.

    Raises:
        UsageError: it is not of the form NAME OP NUMBER.

    Example:
        >>> parse_gate("loss>=1e-1")
        Gate(text='loss>=1e-1', name='loss', sign='>=', number=0.1)
    """
    found = _GATE.fullmatch(text)
    if found is None:
        unquoted = re.fullmatch(r"\s*[\w.@-]+\s*", text) is not None
        hint = f"quote it, or the shell takes < and > for itself: --fail-if '{text.strip()}<0.97'" if unquoted else None
        raise UsageError(f"--fail-if {text!r}: expected {_FORM}", hint=hint or "for example --fail-if 'accuracy<0.97'")
    sign, number = found["sign"], found["number"]
    if sign not in _OPERATORS:
        swapped = {"=": "==", "=<": "<=", "=>": ">=", "<>": "!=", "=!": "!=", "===": "=="}.get(sign)
        raise UsageError(
            f"--fail-if {text!r}: expected one of {' '.join(_OPERATORS)}, got {sign}",
            hint=f"did you mean '{swapped}'?" if swapped else None,
        )
    value = float(number) if _NUMBER.fullmatch(number) else math.nan
    if not math.isfinite(value):
        percent = re.fullmatch(r"([0-9.]+)%", number)
        share = float(percent[1]) / 100 if percent and _NUMBER.fullmatch(percent[1]) else None
        hint = None if share is None else f"shares are from 0 to 1: write {share:g}"
        raise UsageError(f"--fail-if {text!r}: expected a finite number, got {number}", hint=hint)
    return Gate(text.strip(), found["name"], sign, value)


def check_names(names: Sequence[str], figures: Collection[str], tables: Collection[str], option: str) -> None:
    """Check that an evaluation has the figures that an option names.

    Args:
        names: what the option names.
        figures: the names of the figures.
        tables: the names of what is measured but no number.
        option: the option, for messages.

    Raises:
        UsageError: a name is not among them.

    Example:
        >>> check_names(["acuracy"], ["loss", "accuracy"], [], "--fail-if")
        Traceback (most recent call last):
        trainctl.errors.UsageError: --fail-if: 'acuracy' is not measured
    """
    from trainctl.config.words import did_you_mean

    for name in names:
        if name in tables:
            raise UsageError(f"{option}: '{name}' is a table, not a number", hint=did_you_mean("", figures))
        if name not in figures:
            raise UsageError(f"{option}: '{name}' is not measured", hint=did_you_mean(name, figures))


def judge(gates: Sequence[Gate], figures: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return what each gate says of the figures, as plain data.

    Example:
        >>> judge([parse_gate("loss>1")], {"loss": 0.5})
        [{'gate': 'loss>1', 'name': 'loss', 'value': 0.5, 'passed': True}]
    """
    return [
        {
            "gate": gate.text,
            "name": gate.name,
            "value": figures[gate.name],
            "passed": not gate.fails(figures[gate.name]),
        }
        for gate in gates
    ]


def failures(result: Mapping[str, Any]) -> list[str]:
    """Return why an evaluation fails, one short reason for each gate that does.

    Args:
        result: what :func:`trainctl.jobs.run_evaluation` returned.
    """
    reasons = [
        f"{each['name']} is {_shown(each['value'])} ({each['gate']})" for each in result["gates"] if not each["passed"]
    ]
    compared = result["baseline"] or {"comparisons": []}
    for each in compared["comparisons"]:
        if each["decides"] and each["verdict"] == "regression":
            reasons.append(f"{each['name']} {_shown(each['value'])} against the baseline's {_reason(each)}")
    return reasons


def _reason(compared: Mapping[str, Any]) -> str:
    p = compared["p"]
    return _shown(compared["baseline"]) + ("" if p is None else f" is worse (p {p:.2g})")


def _shown(value: float | None) -> str:
    return "not a number" if value is None or math.isnan(value) else f"{value:.6g}"
