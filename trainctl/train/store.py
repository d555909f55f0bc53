"""The checkpoints of one run: which steps are on disk, and which of them ``last`` and ``best`` name.

A checkpoint is written aside, fsynced and renamed, read back, and only then linked; the steps that no link
names any more go after that. A kill between any two of these leaves links that name whole checkpoints, and
what it left lying about goes at the next save.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from trainctl.errors import CheckpointError, TrainctlError
from trainctl.storage.files import TEMPORARY, fsync_directory, replace_link, write_file
from trainctl.train.checkpoint import Checkpoint, encode, read_checkpoint

LAST, BEST = "last", "best"
_STEP = re.compile(r"step-(\d+)(?:-(\d+))?")


def steps(directory: Path) -> list[Path]:
    """Return the checkpoints in a ``checkpoints`` directory, oldest first, linked or not."""
    found = [(match, entry) for entry in directory.iterdir() if (match := _STEP.fullmatch(entry.name))]
    found.sort(key=lambda pair: (int(pair[0][1]), int(pair[0][2] or 0)))
    return [entry for _, entry in found if entry.is_dir()]


class CheckpointStore:
    """The ``checkpoints`` directory of a run. The caller holds the run's lock.

    Args:
        path: the directory; made at the first save.

    Example:
        >>> CheckpointStore("runs/no-such-run/checkpoints").recover() is None
        True
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def save(self, checkpoint: Checkpoint, *, best: bool = False) -> Path:
        """Write a checkpoint, make it ``last`` (and ``best``), and return its directory.

        Steps that no link names any more are deleted.

        Raises:
            TrainctlError: the system refused (a full disk, say); the previous checkpoints are as they were.
        """
        try:
            self._tidy()
            path = self._write(checkpoint)
            read_checkpoint(path)
            if best:  # first: a kill here is mended by the resumed run, which comes by this step again
                self._link(BEST, path)
            self._link(LAST, path)
            self._prune()
        except OSError as error:
            step = checkpoint.progress.global_step
            raise TrainctlError(
                f"{self.path}: cannot save the checkpoint of step {step}: {error.strerror or error}",
                hint="the checkpoint before it is as it was; make room, then resume the run",
            ) from error
        return path

    def last(self) -> Path | None:
        """Return the checkpoint that the run would go on from, None where there is none yet."""
        return self._linked(LAST)

    def recover(self) -> Path | None:
        """Finish what a killed save began and return the ``last`` checkpoint, None if none was ever saved.

        Raises:
            CheckpointError: the links name nothing, and no step on disk is whole.
        """
        if not self.path.is_dir():
            return None
        self._tidy()
        last = self._linked(LAST) or self._newest_whole_step()
        if last is None:
            return None
        self._link(LAST, last)
        self._prune()
        return last

    # -- steps of a save --------------------------------------------------------------------------

    def _write(self, checkpoint: Checkpoint) -> Path:
        target = self._free_name(checkpoint.progress.global_step)
        temporary = self.path / (TEMPORARY + target.name)
        try:
            temporary.mkdir()
            for name, data in encode(checkpoint).items():
                write_file(temporary / name, data)
            fsync_directory(temporary)
            os.rename(temporary, target)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)  # on a full disk, half a checkpoint is in the way
            raise
        fsync_directory(self.path)
        return target

    def _free_name(self, step: int) -> Path:
        """``step-00000844``, or ``step-00000844-1`` while a link still names another state of that step."""
        path = self.path / f"step-{step:08d}"
        copy = 0
        while path.exists():
            copy += 1
            path = self.path / f"step-{step:08d}-{copy}"
        return path

    def _tidy(self) -> None:
        """Make the directory, drop unfinished writes, and turn a copied link back into a link.

        ``cp -rL`` and some archivers copy what a link names: then ``last`` is a directory of its own.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for entry in self.path.iterdir():
            if entry.name.startswith(TEMPORARY):
                _remove(entry)
        for name in (LAST, BEST):
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                target = self._free_name(read_checkpoint(path).progress.global_step)
                os.rename(path, target)
                self._link(name, target)

    def _link(self, name: str, target: Path) -> None:
        if self._linked(name) != target:
            replace_link(self.path / name, target.name)

    def _linked(self, name: str) -> Path | None:
        """The checkpoint that a link names, None where there is no link or nothing at its end."""
        path = self.path / name
        return self.path / os.readlink(path) if path.is_symlink() and path.is_dir() else None

    def _prune(self) -> None:
        named = {entry.resolve() for entry in self.path.iterdir() if entry.is_symlink()}
        for step in steps(self.path):
            if step.resolve() not in named:
                aside = self.path / (TEMPORARY + step.name)
                os.rename(step, aside)  # it leaves whole, should the removal be cut short
                _remove(aside)

    # -- recovery ---------------------------------------------------------------------------------

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


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
