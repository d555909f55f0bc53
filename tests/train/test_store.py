from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import trainctl.train.store
from trainctl.errors import CheckpointError, TrainctlError
from trainctl.train.checkpoint import MODEL, Best, Checkpoint, Progress, read_checkpoint
from trainctl.train.layout import steps
from trainctl.train.resolve import find_checkpoint
from trainctl.train.store import CheckpointStore


def checkpoint_of(step: int, best: int | None = None) -> Checkpoint:
    """A checkpoint whose every part tells its step."""
    history = [{"epoch": 1, "global_step": 0, "train_loss": 0.5}]
    progress = Progress(epoch=2, global_step=step, best=best and Best(0.5, 1, best), history=history)
    weights = {"w": np.full((8, 8), step, np.float32)}
    return Checkpoint(
        f"name: step-{step}", 1, "numpy", progress, weights, {"rng": {"$tensor": "rng"}}, {"rng": np.arange(step)}
    )


def step_of(path: Path) -> int:
    """The step of a checkpoint, every part of it asked."""
    checkpoint = read_checkpoint(path)
    step = checkpoint.progress.global_step
    assert checkpoint.config == f"name: step-{step}"
    assert (checkpoint.model["w"] == step).all()
    assert len(checkpoint.arrays["rng"]) == step
    return step


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "run" / "checkpoints")


def test_links_are_relative_and_steps_without_one_go(store: CheckpointStore):
    store.save(checkpoint_of(1), best=True)
    store.save(checkpoint_of(2))
    path = store.save(checkpoint_of(844))
    assert path == store.path / "step-00000844"
    assert names(store.path) == ["best", "last", "step-00000001", "step-00000844"]
    assert os.readlink(store.path / "last") == "step-00000844"
    assert os.readlink(store.path / "best") == "step-00000001"
    store.save(checkpoint_of(900), best=True)
    assert names(store.path) == ["best", "last", "step-00000900"]


def test_a_copied_run_is_a_run(store: CheckpointStore, tmp_path: Path):
    store.save(checkpoint_of(3), best=True)
    shutil.copytree(tmp_path / "run", tmp_path / "moved", symlinks=True)
    shutil.rmtree(tmp_path / "run")
    assert step_of(find_checkpoint(tmp_path / "moved")) == 3


def test_a_link_of_the_user_keeps_a_step(store: CheckpointStore):
    store.save(checkpoint_of(1))
    (store.path / "before-the-bug").symlink_to("step-00000001")
    store.save(checkpoint_of(2))
    assert step_of(store.path / "before-the-bug") == 1


def test_files_of_the_user_stay(store: CheckpointStore):
    store.save(checkpoint_of(1))
    (store.path / "notes.txt").write_text("hello")
    (store.path / "steps").mkdir()
    store.save(checkpoint_of(2))
    assert names(store.path) == ["last", "notes.txt", "step-00000002", "steps"]


def test_the_same_step_can_be_saved_again(store: CheckpointStore):
    """A run stopped in the validation after step 5 saves step 5 twice."""
    store.save(checkpoint_of(5))
    assert store.save(checkpoint_of(5, best=5), best=True) == store.path / "step-00000005-1"
    assert names(store.path) == ["best", "last", "step-00000005-1"]
    assert step_of(store.path / "last") == 5
    assert store.save(checkpoint_of(5)) == store.path / "step-00000005"
    assert [step.name for step in steps(store.path)] == ["step-00000005", "step-00000005-1"]


@pytest.mark.parametrize("copied", [("last",), ("best",), ("last", "best")])
def test_links_that_a_copy_followed_still_work(store: CheckpointStore, tmp_path: Path, copied: tuple[str, ...]):
    store.save(checkpoint_of(1), best=True)
    store.save(checkpoint_of(2))
    for name in copied:
        directory = store.path / os.readlink(store.path / name)
        (store.path / name).unlink()
        shutil.copytree(directory, store.path / name)
    run = store.path.parent
    assert step_of(find_checkpoint(run, "last")) == 2
    assert step_of(find_checkpoint(run, "best")) == 1
    store.save(checkpoint_of(3))
    assert names(store.path) == ["best", "last", *sorted({os.readlink(store.path / "best"), "step-00000003"})]
    assert step_of(find_checkpoint(run, "last")) == 3
    assert step_of(find_checkpoint(run, "best")) == 1


