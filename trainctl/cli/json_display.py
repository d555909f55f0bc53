"""Progress for programs: one JSON object a line, one line an epoch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TextIO

from trainctl.cli.display import Display
from trainctl.cli.output import json_line
from trainctl.train.events import CheckpointSaved, Diverged, EarlyStop, EpochEnd, Notice, TrainEnd, TrainStart


class JsonDisplay(Display):
    """Writes the events ``start``, ``epoch``, ``notice``, ``early_stop``, ``diverged`` and ``end``, figures in full precision.

    Args:
        stream: where to.
        verbose: write ``checkpoint`` too, for every checkpoint saved.

    Example:
        >>> import sys
        >>> from pathlib import Path
        >>> JsonDisplay(sys.stdout)(TrainEnd(Path("runs/a"), {"epochs": 1}))
        {"schema_version": 1, "event": "end", "run_dir": "runs/a", "summary": {"epochs": 1}}
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        super().__init__()
        self._stream = stream
        self._verbose = verbose

    def start(self, event: TrainStart) -> None:
        """Write what is trained, on what."""
        self._write("start", event)

    def epoch(self, event: EpochEnd) -> None:
        """Write the epoch's figures."""
        self._write("epoch", event)

    def saved(self, event: CheckpointSaved) -> None:
        """Write where the checkpoint is, if that is wanted."""
        if self._verbose:
            self._write("checkpoint", event)

    def notice(self, event: Notice) -> None:
        """Write what the user should know."""
        self._write("notice", event)

    def stopped(self, event: EarlyStop) -> None:
        """Write why the run ends before its last epoch."""
        self._write("early_stop", event)

    def diverged(self, event: Diverged) -> None:
        """Write what was found out of why the run ends."""
        self._write("diverged", event)

    def end(self, event: TrainEnd) -> None:
        """Write the summary."""
        self._write("end", event)

    def _write(self, kind: str, event: Any) -> None:
        print(json_line(kind, asdict(event)), file=self._stream, flush=True)
