"""A run with augmentation is the same bits with 0, 1 and 4 workers, stopped and resumed or not; a worker's crash is seen."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.train import tiny
from tests.train.sessions import record, session, stopped_at
from trainctl.config import config_from_yaml
from trainctl.data import MNIST
from trainctl.jobs import run_training
from trainctl.train.events import StepEnd

AUGMENTED = (
    "data.train_transforms=[{RandomCrop: {size: 28, padding: 2}}, {RandomRotation: {degrees: 10}}, RandomErasing]",
    "data.transforms=[{Normalize: {mean: 0.3, std: 0.3}}]",
    "train.epochs=2",
)


@pytest.fixture
def config(tmp_path) -> Path:
    return tiny.write_config(tmp_path)


def weights(config: Path, path: Path, *overrides: str) -> tuple[str, list[float]]:
    losses: list[float] = []
    summary = run_training(
        tiny.load(config, *AUGMENTED, *overrides),
        output_dir=path,
        on_event=lambda event: losses.append(event.loss) if isinstance(event, StepEnd) else None,
    )
    return summary["weights_sha256"], losses


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_workers_gives_the_same_weights(config, tmp_path, threads):
    overrides = [f"threads={threads}"]
    expected = weights(config, tmp_path / "0", *overrides)
    for workers in (1, 4):
        found = weights(config, tmp_path / str(workers), *overrides, f"data.num_workers={workers}")
        assert found == expected
    plain = weights(config, tmp_path / "plain", *overrides, "data.train_transforms=[]")
    assert plain[0] != expected[0]


@pytest.mark.parametrize("step", [2, 5, 8])
def test_a_run_stopped_in_an_epoch_resumes_with_another_number_of_workers(config, tmp_path, step):
    for _ in session(config, tmp_path / "whole", *AUGMENTED):
        pass
    stopped_at(config, tmp_path / "run", step, *AUGMENTED, "data.num_workers=3")
    for _ in session(config, tmp_path / "run", *AUGMENTED):
        pass
    assert record(tmp_path / "run") == record(tmp_path / "whole")


def test_resume_accepts_another_number_of_workers(config, tmp_path):
    weights(config, tmp_path / "run", "train.epochs=1")
    loaded = tiny.load(config, *AUGMENTED, "data.num_workers=2")
    run_training(loaded, resume=tmp_path / "run")
    text = (tmp_path / "run" / "config.resolved.yaml").read_text()
    assert config_from_yaml(text, "").config.data.num_workers == 2


class Unpicklable(Exception):
    def __init__(self, where, handle):
        super().__init__(f"no picture at {where}")
        self.handle = handle


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_a_worker_s_crash_shows_its_own_error_and_the_samples(config, tmp_path, workers, monkeypatch):
    def gather(self, indices):
        if self.train and 13 in indices:
            raise Unpicklable(13, open(config))  # noqa: SIM115 - an exception that holds a file cannot be pickled
        return whole(self, indices)

    whole = MNIST.gather
    monkeypatch.setattr(MNIST, "gather", gather)
    with pytest.raises(Unpicklable, match="no picture at 13") as caught:
        weights(config, tmp_path / "run", f"data.num_workers={workers}", "data.split.val=0")
    caught.value.handle.close()
    notes = "\n".join(caught.value.__notes__)
    assert "while reading samples [" in notes
    assert ("in DataLoader worker" in notes) == (workers > 0)
    assert any(entry.name == "gather" for entry in caught.traceback)


def test_a_signal_ends_workers_too(config, tmp_path):
    done = tiny.train_in_process(
        config, tmp_path / "run", *AUGMENTED, "data.num_workers=4", signal_at=3, signum=signal.SIGTERM
    )
    assert done.returncode == 143, done.stderr
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path / "run") not in listed