def test_a_copy_of_the_whole_directory_recovers(store: CheckpointStore, tmp_path: Path):
    store.save(checkpoint_of(1), best=True)
    store.save(checkpoint_of(2))
    copy = CheckpointStore(tmp_path / "copy" / "checkpoints")
    shutil.copytree(store.path, copy.path)  # follows links
    assert step_of(copy.recover()) == 2
    assert (copy.path / "last").is_symlink()
    assert step_of(copy.path / "best") == 1


def test_recovery_finds_the_newest_whole_step(store: CheckpointStore):
    store.save(checkpoint_of(1), best=True)
    store.save(checkpoint_of(2))
    (store.path / "last").unlink()
    assert store.recover() == store.path / "step-00000002"
    assert os.readlink(store.path / "last") == "step-00000002"
    (store.path / "last").unlink()
    (store.path / "step-00000002" / MODEL).write_bytes(b"")
    assert store.recover() == store.path / "step-00000001"


def test_recovery_without_a_whole_step_says_what_is_wrong(store: CheckpointStore):
    store.save(checkpoint_of(1))
    (store.path / "last").unlink()
    (store.path / "step-00000001" / MODEL).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged"):
        store.recover()


def test_recovery_of_nothing_is_nothing(store: CheckpointStore):
    assert store.recover() is None
    store.path.mkdir(parents=True)
    (store.path / ".tmp-step-00000001").mkdir()
    assert store.recover() is None
    assert names(store.path) == []


# -- failures and kills -------------------------------------------------------------------------------

OPERATIONS = ("fsync", "rename", "replace", "symlink", "unlink", "rmdir", "mkdir")


