"""What a person sees: the display's bytes, put on a screen by a terminal emulator."""

from __future__ import annotations

import io
import re

import pyte
import pytest

from tests.cli.story import SUMMARY, epoch, saved, start, step, story
from trainctl.cli.rich_display import RichDisplay
from trainctl.train.events import TrainEnd


class Screen(io.TextIOWrapper):
    """A terminal of 100 columns, unless told otherwise, that remembers what was written to it."""

    def __init__(self, columns: int = 100, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self.columns = columns

    def isatty(self) -> bool:
        return True

    @property
    def sent(self) -> str:
        return self.buffer.getvalue().decode(self.encoding)

    def lines(self) -> list[str]:
        screen = pyte.Screen(self.columns, 30)
        pyte.Stream(screen).feed(self.sent.replace("\n", "\r\n"))
        return "\n".join(line.rstrip() for line in screen.display).rstrip("\n").split("\n")


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return Screen()


def show(screen, *events, **options):
    with RichDisplay(screen, **options) as display:
        for event in events:
            display(event)


TABLE = [
    "story: 101,770 parameters on cpu (2 threads), 54,000 samples, 6,000 for validation",
    "epoch  train_loss    val_loss    accuracy        lr      time  best",
    "  1/2      0.5000      0.2500      0.7500      0.01      1.2s     *",
    "  2/2      0.2500      0.5000      0.7500      0.01      1.2s",
    "note: that was it",
    "best epoch 1: val_loss 0.2500",
    "test: loss 0.3000  accuracy 0.8750",
    "8 steps in 1m 15s; the run is in runs/story",
    "next: trainctl eval runs/story",
]


def test_when_the_run_is_over_the_table_and_the_outcome_stay_on_the_screen(screen):
    show(screen, *story())
    assert screen.lines() == TABLE


def test_without_a_terminal_the_same_table_is_written_plainly():
    stream = io.StringIO()
    show(stream, *story())
    assert stream.getvalue().splitlines() == TABLE


def test_while_it_trains_a_bar_stands_below_the_rows(screen):
    with RichDisplay(screen) as display:
        for event in (start(), step(1), epoch(1), step(1, 2), step(2, 2)):
            display._next_draw = 0.0
            display(event)
        *rows, bar = screen.lines()
    assert rows == TABLE[:3]
    assert re.fullmatch(r"epoch 2/2 ━{15}─{15}  50%  loss 0\.5000  [\d,]+ samples/s  0:00 left", bar)


def test_the_bar_is_drawn_a_few_times_a_second_only(screen):
    show(screen, start(steps_per_epoch=10**6), *(step(number, per_epoch=10**6) for number in range(1, 5001)))
    assert 1 <= screen.sent.count("samples/s") <= 20


@pytest.mark.parametrize("columns", [20, 40, 60, 80])
def test_the_bar_keeps_to_one_line_of_a_narrow_terminal(columns, screen, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    screen.columns = columns
    with RichDisplay(screen) as display:
        display(start())
        before = len(screen.lines())
        for number in range(1, 4):
            display._next_draw = 0.0
            display(step(number))
        assert len(screen.lines()) == before + 1


def test_a_terminal_without_unicode_gets_a_bar_of_ascii(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    screen = Screen(encoding="ascii")
    with RichDisplay(screen) as display:
        display(start())
        display(step(2))
        assert "###############---------------" in screen.lines()[-1]


def test_colour_marks_the_best_epoch_and_can_be_left_out(screen):
    show(screen, *story())
    assert "\x1b[32m" in screen.sent
    plain = Screen()
    show(plain, *story(), color=False)
    assert not re.search(r"\x1b\[[\d;]*m", plain.sent)
    assert plain.lines() == TABLE


def test_verbose_names_checkpoints(screen):
    show(screen, saved(8), verbose=True)
    assert screen.lines() == ["saved runs/story/checkpoints/step-00000008 (epoch 1, step 8)"]


def test_columns_line_up_with_long_names_and_many_epochs(screen):
    metrics = {"a_rather_long_metric": 0.5, "f1": 1e-9}
    show(screen, start(epochs=100), *(epoch(number, metrics=metrics) for number in (1, 100)))
    header, first, last = screen.lines()[1:]
    ends = [match.end() for match in re.finditer(r"\S+", header)]
    for row in (first, last):
        assert [match.end() for match in re.finditer(r"\S+", row)][:7] == ends[:7]


def test_what_there_is_no_figure_for_is_left_out(screen):
    bare = {**SUMMARY, "best_epoch": None, "test_loss": None, "test_metrics": {}}
    show(screen, start(val_samples=0), epoch(1, val_loss=None, metrics={}), TrainEnd(start().run_dir, bare))
    assert screen.lines()[1:] == [
        "epoch  train_loss        lr      time  best",
        "  1/2      0.5000      0.01      1.2s     *",
        "8 steps in 1m 15s; the run is in runs/story",
        "next: trainctl eval runs/story --split train",
    ]
