"""What a person sees while a network trains: events in, progress on stderr out.

A display is called with every event. Steps come at thousands a second, so :meth:`Display.step` only
counts and draws no more than a few times a second.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from trainctl.train.events import (
    CheckpointSaved,
    Diverged,
    EarlyStop,
    EpochEnd,
    Event,
    Notice,
    StepEnd,
    TrainEnd,
    TrainStart,
)

if TYPE_CHECKING:
    from trainctl.cli.options import LogFormat


class Display:
    """Shows nothing; what ``--quiet`` asks for, and the base of the displays that do.

    Example:
        >>> with Display() as display:
        ...     display(StepEnd(epoch=1, step=1, global_step=1, loss=0.7, lr=0.1, samples=64))
    """

    def __init__(self) -> None:
        self._lost = False

    def __enter__(self) -> Display:
        """Start showing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back as it was."""

    def __call__(self, event: Event) -> None:
        """Show an event. Where nobody reads any more, a closed pipe say, the training goes on unseen."""
        if self._lost:
            return
        try:
            self._show(event)
        except OSError:
            self._lost = True

    def _show(self, event: Event) -> None:
        match event:
            case StepEnd():
                self.step(event)
            case EpochEnd():
                self.epoch(event)
            case CheckpointSaved():
                self.saved(event)
            case TrainStart():
                self.start(event)
            case Notice():
                self.notice(event)
            case Diverged():
                self.diverged(event)
            case EarlyStop():
                self.stopped(event)
            case TrainEnd():
                self.end(event)

    def start(self, event: TrainStart) -> None:
        """Training begins."""

    def step(self, event: StepEnd) -> None:
        """One optimizer step; called thousands of times a second."""

    def epoch(self, event: EpochEnd) -> None:
        """An epoch is over."""

    def saved(self, event: CheckpointSaved) -> None:
        """A checkpoint is on disk."""

    def notice(self, event: Notice) -> None:
        """Something the user should know."""

    def stopped(self, event: EarlyStop) -> None:
        """The run ends before its last epoch."""
        self.notice(Notice(f"stopped early, after epoch {event.epoch}: {event.reason}"))

    def diverged(self, event: Diverged) -> None:
        """The run ends with an error, which says it all to a person."""

    def end(self, event: TrainEnd) -> None:
        """Training is over."""


def make_display(
    log_format: LogFormat = "auto", *, quiet: bool = False, verbose: bool = False, no_color: bool = False
) -> Display:
    """The display that a command line asks for, on stderr.

    Args:
        log_format: ``auto`` is rich on a terminal that can move its cursor, and plain elsewhere.
        quiet: show nothing.
        verbose: name every checkpoint that is saved.
        no_color: no colour, as with ``NO_COLOR`` in the environment.

    Example:
        >>> type(make_display("json")).__name__
        'JsonDisplay'
    """
    if quiet:
        return Display()
    if log_format == "auto":
        log_format = "rich" if _is_interactive(sys.stderr) else "plain"
    if log_format == "rich":
        from trainctl.cli.rich_display import RichDisplay

        color = not (no_color or os.environ.get("NO_COLOR"))
        return RichDisplay(sys.stderr, color=color, verbose=verbose)
    if log_format == "json":
        from trainctl.cli.json_display import JsonDisplay

        return JsonDisplay(sys.stderr, verbose=verbose)
    from trainctl.cli.plain_display import PlainDisplay

    return PlainDisplay(sys.stderr, verbose=verbose)


def _is_interactive(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