@contextmanager
def before_operation(number: int, act: Callable[[], object]) -> Iterator[list[str]]:
    """Call ``act`` before the ``number``-th change to the file system; the list counts them."""
    done: list[str] = []

    def wrap(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def operation(*args: object, **kwargs: object) -> object:
            if len(done) == number:
                act()
            done.append(name)
            return None if name == "fsync" else real(*args, **kwargs)  # a kill does not lose what is cached

        return operation

    with pytest.MonkeyPatch.context() as patch:
        for name in OPERATIONS:
            patch.setattr(os, name, wrap(name))
        yield done


def count_operations(save: Callable[[], object]) -> int:
    with before_operation(-1, lambda: None) as done:
        save()
    return len(done)


def killed(save: Callable[[], object], number: int) -> None:
    """Run ``save`` in a process of its own that is killed before its ``number``-th operation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork: the child runs no other thread's code
        warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)  # JAX's, where a test before has imported it
        child = os.fork()
    if child == 0:
        try:
            with before_operation(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                save()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("copied", [False, True], ids=["links", "copied-links"])
def test_a_kill_at_any_operation_leaves_a_run_that_loads_and_goes_on(tmp_path: Path, best: bool, copied: bool):
    def fresh(name: str) -> CheckpointStore:
        store = CheckpointStore(tmp_path / name / "run" / "checkpoints")
        store.save(checkpoint_of(1), best=True)
        store.save(checkpoint_of(2))
        if copied:
            shutil.copytree(store.path, tmp_path / name / "copy" / "checkpoints")
            store = CheckpointStore(tmp_path / name / "copy" / "checkpoints")
        return store

    store = fresh("counted")
    operations = count_operations(lambda: store.save(checkpoint_of(3), best=best))
    assert operations > 12
    for number in range(operations):
        store = fresh(str(number))
        run = store.path.parent
        killed(lambda store=store: store.save(checkpoint_of(3), best=best), number)
        assert step_of(find_checkpoint(run, "last")) in (2, 3)
        # Between a copied `best` and the link in its place there is a moment without either: last stands in.
        assert step_of(find_checkpoint(run, "best")) in ((1, 2, 3) if copied else (1, 3) if best else (1,))
        last = store.recover()
        assert step_of(last) in (2, 3)
        assert not [name for name in names(store.path) if name.startswith(".tmp")]
        store.save(checkpoint_of(3), best=best)
        store.save(checkpoint_of(4))
        assert step_of(find_checkpoint(run, "last")) == 4
        assert step_of(find_checkpoint(run, "best")) in ((1, 2, 3, 4) if copied else (3,) if best else (1,))
        assert len(steps(store.path)) <= 2


def test_a_kill_in_the_first_save_leaves_a_run_that_starts(tmp_path: Path):
    counted = CheckpointStore(tmp_path / "counted" / "checkpoints")
    for number in range(count_operations(lambda: counted.save(checkpoint_of(1), best=True))):
        store = CheckpointStore(tmp_path / str(number) / "checkpoints")
        killed(lambda store=store: store.save(checkpoint_of(1), best=True), number)
        last = store.recover()
        assert last is None or step_of(last) == 1
        store.save(checkpoint_of(2))
        assert step_of(store.path / "last") == 2


def test_a_failure_of_any_operation_is_told_and_leaves_the_run_as_it_was(tmp_path: Path):
    def fail() -> None:
        raise OSError(28, "No space left on device")

    def fresh(name: str) -> CheckpointStore:
        store = CheckpointStore(tmp_path / name / "checkpoints")
        store.save(checkpoint_of(1), best=True)
        store.save(checkpoint_of(2))
        return store

    counted = fresh("counted")
    for number in range(count_operations(lambda: counted.save(checkpoint_of(3), best=True))):
        store = fresh(str(number))
        with (
            before_operation(number, fail),
            pytest.raises(TrainctlError, match="cannot save the checkpoint of step 3: No space left") as caught,
        ):
            store.save(checkpoint_of(3), best=True)
        assert caught.value.exit_code == 1
        assert step_of(store.path / "last") in (2, 3)
        assert step_of(store.path / "best") in (1, 3)
        store.save(checkpoint_of(4), best=True)
        assert names(store.path) == ["best", "last", "step-00000004"]


def test_a_checkpoint_that_does_not_read_back_replaces_nothing(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch):
    store.save(checkpoint_of(1), best=True)
    real = trainctl.train.store.write_file

    def write_another(path: Path, *parts: bytes) -> None:
        real(path, *([b"a disk that lies"] if path.name == MODEL else parts))

    monkeypatch.setattr(trainctl.train.store, "write_file", write_another)
    with pytest.raises(CheckpointError, match="damaged"):
        store.save(checkpoint_of(2), best=True)
    assert names(store.path) == ["best", "last", "step-00000001"]
    assert step_of(store.path / "last") == step_of(store.path / "best") == 1


SAVE_FOREVER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("test_store", sys.argv[1])
module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
store = module.CheckpointStore(sys.argv[2])
store.recover()
print("ready", flush=True)
for step in range(1, 10**6):
    store.save(module.checkpoint_of(step), best=step % 3 == 0)
"""


def test_kills_at_random_moments_leave_a_run_that_loads(tmp_path: Path):
    draw = random.Random(0)
    directory = tmp_path / "run" / "checkpoints"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for _ in range(5):
        command = [sys.executable, "-c", SAVE_FOREVER, __file__, str(directory)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(0.02 + 0.1 * draw.random())
            process.kill()
        if directory.is_dir() and steps(directory):
            step_of(find_checkpoint(directory.parent, "last"))
            step_of(find_checkpoint(directory.parent, "best"))
    assert step_of(CheckpointStore(directory).recover()) > 0
