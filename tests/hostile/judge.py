"""Gives each hostile file to what reads such files, in a process of its own, and tells what came of it.

``python -m tests.hostile.judge FOLDER`` writes one line of JSON a case. An audit hook sees what Python opens, imports
and runs; it cannot be taken off again, hence the processes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trainctl
from tests.hostile import corpus
from tests.train import tiny
from trainctl.config import load_config
from trainctl.data.idx import read_idx
from trainctl.errors import CheckpointError, TrainctlError
from trainctl.jobs import inspect_checkpoint, run_evaluation, run_training, verify_checkpoints
from trainctl.train.resolve import CONFIG

LIMIT = 512 << 20
"""Bytes of address space that a case may take beyond what it began with: what goes past it fails at once."""

_FORBIDDEN = (
    "import",
    "exec",
    "compile",
    "subprocess",
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.fork",
)
_FORBIDDEN += ("socket", "ctypes", "pickle", "marshal", "code.", "builtins.input", "urllib", "os.chmod", "os.chown")
_CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate", "shutil")


def look_into(path: Path) -> None:
    """All that reads a run or a checkpoint without going on with it."""
    broken = [each for each in verify_checkpoints(path)["checkpoints"] if each["damage"]]
    inspect_checkpoint(path)
    run_evaluation(path)
    if broken:
        raise CheckpointError(broken[0]["damage"][0]["message"])


def go_on(path: Path) -> None:
    """Resume a run as the command line does."""
    from trainctl.cli.train import chosen

    file, run = chosen(None, str(path))
    run_training(load_config(file, environ={}), resume=run)


TARGETS: dict[str, Callable[[Path], object]] = {
    "load": trainctl.load,
    "config": lambda path: load_config(path, environ={}),
    "idx": read_idx,
    "checkpoint": look_into,
    "run": look_into,
    "resume": go_on,
}


def prepare(root: Path) -> Path:
    """Train the run that the cases are copies of; use everything once, so that nothing is left to import."""
    config = tiny.write_config(root)
    run = root / "good"
    run_training(tiny.load(config, "train.epochs=2"), output_dir=run)
    run_training(tiny.load(config, "train.epochs=3"), output_dir=run, resume=True)
    corpus.write_secret(root, run)
    trainctl.save({"a": [trainctl.ones(2)]}, root / "a")
    for target, path in {"load": root / "a", "config": config, "run": run, "resume": run}.items():
        TARGETS[target](path)
    read_idx(root / "data" / "t10k-labels-idx1-ubyte")
    for case in corpus.CASES:  # the errors' own imports, one of each target
        if case.name == "pickle":
            outcome(case.target, case.make(folder_of(root, case.target, run)))
    return run


def folder_of(root: Path, target: str, run: Path) -> Path:
    folder = root / "case"
    shutil.rmtree(folder, ignore_errors=True)
    if target in ("run", "resume"):
        shutil.copytree(run, folder / "run", symlinks=True)
        return folder / "run"
    if target == "checkpoint":
        shutil.copytree((run / "checkpoints" / "last").resolve(), folder / "step-00000015")
        return folder / "step-00000015"
    folder.mkdir()
    return folder


def outcome(target: str, path: Path) -> tuple[str, str]:
    """How reading it ended, and in which words."""
    try:
        TARGETS[target](path)
    except TrainctlError as error:
        return "refused", f"{error.message}\n{error.hint}"
    except BaseException as error:
        return type(error).__name__, str(error)
    return "accepted", ""


def watch(allowed: tuple[Path, ...], writes: Path) -> list[str]:
    """Note what is opened outside the allowed folders, changed outside ``writes``, imported or executed."""
    seen: list[str] = []

    def outside(path: Any, folders: tuple[Path, ...], *, follow: bool = True) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False  # a descriptor, of what was opened before
        real = Path(os.path.realpath(os.fsdecode(path)) if follow else os.path.abspath(os.fsdecode(path)))
        if real.match("/proc/*/maps") or real.match("/sys/fs/cgroup/*"):  # where BLAS is, and how much of the machine
            return False
        return not any(real.is_relative_to(folder) for folder in folders)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            changing = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(args[2], int) else 0
            if outside(args[0], (writes,) if changing else allowed):
                seen.append(f"opened {args[0]}")
        elif event.startswith(_FORBIDDEN) or (event.startswith(_CHANGES) and outside(args[0], (writes,), follow=False)):
            seen.append(f"{event} {str(args)[:200]}")

    sys.addaudithook(hook)
    return seen


def judged(target: str, path: Path, root: Path) -> dict[str, Any]:
    """What came of one case; called in a process of its own."""
    data, folder = root / "data", root / "case"
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + LIMIT, size + LIMIT))
    os.chdir(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = watch((folder, data), folder)
    started = time.process_time()
    how, text = outcome(target, path)
    seconds = time.process_time() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"how": how, "text": text[:500], "seconds": seconds, "mib": grown / 1024, "seen": list(seen)}


def in_child(target: str, path: Path, root: Path) -> dict[str, Any]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        result = judged(target, path, root)
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (
        json.loads(text) if text else {"how": f"ended with {status}", "text": "", "seconds": 20, "mib": 0, "seen": []}
    )


def main(folder: str) -> None:
    """Write a line of JSON for each case."""
    root = Path(folder).resolve()
    run = prepare(root)
    cases = [*corpus.CASES, *(corpus.Case(name, "resume", make) for name, make in corpus.harmless(run).items())]
    secret = (root / "secret").read_bytes()
    for case in cases:
        path = case.make(folder_of(root, case.target, run))
        result = in_child(case.target, path, root)
        result["kept"] = (root / "secret").read_bytes() == secret and not list(root.rglob("pwned"))
        print(json.dumps({"target": case.target, "name": case.name, "config": CONFIG, **result}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
