from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.train import tiny
from trainctl.errors import CheckpointError, ConfigError, DataError, Interrupted, UsageError
from trainctl.jobs import run_evaluation, run_training
from trainctl.train.events import Event, Notice, StepEnd, TrainStart
from trainctl.train.resolve import find_checkpoint


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that never stopped, saved every third step."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    run_training(tiny.load(config, "train.checkpoint_every=3"), output_dir=path)
    return path


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "finished", symlinks=True))


def digests(run: Path) -> dict[str, str]:
    """Checksums of all that must not depend on a run's stops."""
    places = {name: run / name for name in ("metrics.jsonl", "metrics.csv", "config.resolved.yaml")}
    for link in ("last", "best"):
        places |= {f"{link}/{kind}": find_checkpoint(run, link) / f"{kind}.safetensors" for kind in ("model", "state")}
    return {name: hashlib.sha256(place.read_bytes()).hexdigest() for name, place in places.items()}


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


# -- kills and signals, in processes of their own -----------------------------------------------------


@pytest.mark.parametrize("step", [1, 4, 5, 6, 8, 10, 14, 15])
def test_a_killed_run_ends_as_one_that_never_stopped(config: Path, whole: Path, tmp_path: Path, step: int):
    options = ("train.checkpoint_every=3",)
    killed = tiny.train_in_process(config, tmp_path / "run", *options, signal_at=step, signum=signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    events: list[Event] = []
    summary = run_training(
        tiny.load(config, *options), output_dir=tmp_path / "run", resume=True, on_event=events.append
    )
    start = next(event for event in events if isinstance(event, TrainStart))
    done = (step - 1) // 5 * 5  # the epochs before
    within = [each for each in (3, 6, 9, 12) if done < each < step and each % 5]  # and the last third step
    assert (start.start_epoch - 1) * 5 + start.start_step - 1 == max([done, *within])
    assert digests(tmp_path / "run") == digests(whole)
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_bytes())
    expected = json.loads((whole / "summary.json").read_bytes())
    for key in expected.keys() - {"seconds", "samples_per_second"}:
        assert summary[key] == expected[key]


def test_a_run_killed_before_its_first_checkpoint_starts_anew_and_says_so(config: Path, tmp_path: Path):
    run = tmp_path / "run"
    assert tiny.train_in_process(config, run, signal_at=4, signum=signal.SIGKILL).returncode == -signal.SIGKILL
    events: list[Event] = []
    run_training(tiny.load(config), output_dir=run, resume=True, on_event=events.append)
    assert isinstance(events[0], Notice)
    assert "starts from the beginning" in events[0].message
    run_training(tiny.load(config), output_dir=tmp_path / "whole")
    assert digests(run) == digests(tmp_path / "whole")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_tells_how_to_resume(config: Path, tmp_path: Path, signum: int, code: int):
    run = tmp_path / "run"
    stopped = tiny.train_in_process(config, run, signal_at=7, signum=signum)
    assert stopped.returncode == code, stopped.stderr
    message, hint = stopped.stdout.splitlines()
    assert message.startswith(f"stopped by {signal.Signals(signum).name} at epoch 2, step 2")
    _, command, hinted_config, flag, hinted_run = hint.split()
    assert (command, flag) == ("train", "--resume")
    run_training(tiny.load(Path(hinted_config)), resume=hinted_run)
    run_training(tiny.load(config), output_dir=tmp_path / "whole")
    assert digests(run) == digests(tmp_path / "whole")


def test_a_signal_in_this_process_comes_out_as_interrupted(config: Path, tmp_path: Path):
    def on_event(event: Event) -> None:
        if isinstance(event, StepEnd) and event.global_step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as caught:
        run_training(tiny.load(config), output_dir=tmp_path / "run", on_event=on_event)
    assert caught.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) == before


# -- where a run goes ---------------------------------------------------------------------------------


