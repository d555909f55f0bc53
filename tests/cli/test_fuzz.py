"""No words on the command line end in a traceback: they mean something, or exit 2 (4 for what is not there)."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.command import commands
from trainctl.cli import main as program
from trainctl.cli.main import app, main

PROGRAM = typer.main.get_command(app)
COMMANDS = commands(PROGRAM)
OPTIONS = sorted(
    {option for command in COMMANDS.values() for each in command.params for option in each.opts if option[0] == "-"}
)
VALUES = """\
tiny.yaml|no.yaml|.|..|/|runs/none|data|-|--|3|0|-1|1e9|99999999999999999999|nan|auto|cpu|cuda|cuda:9|many|mlp|json|plain|\
seed=3|train.epochs=x|model.9=ReLU|=|a=|a.b.c=[|optimizer={Adam: {lr: 1e-3}}|é|😀|\x1b[2J| |%s|{}|${HOME}|*|'|\n|--x|-é|--=|a=b=c"""
# Not train and profile themselves, and not what writes a file: what is fuzzed are words, not what a command does.
READING = ["validate", "show", "eval", "schema"]
WORDS = st.one_of(st.sampled_from(VALUES.split("|")), st.sampled_from(OPTIONS), st.text(max_size=6))
WRITING = {"-o", "--output", "--output-dir", "--json"}


def run(words: list[str], capfd) -> int:
    code = main(words)
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert "internal error" not in err
    assert code == 0 or err
    return code


@pytest.fixture(autouse=True)
def prepared(workspace):
    """A folder with a config and its data."""


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.sampled_from(READING), st.lists(WORDS, max_size=5))
def test_any_words_after_a_command_that_reads(capfd, command, words):
    words = [word for word in words if word not in WRITING and not word.startswith(("-o", "--js", "--outp", "--deb"))]
    assert run([command, *words], capfd) in {0, 2, 4}


@FUZZ
@given(st.lists(WORDS, max_size=4))
def test_any_words(capfd, words):
    words = [word for word in words if word not in COMMANDS and word not in WRITING and word != "--debug"]
    assert run(words, capfd) in {0, 2}


@FUZZ
@given(st.sampled_from(sorted(COMMANDS)), st.lists(WORDS, max_size=6))
def test_any_words_are_parsed_or_refused(capfd, command, words):
    """Every command, whatever it would then do."""
    done = []
    with patch.object(program, "_run", lambda words: done.append(parsed(words)) or 0):
        code = run([*command.split(), *(word for word in words if word != "--debug")], capfd)
    assert code in {0, 2}


def parsed(words: list[str]) -> None:
    """Parse a command line down to the last command, without what it does."""
    command, depth = PROGRAM, 0
    while hasattr(command, "commands"):
        command, depth = command.commands[words[depth]], depth + 1
    try:
        with command.make_context("x", words[depth:]):
            pass
    except typer.Exit:
        pass
