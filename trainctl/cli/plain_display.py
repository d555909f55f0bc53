"""Progress for logs and pipes: one line an epoch, of words and numbers alone."""

from __future__ import annotations

from typing import TextIO

from trainctl.cli.display import Display
from trainctl.cli.text import duration, number, printable
from trainctl.cli.wording import end_lines, saved_line, start_line
from trainctl.train.events import CheckpointSaved, EpochEnd, Notice, TrainEnd, TrainStart


class PlainDisplay(Display):
    """Writes lines that a person can read and ``grep`` can find.

    Args:
        stream: where to.
        verbose: name every checkpoint too.

    Example:
        >>> import sys
        >>> display = PlainDisplay(sys.stdout)
        >>> display(EpochEnd(2, 844, 0.41, None, {"accuracy": 0.9}, 0.01, 1.2, 4.5e4, True))
        epoch 2  train_loss 0.4100  accuracy 0.9000  lr 0.01  1.2s
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        super().__init__()
        self._stream = stream
        self._verbose = verbose
        self._epochs = ""

    def start(self, event: TrainStart) -> None:
        """Write what is trained, on what."""
        self._epochs = f"/{event.epochs}"
        self._write(start_line(event))

    def epoch(self, event: EpochEnd) -> None:
        """Write the epoch's figures."""
        figures = {"train_loss": event.train_loss, "val_loss": event.val_loss, **event.metrics}
        parts = [f"{name} {number(value)}" for name, value in figures.items() if value is not None]
        parts += [f"lr {event.lr:g}", duration(event.seconds)]
        self._write("  ".join([f"epoch {event.epoch}{self._epochs}", *parts]))

    def saved(self, event: CheckpointSaved) -> None:
        """Write where the checkpoint is, if that is wanted."""
        if self._verbose:
            self._write(saved_line(event))

    def notice(self, event: Notice) -> None:
        """Write what the user should know."""
        self._write(f"note: {event.message}")

    def end(self, event: TrainEnd) -> None:
        """Write the outcome and what can be done with it."""
        for line in end_lines(event):
            self._write(line)

    def _write(self, line: str) -> None:
        print(printable(line), file=self._stream, flush=True)
