from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.cli.command import TRAINCTL, environment, trainctl
from trainctl.cli.main import main
from trainctl.cli.train import with_resume_value

QUICK = ("tiny.yaml", "train.epochs=2", "-q")


def weights(run: str) -> dict[str, bytes]:
    tensors = load_file(Path(run) / "checkpoints" / "last" / "model.safetensors")
    return {name: tensor.tobytes() for name, tensor in tensors.items()}


# -- --resume [RUN] -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "parsed"),
    [
        ("a.yaml", "a.yaml"),
        ("a.yaml --resume", "a.yaml --resume="),
        ("--resume a.yaml", "--resume= a.yaml"),
        ("--resume A.YML", "--resume= A.YML"),
        ("--resume runs/a", "--resume=runs/a"),
        ("--resume runs/a b.yaml", "--resume=runs/a b.yaml"),
        ("--resume folder.yaml", "--resume=folder.yaml"),
        ("a.yaml --resume -q", "a.yaml --resume= -q"),
        ("a.yaml --resume train.epochs=3", "a.yaml --resume= train.epochs=3"),
        ("a.yaml --resume runs/lr=0.1", "a.yaml --resume=runs/lr=0.1"),
        ("a.yaml --resume=lr=0.1", "a.yaml --resume=lr=0.1"),
        ("a.yaml --resume runs/a runs/b", "a.yaml --resume=runs/a runs/b"),
        ("a.yaml --resume -- --resume x", "a.yaml --resume= -- --resume x"),
        ("--resume --resume runs/a", "--resume= --resume=runs/a"),
        ("", ""),
    ],
)
def test_resume_takes_a_run_if_one_follows(words, parsed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder.yaml").mkdir()
    assert with_resume_value(words.split()) == parsed.split()


@pytest.mark.parametrize(
    "words",
    [
        ("tiny.yaml", "--resume"),
        ("--resume", "tiny.yaml", "--epochs", "2"),
        ("tiny.yaml", "--resume", "runs/tiny"),
        ("tiny.yaml", "--output-dir", "runs/tiny", "--resume"),
        ("--resume", "runs/tiny"),
        ("--resume", "runs/tiny/checkpoints/last"),
        ("--resume",),
        ("--resume", "train.epochs=2"),
        ("runs/tiny/config.resolved.yaml", "--resume", "runs/tiny"),
    ],
    ids=" ".join,
)
def test_every_way_to_resume_goes_on_with_the_run(words, workspace):
    assert main(["train", "tiny.yaml", "train.epochs=2", "-q", "-o", "runs/whole"]) == 0
    assert main(["train", "tiny.yaml", "train.epochs=1", "-q"]) == 0
    assert main(["train", *words, "--epochs", "2", "-q"]) == 0
    assert weights("runs/tiny") == weights("runs/whole")


def test_resuming_without_a_run_is_a_clear_error(workspace, capfd):
    assert main(["train", "--resume"]) == 4
    assert main(["train", "--resume", "runs/tinny"]) == 4
    assert main(["train", "tiny.yaml", "--resume"]) == 4
    err = capfd.readouterr().err
    assert err.count("error: ") == 3
    assert "runs/tinny: no such run or checkpoint" in err
    assert not Path("runs").exists()


# -- what it writes, and where ------------------------------------------------------------------------


def test_a_pipe_gets_a_line_an_epoch_and_stdout_nothing(workspace):
    run = trainctl("train", "tiny.yaml")
    assert (run.returncode, run.stdout) == (0, b"")
    text = run.stderr.decode()
    assert text.replace("\n", "").isprintable()
    assert re.findall(r"^epoch (\d)/3  train_loss \d\.\d{4}  val_loss \d\.\d{4}  accuracy \d", text, re.M) == [
        "1",
        "2",
        "3",
    ]
    assert text.endswith("next: trainctl eval runs/tiny\n")


@pytest.mark.parametrize("log_format", ["auto", "rich", "plain", "json"])
def test_no_format_sends_control_characters_into_a_pipe(log_format, workspace):
    run = trainctl("train", "tiny.yaml", "train.epochs=1", "--log-format", log_format, "-v")
    assert (run.returncode, run.stdout) == (0, b"")
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", run.stderr)
    assert run.stderr


def test_the_json_format_is_json_line_by_line(workspace, capfd):
    assert main(["train", "tiny.yaml", "--log-format", "json"]) == 0
    out, err = capfd.readouterr()
    events = [json.loads(line) for line in err.splitlines()]
    assert out == ""
    assert [each["event"] for each in events] == ["start", "epoch", "epoch", "epoch", "end"]
    assert events[-1]["summary"] == json.loads(Path("runs/tiny/summary.json").read_text())


def test_json_on_stdout_is_the_summary_alone(workspace, capfd):
    assert main(["train", "tiny.yaml", "--json", "-"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == json.loads(Path("runs/tiny/summary.json").read_text())
    assert "epoch 3/3" in err


def test_json_in_a_file_and_quiet_leave_both_streams_empty(workspace, capfd):
    assert main(["train", *QUICK, "--json", "out/result.json"]) == 0
    assert capfd.readouterr() == ("", "")
    assert json.loads(Path("out/result.json").read_text())["epochs"] == 2


def test_the_run_directory_is_runs_name_or_what_is_asked_for(workspace):
    assert main(["train", *QUICK, "name=other"]) == 0
    assert main(["train", *QUICK, "-o", "somewhere/else"]) == 0
    for run in ("runs/other", "somewhere/else"):
        assert Path(run, "summary.json").is_file()


def test_flags_win_over_set_and_set_over_the_file(workspace):
    words = ["-s", "train.epochs=3", "--epochs", "1", "--seed", "9", "data.batch_size=40"]
    assert main(["train", "tiny.yaml", "-q", *words]) == 0
    summary = json.loads(Path("runs/tiny/summary.json").read_text())
    assert (summary["epochs"], summary["seed"], summary["steps"]) == (1, 9, 2)


@pytest.mark.parametrize("words", [["-s", "seed=6"], ["-sseed=6"], ["--set=seed=6"], ["seed=1", "--set", "seed=6"]])
def test_every_way_to_set_a_value(words, workspace):
    assert main(["train", *QUICK, *words]) == 0
    assert json.loads(Path("runs/tiny/summary.json").read_text())["seed"] == 6


def test_a_run_is_not_overwritten_unless_forced(workspace, capfd):
    assert main(["train", *QUICK]) == 0
    before = Path("runs/tiny/summary.json").read_bytes()
    assert main(["train", *QUICK]) == 2
    assert "--force" in capfd.readouterr().err
    assert Path("runs/tiny/summary.json").read_bytes() == before
    assert main(["train", *QUICK, "--force", "--seed", "5"]) == 0
    assert json.loads(Path("runs/tiny/summary.json").read_text())["seed"] == 5


def test_verbose_names_every_checkpoint(workspace, capfd):
    assert main(["train", "tiny.yaml", "train.epochs=1", "train.checkpoint_every=2", "-v"]) == 0
    saved = re.findall(r"^saved runs/tiny/checkpoints/step-0*(\d+) ", capfd.readouterr().err, re.MULTILINE)
    assert saved == ["2", "4", "5"]


# -- --dry-run ----------------------------------------------------------------------------------------


def test_a_dry_run_takes_a_step_and_writes_nothing(workspace, capfd):
    before = sorted(workspace.rglob("*"))
    assert main(["train", "tiny.yaml", "--dry-run"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"tiny: 6,370 parameters on cpu .*\n"
        r"note: dry run: the first step's loss is \d\.\d{4}; nothing was written to runs/tiny\n",
        err,
    )
    assert sorted(workspace.rglob("*")) == before


@pytest.mark.parametrize(
    ("spoil", "words", "code"),
    [
        (lambda: None, ["-o", "data"], 2),
        (lambda: Path("data/train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01"), [], 4),
        (lambda: None, ["train.monitor=recall"], 2),
        (lambda: None, ["optimizer.Adam.lr=1e38"], 0),
    ],
    ids=["taken", "data", "monitor", "first step is fine"],
)
def test_a_dry_run_finds_what_training_would(spoil, words, code, workspace, capfd):
    spoil()
    assert main(["train", "tiny.yaml", "--dry-run", *words]) == code
    assert not Path("runs").exists()


# -- bad input ----------------------------------------------------------------------------------------


def cut(name: str) -> None:
    data = Path("data", name).read_bytes()
    Path("data", name).write_bytes(data[: len(data) // 2])


def swap() -> None:
    os.rename("data/train-labels-idx1-ubyte", "data/x")
    os.rename("data/train-images-idx3-ubyte", "data/train-labels-idx1-ubyte")
    os.rename("data/x", "data/train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("spoil", "words", "code", "shown"),
    [
        (None, ["tinny.yaml"], 2, "tinny.yaml: no such file"),
        (None, ["data"], 2, "a directory"),
        (None, ["tiny.yaml", "trian.epochs=1"], 2, "did you mean 'train'"),
        (None, ["tiny.yaml", "optimizer.Adam.lrr=1"], 2, "did you mean 'lr'"),
        (None, ["tiny.yaml", "model.3=RelU"], 2, "did you mean 'ReLU'"),
        (None, ["tiny.yaml", "train.epochs=many"], 2, "expected"),
        (None, ["tiny.yaml", "--epochs", "0"], 2, "--epochs"),
        (None, ["tiny.yaml", "--device", "gpu"], 2, "--device"),
        (None, ["tiny.yaml", "--threads", "none"], 2, "--threads"),
        (None, ["tiny.yaml", "model.4.Linear.in_features=5"], 2, "model.4"),
        (None, ["tiny.yaml", "-o", "data"], 2, "data"),
        (None, ["tiny.yaml", "-o", "tiny.yaml/run"], 2, "tiny.yaml"),
        (None, ["tiny.yaml", "data.dataset.MNIST.root=nowhere"], 4, "nowhere"),
        (lambda: cut("train-images-idx3-ubyte"), ["tiny.yaml"], 4, "train-images-idx3-ubyte"),
        (lambda: cut("t10k-labels-idx1-ubyte"), ["tiny.yaml"], 4, "t10k-labels-idx1-ubyte"),
        (swap, ["tiny.yaml"], 4, "-ubyte"),
        (None, ["tiny.yaml", "optimizer={SGD: {lr: 1e30}}"], 5, "diverged"),
    ],
)
def test_bad_input_is_explained_in_a_few_lines(spoil, words, code, shown, workspace, capfd):
    if spoil:
        spoil()
    assert main(["train", *words]) == code
    out, err = capfd.readouterr()
    message = err[err.index("error: ") :]
    assert out == ""
    assert shown in message
    assert "Traceback" not in err
    assert "internal" not in err
    assert message.count("\n") <= 6


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_write_protected_place_is_explained(workspace, capfd):
    Path("locked").mkdir(mode=0o500)
    assert main(["train", "tiny.yaml", "-o", "locked/run"]) == 2
    assert "locked/run" in capfd.readouterr().err


def test_debug_shows_the_traceback_of_a_user_s_mistake(workspace, capfd):
    assert main(["train", "tinny.yaml", "--debug"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("Traceback")
    assert "error: tinny.yaml: no such file" in err


# -- signals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_prints_the_command_that_goes_on(signum, code, workspace):
    command = [*TRAINCTL, "train", "tiny.yaml", "train.epochs=100000"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while not process.stderr.readline().startswith("epoch 2/"):
        assert process.poll() is None
    process.send_signal(signum)
    _, err = process.communicate(timeout=30)
    stopped, resume = err.splitlines()[-2:]
    assert process.returncode == code
    assert re.match(rf"stopped by {signal.Signals(signum).name} at (the end of )?epoch \d", stopped)
    assert resume.startswith("resume: trainctl train ")
    done = int(re.search(r"epoch (\d+)", stopped)[1])
    assert main([*resume.split()[2:], "--epochs", str(done + 1), "-q"]) == 0


def test_training_outlives_the_reader_of_its_display(workspace):
    command = [*TRAINCTL, "train", "tiny.yaml", "train.epochs=20"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert json.loads(Path("runs/tiny/summary.json").read_text())["epochs"] == 20
