from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.errors import UsageError
from trainctl.jobs.gates import Gate, check_names, failures, judge, parse_gate


@pytest.mark.parametrize(
    ("text", "name", "sign", "number"),
    [
        ("accuracy<0.97", "accuracy", "<", 0.97),
        ("  loss  >=  1e-1 ", "loss", ">=", 0.1),
        ("top5@1<.5", "top5@1", "<", 0.5),
        ("a.b-c!=-3", "a.b-c", "!=", -3.0),
        ("mae==+2.", "mae", "==", 2.0),
        ("r2<=1E+2", "r2", "<=", 100.0),
        ("größe>1", "größe", ">", 1.0),
    ],
)
def test_a_gate_is_a_name_an_operator_and_a_number(text: str, name: str, sign: str, number: float):
    assert parse_gate(text) == Gate(text.strip(), name, sign, number)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("accuracy", "expected NAME OP NUMBER", "quote it, or the shell takes < and > for itself"),
        ("", "expected NAME OP NUMBER", "for example"),
        ("<0.97", "expected NAME OP NUMBER", "for example"),
        ("accuracy<", "expected NAME OP NUMBER", "for example"),
        ("accuracy 0.97", "expected NAME OP NUMBER", "for example"),
        ("accuracy<0.97 or loss>1", "expected NAME OP NUMBER", "for example"),
        ("0.9<accuracy<1", "expected a finite number, got accuracy<1", None),
        ("accuracy=0.9", "got =", "did you mean '=='?"),
        ("accuracy=<0.9", "got =<", "did you mean '<='?"),
        ("accuracy<<0.9", "got <<", None),
        ("accuracy<97%", "expected a finite number, got 97%", "write 0.97"),
        ("accuracy<nan", "expected a finite number, got nan", None),
        ("accuracy<inf", "expected a finite number, got inf", None),
        ("accuracy<1e999", "expected a finite number, got 1e999", None),
        ("accuracy<0,97", "expected a finite number, got 0,97", None),
        ("accuracy<1_0", "expected a finite number, got 1_0", None),
        ("accuracy<__import__('os')", "expected a finite number", None),
        ("accuracy<٣", "expected a finite number", None),
    ],
)
def test_anything_else_is_refused(text: str, message: str, hint: str | None):
    with pytest.raises(UsageError) as caught:
        parse_gate(text)
    assert message in caught.value.message
    assert repr(text) in caught.value.message
    assert caught.value.hint is None if hint is None else hint in caught.value.hint


@given(st.text(max_size=20))
def test_no_text_does_anything_but_that(text: str):
    try:
        gate = parse_gate(text)
    except UsageError:
        return
    assert math.isfinite(gate.number)
    assert parse_gate(gate.text) == gate


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_a_gate_fails_where_its_condition_holds(sign: str, below: bool, equal: bool, above: bool):
    gate = parse_gate(f"loss{sign}0.5")
    assert [gate.fails(value) for value in (0.4, 0.5, 0.6)] == [below, equal, above]
    assert gate.fails(math.nan)
    assert gate.fails(None)
    assert gate.fails(math.inf) == above
    assert gate.fails(-math.inf) == below


def test_names_are_checked():
    check_names(["loss", "loss"], ["loss", "accuracy"], ["confusion_matrix"], "--fail-if")
    for name, message, hint in (
        ("acuracy", "'acuracy' is not measured", "did you mean 'accuracy'?"),
        ("confusion_matrix", "is a table, not a number", "'loss', 'accuracy'"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            check_names([name], ["loss", "accuracy"], ["confusion_matrix"], "--fail-if")
        assert hint in caught.value.hint


def test_every_reason_is_given():
    gates = judge([parse_gate("loss>1"), parse_gate("accuracy<0.9"), parse_gate("f1<0.5")], LOW)
    regression = {
        "name": "accuracy",
        "value": 0.8,
        "baseline": 0.9,
        "p": 0.01,
        "decides": True,
        "verdict": "regression",
    }
    rows = [regression, {**regression, "name": "loss", "decides": False}, {**regression, "verdict": "improvement"}]
    assert failures({"gates": gates, "baseline": {"comparisons": rows}}) == [
        "accuracy is 0.8 (accuracy<0.9)",
        "f1 is not a number (f1<0.5)",
        "accuracy 0.8 against the baseline's 0.9 is worse (p 0.01)",
    ]
    assert failures({"gates": gates[:1], "baseline": None}) == []


LOW = {"loss": 0.3, "accuracy": 0.8, "f1": math.nan}
