"""The consumer of a loop's events that keeps the files of its run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from trainctl.train.checkpoint import Progress
from trainctl.train.events import CheckpointDue, CheckpointSaved, EpochEnd, Event
from trainctl.train.rows import row_of
from trainctl.train.rundir import RunDirectory


class Recorder:
    """Keeps a run's files as the loop goes: its config, a row of metrics an epoch, its checkpoints.

    Args:
        run: the run directory.
        columns: of the metrics files.
    """

    def __init__(self, run: RunDirectory, columns: Sequence[str]) -> None:
        self._run, self._columns = run, columns

    def open(self, config: str, progress: Progress) -> None:
        """Bring the files to where the run stands.

        Args:
            config: the resolved config, YAML text.
            progress: how far the run is.
        """
        self._run.write_config(config)
        self._run.write_metrics(self._columns, progress.history)

    def follow(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the loop's events on; a checkpoint that is due is saved, and what comes out says where."""
        for event in events:
            if isinstance(event, CheckpointDue):
                yield self._save(event)
                continue
            if isinstance(event, EpochEnd):
                self._run.append_metrics(self._columns, row_of(event, self._columns))
            yield event

    def close(self, summary: dict[str, Any]) -> None:
        """Write the summary, by which the run is finished."""
        self._run.write_summary(summary)

    def _save(self, due: CheckpointDue) -> CheckpointSaved:
        path = self._run.checkpoints.save(due.checkpoint, best=due.best)
        return CheckpointSaved(path, due.epoch, due.global_step)
