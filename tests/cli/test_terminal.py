"""The command line on a pseudo-terminal: what a person who sits before it sees."""

from __future__ import annotations

import json
import re
import shlex

import pexpect
import pyte
import pytest

from tests.cli.command import TRAINCTL, environment

SGR = re.compile(r"\x1b\[[\d;]*m")
COLUMNS, ROWS = 100, 40


def start(*words: str, **changes: str) -> pexpect.spawn:
    return pexpect.spawn(
        TRAINCTL[0],
        [*TRAINCTL[1:], *words],
        env=environment(**changes),
        dimensions=(ROWS, COLUMNS),
        encoding="utf-8",
        timeout=30,
    )


def finished(terminal: pexpect.spawn) -> str:
    """What was written from here to the end; the exit code is checked."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.before


def screen_of(sent: str) -> list[str]:
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed(sent)
    return "\n".join(line.rstrip() for line in screen.display).rstrip("\n").split("\n")


def test_training_leaves_a_table_and_the_outcome_on_the_screen(workspace):
    terminal = start("train", "tiny.yaml")
    sent = finished(terminal)
    assert terminal.exitstatus == 0
    title, header, *rows = (line for line in screen_of(sent) if not line.startswith("note: compil"))
    assert re.fullmatch(r"tiny: 6,370 parameters on cpu \(.* threads?\), 80 samples, 20 for validation", title)
    assert header == "epoch  train_loss    val_loss    accuracy        lr      time  best"
    for number, row in enumerate(rows[:3], start=1):
        assert re.fullmatch(rf"  {number}/3 +\d\.\d{{4}} +\d\.\d{{4}} +\d\.\d{{4}}      0\.01 +\d+\.\ds( +\*)?", row)
    assert [row.partition(":")[0].partition(" ")[0] for row in rows[3:]] == ["best", "test", "15", "next"]


def test_while_it_trains_the_bar_is_the_last_line(workspace):
    terminal = start("train", "tiny.yaml", "train.epochs=100000")
    terminal.expect(r"\d left")
    terminal.expect(r"\d left")
    last = screen_of(terminal.before + terminal.after)[-1]
    terminal.sendintr()
    finished(terminal)
    assert re.search(r"[━─]+ +\d+%  loss \d\.\d{4}  [\d,]+ samples/s  [\d:]+ left$", last)


def test_control_c_saves_removes_the_bar_and_says_how_to_go_on(workspace):
    terminal = start("train", "tiny.yaml", "train.epochs=100000")
    terminal.expect(" 2/100000 ")
    terminal.sendintr()
    sent = finished(terminal)
    assert terminal.exitstatus == 130
    stopped, resume = screen_of(sent)[-2:]
    assert stopped.startswith("stopped by SIGINT at ")
    assert re.fullmatch("resume: trainctl train .*runs/tiny.*", resume)


def test_colour_is_used_on_a_terminal(workspace):
    assert SGR.search(finished(start("train", "tiny.yaml", "train.epochs=1")))


@pytest.mark.parametrize(
    ("words", "changes"), [([], {"NO_COLOR": "1"}), (["--no-color"], {}), (["--log-format", "plain"], {})]
)
def test_colour_can_be_switched_off(words, changes, workspace):
    sent = finished(start("train", "tiny.yaml", "train.epochs=1", *words, **changes))
    assert not SGR.search(sent)
    assert "next: trainctl eval runs/tiny" in sent


def test_an_empty_no_color_does_not_count(workspace):
    assert SGR.search(finished(start("train", "tiny.yaml", "train.epochs=1", NO_COLOR="")))


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(term, workspace):
    sent = finished(start("train", "tiny.yaml", "train.epochs=1", TERM=term))
    assert "\x1b" not in sent
    assert "epoch 1/1  train_loss " in sent


@pytest.mark.parametrize(
    "words", [("validate", "tiny.yaml"), ("show", "tiny.yaml"), ("train", "missing.yaml"), ("--help",)]
)
def test_everything_else_is_plain_text_everywhere(words, workspace):
    sent = finished(start(*words))
    assert sent
    assert "\x1b" not in sent


def test_the_bar_stays_off_stdout_when_only_stderr_is_a_terminal(workspace):
    command = f"{shlex.join(TRAINCTL)} train tiny.yaml --json - > out.json"
    shell = pexpect.spawn("sh", ["-c", command], env=environment(), encoding="utf-8", timeout=30)
    assert "epoch  train_loss" in finished(shell)
    assert json.loads((workspace / "out.json").read_text())["epochs"] == 3