def test_a_run_goes_to_runs_by_its_name(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run_training(tiny.load(config, "train.epochs=1"))
    assert sorted(path.name for path in (tmp_path / "runs" / "tiny").iterdir()) == [
        ".trainctl.lock",
        "checkpoints",
        "config.resolved.yaml",
        "metrics.csv",
        "metrics.jsonl",
        "summary.json",
    ]
    summary = run_training(tiny.load(config), resume=True)
    assert summary["epochs"] == 3
    assert run_evaluation()["loss"] == summary["test_loss"]


def test_a_run_is_not_overwritten_but_by_force(config: Path, finished: Path):
    before = tree(finished)
    with pytest.raises(UsageError, match="holds a run already"):
        run_training(tiny.load(config), output_dir=finished)
    assert tree(finished) == before
    summary = run_training(tiny.load(config, "train.epochs=1"), output_dir=finished, force=True)
    assert summary["epochs"] == 1
    assert (finished / "metrics.csv").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (("data.dataset={MNIST: {root: nowhere}}",), DataError),
        (("data.batch_size=81", "data.drop_last=true"), DataError),
        (("model.4.Linear.out_features=9",), ConfigError),
    ],
)
def test_a_run_that_cannot_begin_makes_nothing_and_deletes_nothing(
    config: Path, finished: Path, tmp_path: Path, overrides: tuple[str, ...], error: type[Exception]
):
    before = tree(finished)
    with pytest.raises(error):
        run_training(tiny.load(config, *overrides), output_dir=finished, force=True)
    assert tree(finished) == before
    with pytest.raises(error):
        run_training(tiny.load(config, *overrides), output_dir=tmp_path / "new")
    assert not (tmp_path / "new").exists()


# -- resuming -----------------------------------------------------------------------------------------


def test_a_finished_run_is_told_to_be_finished(config: Path, finished: Path):
    before, events = tree(finished), []
    summary = run_training(
        tiny.load(config, "train.checkpoint_every=3"), output_dir=finished, resume=True, on_event=events.append
    )
    assert summary == json.loads(before["summary.json"])
    assert [type(event).__name__ for event in events] == ["TrainStart", "Notice", "TrainEnd"]
    assert tree(finished) == before


def test_more_epochs_extend_a_run(config: Path, finished: Path, tmp_path: Path):
    loaded = tiny.load(config, "train.checkpoint_every=3", "train.epochs=5")
    summary = run_training(loaded, resume=finished)
    run_training(loaded, output_dir=tmp_path / "at-once")
    assert summary["epochs"] == 5
    assert digests(finished) == digests(tmp_path / "at-once")


@pytest.mark.parametrize("named", ["", "last", "checkpoints/last", "best", "checkpoints/best/model.safetensors"])
def test_a_run_or_a_checkpoint_of_it_can_be_resumed(config: Path, finished: Path, tmp_path: Path, named: str):
    loaded = tiny.load(config, "train.checkpoint_every=3", "train.epochs=4")
    run_training(loaded, resume=finished / named)
    run_training(loaded, output_dir=tmp_path / "at-once")
    assert digests(finished) == digests(tmp_path / "at-once")


