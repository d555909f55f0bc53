"""Progress for a terminal: a table that grows by a row an epoch, and below it a bar that moves."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from trainctl.cli.display import Display
from trainctl.cli.text import clock, duration, number, printable
from trainctl.cli.wording import end_lines, saved_line, start_line
from trainctl.train.events import CheckpointSaved, EpochEnd, Notice, StepEnd, TrainEnd, TrainStart

DRAW_SECONDS = 0.1
DRAW_SHARE = 0.005
"""The bar is drawn at most every ``DRAW_SECONDS``, and takes at most this share of the time."""
BAR = 30


class RichDisplay(Display):
    """Draws on a terminal; where there is none, it writes the table alone, without control characters.

    Args:
        stream: where to.
        color: whether to use colour and weight.
        verbose: name every checkpoint too.

    Example:
        >>> import sys
        >>> display = RichDisplay(sys.stdout)
        >>> display(EpochEnd(2, 844, 0.41, None, {"accuracy": 0.9}, 0.01, 1.2, 4.5e4, True))
        epoch  train_loss    accuracy        lr      time  best
            2      0.4100      0.9000      0.01      1.2s     *
    """

    def __init__(self, stream: TextIO, *, color: bool = True, verbose: bool = False) -> None:
        super().__init__()
        self._console = _Console(
            file=stream,
            force_terminal=stream.isatty(),
            color_system="auto" if color else None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live = Live(
            console=self._console,
            auto_refresh=False,  # drawn by the training thread: a thread of its own would take its time
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._verbose = verbose
        self._run: TrainStart | None = None
        self._header_due = True
        self._start = self._epoch_start = time.perf_counter()
        self._next_draw = 0.0
        self._loss_sum = 0.0
        self._samples = 0

    def __enter__(self) -> RichDisplay:
        """Take over the bottom line of the terminal, if there is one."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar; the rows stay."""
        with suppress(OSError):
            self._live.stop()

    def start(self, event: TrainStart) -> None:
        """Write what is trained, on what; the clocks start."""
        self._run = event
        self._start = self._epoch_start = time.perf_counter()
        self._print(start_line(event))

    def step(self, event: StepEnd) -> None:
        """Count the step; draw the bar when it is time."""
        self._loss_sum += event.loss * event.samples
        self._samples += event.samples
        now = time.perf_counter()
        if now >= self._next_draw and self._live.is_started:
            self._live.update(self._bar(event, now), refresh=True)
            done = time.perf_counter()
            self._next_draw = done + max(DRAW_SECONDS, (done - now) / DRAW_SHARE)

    def epoch(self, event: EpochEnd) -> None:
        """Add the epoch's row to the table."""
        columns = self._columns(event)
        if self._header_due:
            self._print("  ".join(columns), style="bold")
            self._header_due = False
        row = "  ".join(cell.rjust(len(name)) for name, cell in columns.items())
        self._print(row, style="green" if event.is_best else None)
        self._loss_sum, self._samples = 0.0, 0
        self._epoch_start = time.perf_counter()

    def saved(self, event: CheckpointSaved) -> None:
        """Write where the checkpoint is, if that is wanted."""
        if self._verbose:
            self._print(saved_line(event))

    def notice(self, event: Notice) -> None:
        """Write what the user should know."""
        self._print(f"note: {event.message}")

    def end(self, event: TrainEnd) -> None:
        """Write the outcome and what can be done with it."""
        self._live.stop()
        for line in end_lines(event):
            self._print(line)

    def _columns(self, event: EpochEnd) -> dict[str, str]:
        """The row's cells by their columns' names, which are as wide as the column."""
        epochs = f"/{self._run.epochs}" if self._run else ""
        figures = {"train_loss": event.train_loss, "val_loss": event.val_loss, **event.metrics}
        cells = {f"{name:>10}": number(value) for name, value in figures.items() if value is not None}
        return {
            f"{'epoch':>{max(2 * len(epochs) - 1, 5)}}": f"{event.epoch}{epochs}",
            **cells,
            f"{'lr':>8}": f"{event.lr:g}",
            f"{'time':>8}": duration(event.seconds),
            "best": "*" if event.is_best else "",
        }

    def _bar(self, event: StepEnd, now: float) -> Text:
        """The bottom line: how far the epoch is, its loss so far, the pace and the time left to the end."""
        run = self._run
        assert run is not None
        done = event.step / run.steps_per_epoch
        first = (run.start_epoch - 1) * run.steps_per_epoch + run.start_step - 1
        pace = (now - self._start) / (event.global_step - first)
        left = pace * (run.epochs * run.steps_per_epoch - event.global_step)
        head = f"epoch {event.epoch}/{run.epochs} "
        tail = (
            f" {done:4.0%}  loss {number(self._loss_sum / self._samples)}  "
            f"{self._samples / (now - self._epoch_start):,.0f} samples/s  {clock(left)} left"
        )
        room = max(0, min(BAR, self._console.width - len(head) - len(tail) - 1))
        full, empty = "━─" if self._console.encoding.startswith("utf") else "#-"
        filled = round(done * room)
        return Text.assemble(
            head,
            (full * filled, "cyan"),
            (empty * (room - filled), "dim"),
            tail,
            no_wrap=True,
            overflow="crop",
        )

    def _print(self, line: str, style: str | None = None) -> None:
        self._console.print(Text(printable(line.rstrip())), style=style, soft_wrap=True)


class _Console(Console):
    """A console that survives what a training run may meet."""

    def show_cursor(self, show: bool = True) -> bool:
        """Leave the cursor visible: a process that is killed could not give it back."""
        return False

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the caller, where rich would end the program."""
        raise  # rich calls this inside its except block
