from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainctl.errors import CheckpointError, TrainctlError, UsageError
from trainctl.train.checkpoint import Checkpoint, Progress
from trainctl.train.rundir import RunDirectory, check_available

COLUMNS = ["epoch", "train_loss", "val_loss", "lr"]
ROWS = [
    {"epoch": 1, "train_loss": 0.1 + 0.2, "val_loss": None, "lr": 1e-3},
    {"epoch": 2, "train_loss": 1 / 3, "val_loss": 2.5, "lr": 1e-05},
]


def fill(path: Path) -> Path:
    """A finished run."""
    with RunDirectory.create(path) as run:
        run.write_config("seed: 0\n")
        run.write_metrics(COLUMNS, ROWS)
        run.checkpoints.save(
            Checkpoint("", 1, "numpy", Progress(global_step=3), {"w": np.zeros(2)}, None, {}), best=True
        )
        run.write_summary({"schema_version": 1})
    return path


def tree(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_a_fresh_run_may_go_where_nothing_is(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "a/b/c", "empty"):
        with RunDirectory.create(tmp_path / name) as run:
            run.write_config("x")
        assert (tmp_path / name / "config.resolved.yaml").read_text() == "x"


def test_a_run_killed_as_it_began_is_no_obstacle(tmp_path: Path):
    RunDirectory.create(tmp_path / "run").close()
    (tmp_path / "run" / ".tmp-config.resolved.yaml").write_text("se")
    RunDirectory.create(tmp_path / "run").close()
    assert tree(tmp_path / "run") == [".trainctl.lock"]


def test_a_run_is_not_overwritten(tmp_path: Path):
    path = fill(tmp_path / "run")
    before = tree(path)
    with pytest.raises(UsageError, match="holds a run already") as caught:
        RunDirectory.create(path)
    for word in ("--resume", "--force", "--output-dir"):
        assert word in caught.value.hint
    assert tree(path) == before


def test_force_deletes_the_run_and_nothing_else(tmp_path: Path):
    path = fill(tmp_path / "run")
    (path / "notes.txt").write_text("mine")
    (path / "checkpoints" / "mine.txt").write_text("mine")
    RunDirectory.create(path, force=True).close()
    assert tree(path) == [".trainctl.lock", "checkpoints", "checkpoints/mine.txt", "notes.txt"]


def test_force_follows_no_link_out_of_the_run(tmp_path: Path):
    path = fill(tmp_path / "run")
    for name in ("last", "best"):
        (path / "checkpoints" / name).unlink()
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("")
    (path / "checkpoints" / "last").symlink_to(treasure)
    (path / "checkpoints" / "step-00000009").symlink_to(treasure)
    RunDirectory.create(path, force=True).close()
    assert tree(treasure) == ["gold"]
    assert tree(path) == [".trainctl.lock"]


@pytest.mark.parametrize("files", [["notes.txt"], ["checkpoints/step-00000001/model.bin"], ["summary.json"]])
@pytest.mark.parametrize("force", [False, True])
def test_a_directory_that_is_no_run_is_never_touched(tmp_path: Path, files: list[str], force: bool):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="not empty and is not a run"):
        RunDirectory.create(tmp_path, force=force)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("inside", ["", "run", "a/b"])
def test_a_file_in_the_way_is_named(tmp_path: Path, inside: str):
    file = tmp_path / "file"
    file.write_text("")
    for action in (RunDirectory.create, check_available):
        with pytest.raises(UsageError, match="file: a file, where a run directory was to be"):
            action(file / inside)


@pytest.mark.parametrize("action", ["mkdir", "open"])
def test_what_the_system_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str):
    def refuse(path: object, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, action, refuse)
    with pytest.raises(UsageError, match="cannot write the run: Permission denied"):
        RunDirectory.create(tmp_path / "run")


def test_two_processes_cannot_write_one_run(tmp_path: Path):
    source = (
        "import sys\nfrom trainctl.train.rundir import RunDirectory\n"
        "with RunDirectory.create(sys.argv[1]) as run:\n"
        "    run.write_config('')\n    print('locked', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", source, str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe) as other:
        assert other.stdout
        other.stdout.readline()
        for action in (RunDirectory.open, lambda path: RunDirectory.create(path, force=True)):
            with pytest.raises(UsageError, match="another process is training this run"):
                action(tmp_path / "run")
        assert (tmp_path / "run" / "config.resolved.yaml").exists()
        other.kill()
    RunDirectory.open(tmp_path / "run").close()


def test_a_failed_create_lets_go_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = fill(tmp_path / "run")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(UsageError, match="Permission denied"):
            RunDirectory.create(path, force=True)
    RunDirectory.open(path).close()


def test_only_a_run_can_be_opened(tmp_path: Path):
    fill(tmp_path / "run")
    with RunDirectory.open(tmp_path / "run") as run:
        assert run.read_config() == "seed: 0\n"
        assert run.read_summary() == {"schema_version": 1}
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="no run to resume there"):
            RunDirectory.open(path)


def test_metrics_have_one_row_an_epoch_in_both_files(tmp_path: Path):
    with RunDirectory.create(tmp_path / "whole") as whole, RunDirectory.create(tmp_path / "rows") as rows:
        whole.write_metrics(COLUMNS, ROWS)
        rows.write_metrics(COLUMNS, [])
        for row in ROWS:
            rows.append_metrics(COLUMNS, row)
    for name in ("metrics.jsonl", "metrics.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "rows" / name).read_bytes()
    lines = (tmp_path / "rows" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"schema_version": 1, **row} for row in ROWS]
    with open(tmp_path / "rows" / "metrics.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [list(row) for row in table] == [COLUMNS, COLUMNS]
    assert [float(row["train_loss"]) for row in table] == [row["train_loss"] for row in ROWS]
    assert [row["val_loss"] for row in table] == ["", "2.5"]


def test_a_full_disk_is_told_with_the_way_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with RunDirectory.create(tmp_path / "run") as run:
        run.write_summary({"schema_version": 1})
        monkeypatch.setattr(os, "fsync", full)
        for write in (
            lambda: run.write_config("x"),
            lambda: run.write_metrics(COLUMNS, ROWS),
            lambda: run.write_summary({}),
        ):
            with pytest.raises(
                TrainctlError, match=r"run/\w+[.\w]*: cannot be written: No space left on device"
            ) as caught:
                write()
            assert f"--resume {run.path}" in caught.value.hint
        assert run.read_summary() == {"schema_version": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_summary_that_cannot_be_read_is_none(tmp_path: Path, content: bytes):
    with RunDirectory.create(tmp_path / "run") as run:
        assert run.read_summary() is None
        (run.path / "summary.json").write_bytes(content)
        assert run.read_summary() is None
        run.remove_summary()
        run.remove_summary()
        assert not (run.path / "summary.json").exists()
