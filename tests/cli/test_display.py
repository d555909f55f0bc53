from __future__ import annotations

import io
import sys
import time

import pytest
from rich.file_proxy import FileProxy

from tests.cli.story import story
from trainctl.cli.display import Display, make_display
from trainctl.cli.json_display import JsonDisplay
from trainctl.cli.plain_display import PlainDisplay
from trainctl.cli.rich_display import RichDisplay
from trainctl.train.events import StepEnd


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ClosedPipe(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise BrokenPipeError


@pytest.mark.parametrize(
    ("terminal", "term", "log_format", "kind"),
    [
        (True, "xterm-256color", "auto", RichDisplay),
        (True, "dumb", "auto", PlainDisplay),
        (True, None, "auto", PlainDisplay),
        (False, "xterm", "auto", PlainDisplay),
        (False, "xterm", "rich", RichDisplay),
        (True, "xterm", "plain", PlainDisplay),
        (True, "xterm", "json", JsonDisplay),
    ],
)
def test_which_display_is_chosen(terminal, term, log_format, kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setenv("TERM", term) if term else monkeypatch.delenv("TERM", raising=False)
    assert type(make_display(log_format)) is kind


def test_quiet_shows_nothing(capfd):
    with make_display("json", quiet=True) as display:
        for event in story():
            display(event)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [PlainDisplay, JsonDisplay, RichDisplay])
def test_training_goes_on_when_nobody_reads_any_more(kind):
    stream = ClosedPipe()
    with kind(stream) as display:
        for event in story():
            display(event)
    assert stream.writes <= 2


@pytest.mark.parametrize("kind", [PlainDisplay, JsonDisplay, RichDisplay])
def test_without_a_terminal_there_are_no_control_characters(kind):
    stream = io.StringIO()
    with kind(stream) as display:
        for event in story():
            display(event)
    assert stream.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize("kind", [Display, PlainDisplay, JsonDisplay, RichDisplay])
def test_a_step_costs_next_to_nothing(kind):
    """A training step takes some 400 microseconds; showing it may take 2, drawing included."""
    display = Display() if kind is Display else kind(Terminal())
    steps, rounds = [StepEnd(1, number, number, 0.5, 0.01, 64) for number in range(1, 20001)], []
    with display:
        display(next(story()))
        for _ in range(5):
            began = time.thread_time()
            for event in steps:
                display(event)
            rounds.append((time.thread_time() - began) / len(steps))
    assert min(rounds) < 2e-6


def test_an_error_of_the_display_itself_is_not_hidden():
    class Broken(Display):
        def step(self, event: StepEnd) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Broken()(StepEnd(1, 1, 1, 0.5, 0.01, 64))


def test_whatever_ends_the_training_the_terminal_is_as_it_was():
    stream = Terminal()

    def train() -> None:
        with RichDisplay(stream) as display:
            display(next(story()))
            display(StepEnd(1, 1, 1, 0.5, 0.01, 64))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    erase_line, hide_cursor = "\x1b[2K", "\x1b[?25l"
    assert stream.getvalue().endswith(erase_line)
    assert hide_cursor not in stream.getvalue()
    assert not isinstance(sys.stderr, FileProxy)
