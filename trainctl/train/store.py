"""The checkpoints of one run: which steps are on disk, and which of them ``last`` and ``best`` name.

A checkpoint is written aside, fsynced, read back, renamed, and only then linked; the steps that nothing keeps any
more go after that. A kill between any two of these leaves links that name whole checkpoints, and what it left lying
about goes at the next save.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from trainctl.errors import CheckpointError, TrainctlError
from trainctl.storage.files import (
    TEMPORARY,
    fsync_directory,
    is_directory,
    listing,
    make_directory,
    new_directory,
    read_link,
    remove,
    remove_temporaries,
    rename,
    replace_link,
    write_file,
)
from trainctl.train.checkpoint import Checkpoint, Progress, check_written, encode, read_checkpoint, read_progress
from trainctl.train.commands import resume_command
from trainctl.train.layout import BEST, LAST, linked, step_of, steps
from trainctl.train.retention import Keep


class CheckpointStore:
    """The ``checkpoints`` directory of a run. The caller holds the run's lock.

    Args:
        path: the directory; made at the first save.

    Attributes:
        keep: which checkpoints stay beside those that a link names.

    Example:
        >>> CheckpointStore("runs/no-such-run/checkpoints").recover() is None
        True
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.keep = Keep()

    def save(self, checkpoint: Checkpoint, *, best: bool = False) -> Path:
        """Write a checkpoint, make it ``last`` (and ``best``), and return its directory.

        Steps that nothing keeps any more are deleted.

        Raises:
            TrainctlError: the system refused (a full disk, say), or gave back other bytes than were written; the
                checkpoints before are as they were.
        """
        try:
            self._tidy()
            path = self._write(checkpoint)
            if best:  # first: a kill here is mended by the resumed run, which comes by this step again
                self._link(BEST, path)
            self._link(LAST, path)
            self._prune(checkpoint.progress)
        except (OSError, MemoryError) as error:
            step = checkpoint.progress.global_step
            raise TrainctlError(
                f"{self.path}: cannot save the checkpoint of step {step}: {_reason(error)}",
                hint=f"the checkpoint before it is as it was; once there is room, {resume_command(self.path.parent)}",
            ) from error
        return path

    def prune(self, progress: Progress) -> None:
        """Delete the steps that nothing keeps any more: a kill may have come between a save's link and that.

        Raises:
            TrainctlError: the system refused.
        """
        try:
            self._prune(progress)
        except (OSError, MemoryError) as error:
            raise TrainctlError(
                f"{self.path}: cannot be tidied: {_reason(error)}",
                hint=f"nothing is lost; once the directory can be written, {resume_command(self.path.parent)}",
            ) from error

    def last(self) -> Path | None:
        """Return the checkpoint that the run would go on from, None where there is none yet."""
        return linked(self.path / LAST)

    def recover(self) -> Path | None:
        """Finish what a killed save began and return the ``last`` checkpoint, None if none was ever saved.

        Raises:
            CheckpointError: the links name nothing, and no step on disk is whole.
            TrainctlError: the system refused.
        """
        if not self.path.is_dir():
            return None
        try:
            self._tidy()
            last = linked(self.path / LAST) or self._newest_whole_step()
            if last is not None:
                self._link(LAST, last)
                self._find_best(last)
        except (OSError, MemoryError) as error:
            raise TrainctlError(
                f"{self.path}: cannot be made ready to go on: {_reason(error)}",
                hint=f"nothing is lost; once the directory can be written, {resume_command(self.path.parent)}",
            ) from error
        return last

    # -- steps of a save --------------------------------------------------------------------------

    def _write(self, checkpoint: Checkpoint) -> Path:
        target = self._free_name(checkpoint.progress.global_step)
        temporary = self.path / (TEMPORARY + target.name)
        try:
            new_directory(temporary)
            for name, parts in encode(checkpoint).items():
                write_file(temporary / name, *parts)
            fsync_directory(temporary)
            check_written(temporary)
            rename(temporary, target)
        except (OSError, MemoryError, CheckpointError):
            with suppress(OSError, MemoryError):
                remove(temporary)  # on a full disk, half a checkpoint is in the way
            raise
        fsync_directory(self.path)
        return target

    def _free_name(self, step: int) -> Path:
        """``step-00000844``, or ``step-00000844-1`` while a link still names another state of that step."""
        path = self.path / f"step-{step:08d}"
        copy = 0
        while os.path.lexists(path):
            copy += 1
            path = self.path / f"step-{step:08d}-{copy}"
        return path

    def _tidy(self) -> None:
        """Make the directory, drop unfinished writes, and turn a copied link back into a link.

        ``cp -rL`` and some archivers copy what a link names: then ``last`` is a directory of its own.
        """
        if self.path.is_symlink():
            raise CheckpointError(
                f"{self.path}: a symbolic link; what it leads to is not the run's to change",
                hint="move the directory here, or make the whole run directory a link",
            )
        make_directory(self.path)
        remove_temporaries(self.path)
        for name in (LAST, BEST):
            path = self.path / name
            if is_directory(path):
                target = self._free_name(read_progress(path).global_step)
                rename(path, target)
                self._link(name, target)

    def _link(self, name: str, target: Path) -> None:
        if linked(self.path / name) != target:
            replace_link(self.path / name, target.name)

    def _prune(self, progress: Progress) -> None:
        """Delete the steps that neither a link, a user's own included, nor ``keep`` wants."""
        found = steps(self.path)
        named = [read_link(entry) for entry in listing(self.path) if entry.is_symlink() or entry.name in (LAST, BEST)]
        wanted = {Path(name).name for name in named if name}
        at = {step_of(step): step for step in found}  # of two copies of a step the later
        have = {step_of(step) for step in found if step.name in wanted}
        wanted |= {at[number].name for number in self.keep.steps(progress) - have if number in at}
        for step in found:
            if step.name not in wanted:
                aside = self.path / (TEMPORARY + step.name)
                rename(step, aside)  # it leaves whole, should the removal be cut short
                remove(aside)

    # -- recovery ---------------------------------------------------------------------------------

    def _find_best(self, last: Path) -> None:
        """Link the best checkpoint where a copy or a kill has lost its link: the last one remembers which it is."""
        if linked(self.path / BEST) is None:
            best = read_progress(last).best
            found = [step for step in steps(self.path) if best and step_of(step) == best.global_step]
            if found:
                self._link(BEST, found[-1])

    def _newest_whole_step(self) -> Path | None:
        first_error = None
        for step in reversed(steps(self.path)):
            try:
                read_checkpoint(step)
            except CheckpointError as error:
                first_error = first_error or error
            else:
                return step
        if first_error:
            raise first_error
        return None


def _reason(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory: {error}".removesuffix(": ")
    return error.strerror or str(error)