def test_a_run_whose_last_checkpoint_is_damaged_goes_on_from_the_best(config: Path, tmp_path: Path):
    options = ("optimizer.Adam.lr=0.3", "train.epochs=5")  # its best epoch is not the last
    run_training(tiny.load(config, *options), output_dir=tmp_path / "run")
    expected = digests(tmp_path / "run")
    last = find_checkpoint(tmp_path / "run", "last")
    assert last != find_checkpoint(tmp_path / "run")
    (last / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged") as caught:
        run_training(tiny.load(config, *options), resume=tmp_path / "run")
    assert "checkpoints/best" in caught.value.hint
    run_training(tiny.load(config, *options), resume=tmp_path / "run" / "best")
    assert digests(tmp_path / "run") == expected


def test_another_config_is_refused_key_by_key(config: Path, finished: Path):
    loaded = tiny.load(config, "optimizer.Adam.lr=0.02", "seed=4", "model=[Flatten, Linear: {out_features: 10}]")
    before = tree(finished)
    with pytest.raises(ConfigError) as caught:
        run_training(loaded, resume=finished)
    text = str(caught.value)
    for expected in (
        "optimizer.Adam.lr is 0.02, and 0.01 in the run",
        "seed is 4, and 3 in the run",
        "train.checkpoint_every is None, and 3 in the run",
        "model.1.Linear.out_features is 10, and 8 in the run",
        "model.2.Dropout.p is missing, and 0.3 in the run",
    ):
        assert expected in text
    assert "train.epochs is" not in text
    assert f"--resume {finished}" in caught.value.hint
    assert tree(finished) == before


def test_other_threads_give_way_to_those_of_the_run(config: Path, tmp_path: Path):
    run = tmp_path / "run"
    stopped = tiny.train_in_process(config, run, "threads=1", signal_at=7, signum=signal.SIGTERM)
    assert stopped.returncode == 143
    events: list[Event] = []
    summary = run_training(tiny.load(config, "threads=2"), resume=run, on_event=events.append)
    assert isinstance(events[0], Notice)
    assert events[0].message.startswith("threads: 1 as the run began with, not 2")
    assert summary["threads"] == 1
    run_training(tiny.load(config, "threads=1"), output_dir=tmp_path / "whole")
    assert digests(run) == digests(tmp_path / "whole")


def test_there_must_be_something_to_resume(config: Path, finished: Path, tmp_path: Path):
    with pytest.raises(CheckpointError, match="no such run"):
        run_training(tiny.load(config), output_dir=tmp_path / "missing", resume=True)
    shutil.copytree(find_checkpoint(finished), tmp_path / "alone" / "one" / "two")
    with pytest.raises(CheckpointError, match="not in a run"):
        run_training(tiny.load(config), resume=tmp_path / "alone" / "one" / "two")
    with pytest.raises(UsageError, match="--resume goes on with a run and --force deletes it"):
        run_training(tiny.load(config), resume=finished, force=True)
    with pytest.raises(UsageError, match="writes to"):
        run_training(tiny.load(config), resume=finished, output_dir=tmp_path / "elsewhere")


# -- evaluation ---------------------------------------------------------------------------------------


def test_an_evaluation_gives_the_figures_of_the_summary(whole: Path):
    summary = json.loads((whole / "summary.json").read_bytes())
    result = run_evaluation(whole)
    assert result["schema_version"] == 1
    assert (result["split"], result["samples"]) == ("test", 30)
    assert result["loss"] == summary["test_loss"]
    assert result["metrics"] == summary["test_metrics"]
    assert result["weights_sha256"] == summary["best_weights_sha256"]
    assert result["checkpoint"] == str(find_checkpoint(whole))
    json.dumps(result, allow_nan=False)


def test_the_last_checkpoint_has_the_last_rows_validation_figures(whole: Path):
    row = json.loads((whole / "metrics.jsonl").read_text().splitlines()[-1])
    result = run_evaluation(whole / "last", split="val")
    assert result["samples"] == 20
    assert result["loss"] == row["val_loss"]
    assert result["metrics"] == {"accuracy": row["accuracy"]}
    assert (result["epochs"], result["global_step"]) == (row["epoch"], row["global_step"])


def test_the_batch_size_changes_no_more_than_the_last_bits(whole: Path):
    results = [run_evaluation(whole, split="train", batch_size=size, threads=1) for size in (1, 80)]
    assert [result["samples"] for result in results] == [80, 80]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[0]["loss"] == pytest.approx(results[1]["loss"], rel=1e-6)


def test_a_split_that_is_not_there_is_an_error(config: Path, tmp_path: Path):
    run_training(tiny.load(config, "data.split.val=0", "train.epochs=1"), output_dir=tmp_path / "run")
    for split in ("val", "tset"):
        with pytest.raises(UsageError, match=f"no {split} split"):
            run_evaluation(tmp_path / "run", split=split)


def test_without_a_run_the_hint_is_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="runs: no run with a checkpoint in it"):
        run_evaluation()
