from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import TRAINCTL, environment, trainctl
from trainctl.cli.main import main


@pytest.fixture
def trained(workspace: Path) -> Path:
    assert main(["train", "tiny.yaml", "train.keep_best=2", "-q"]) == 0
    return workspace / "runs" / "tiny"


def damage(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


# -- inspect ------------------------------------------------------------------------------------------


def test_inspect_shows_tensors_place_config_and_version(trained: Path, capfd):
    assert main(["checkpoint", "inspect", "runs/tiny/last"]) == 0
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert re.fullmatch(r"runs/tiny/checkpoints/step-00000015, 6,370 elements, 76,\d\d\d bytes", lines[0])
    assert lines[1].startswith("after step 15 (the end of an epoch), 3 epochs done; best so far ")
    assert lines[2].startswith("config: name tiny, seed 3, loss CrossEntropyLoss, optimizer Adam, dataset MNIST")
    assert lines[3].startswith("written by trainctl ")
    assert lines[4].split() == ["tensor", "dtype", "shape", "bytes", "min", "max", "mean", "std", "not", "finite"]
    assert lines[5].split()[:4] == ["1.weight", "float32", "8x784", "25,088"]
    assert "optimizer.state.0.step" in err


def test_inspect_as_json_has_the_figures(trained: Path, capfd):
    from safetensors.numpy import load_file

    assert main(["checkpoint", "inspect", "runs/tiny", "--json", "-", "-q"]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert (err, found["schema_version"]) == ("", 1)
    weights = load_file(trained / "checkpoints" / "best" / "model.safetensors")
    tensors = {each["name"]: each for each in found["tensors"] if each["file"] == "model.safetensors"}
    assert list(tensors) == ["1.weight", "1.bias", "4.weight", "4.bias"]
    for name, array in weights.items():
        assert tensors[name]["shape"] == list(array.shape)
        assert tensors[name]["max"] == float(array.max())
        assert tensors[name]["mean"] == pytest.approx(float(array.mean()), rel=1e-4)
        assert tensors[name]["not_finite"] == 0
    assert found["position"]["global_step"] % 5 == 0
    assert found["config"]["epochs"] == 3


def test_a_file_that_is_no_checkpoint_s_is_inspected_and_verified(workspace: Path, capfd):
    import trainctl

    trainctl.save({"w": trainctl.tensor([1.0, float("nan")]), "e": trainctl.zeros(0, 2)}, "w.safetensors")
    assert main(["checkpoint", "inspect", "w.safetensors", "--json", "-", "-q"]) == 0
    tensors = {each["name"]: each for each in json.loads(capfd.readouterr().out)["tensors"]}
    assert (tensors["w"]["min"], tensors["w"]["not_finite"]) == (1.0, 1)
    assert (tensors["e"]["shape"], tensors["e"]["min"]) == ([0, 2], None)
    assert main(["checkpoint", "verify", "w.safetensors", "-q"]) == 0
    Path("w.safetensors").write_bytes(b"PK")
    assert main(["checkpoint", "verify", "w.safetensors"]) == 4
    assert "not a safetensors file" in capfd.readouterr().err


# -- verify -------------------------------------------------------------------------------------------


def test_verify_reads_every_checkpoint_of_a_run(trained: Path):
    run = trainctl("checkpoint", "verify", "runs/tiny")
    lines = run.stderr.decode().splitlines()
    assert (run.returncode, run.stdout) == (0, b"")
    assert len(lines) == len({path.resolve() for path in (trained / "checkpoints").iterdir()})
    assert all(line.endswith(": intact") for line in lines)


def test_verify_names_the_bad_tensors_and_ends_with_4(trained: Path):
    damage(trained / "checkpoints" / "last" / "model.safetensors", -1)
    damage(trained / "checkpoints" / "last" / "state.safetensors", -1)
    run = trainctl("checkpoint", "verify", "runs/tiny", "--json", "-")
    err = run.stderr.decode()
    assert run.returncode == 4
    assert "model.safetensors: damaged: its SHA-256 does not match; tensor 4.weight\n" in err
    assert "state.safetensors: damaged: its SHA-256 does not match; tensor rng\n" in err
    assert "hint: use runs/tiny/checkpoints/step-" in err
    found = json.loads(run.stdout)
    bad = [each for each in found["checkpoints"] if each["damage"]]
    assert found["intact"] is False
    assert [[damage["tensors"] for damage in each["damage"]] for each in bad] == [[["4.weight"], ["rng"]]]
    assert "last" in bad[0]["links"]


@pytest.mark.parametrize("name", ["runs/tiny/last", "runs/tiny/checkpoints/last/checkpoint.json"])
def test_verify_takes_one_checkpoint(trained: Path, name: str, capfd):
    assert main(["checkpoint", "verify", name]) == 0
    damage(trained / "checkpoints" / "last" / "checkpoint.json", 100)
    assert main(["checkpoint", "verify", name]) == 4
    assert "checkpoint.json: " in capfd.readouterr().err


def test_verify_finds_links_that_lead_nowhere(trained: Path, capfd):
    (trained / "checkpoints" / "best").unlink()
    (trained / "checkpoints" / "best").symlink_to("step-00000099")
    assert main(["checkpoint", "verify", "runs/tiny"]) == 4
    assert "best: names a checkpoint that is not there" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["inspect", "verify"])
@pytest.mark.parametrize("path", ["runs/nothing", "tiny.yaml", "", "data", "x" * 300])
def test_what_is_no_checkpoint_is_refused(workspace: Path, command: str, path: str, capfd):
    assert main(["checkpoint", command, path]) == 4
    assert capfd.readouterr().err.startswith("error: ")


# -- names of checkpoints, copies of runs -------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "/best", "/last", "/latest", "/epoch-3", "/step-15", "/step-00000015"])
def test_checkpoints_are_named_by_what_they_are(trained: Path, name: str, capfd):
    assert main(["eval", f"runs/latest{name}", "--json", "-", "-q"]) == 0
    found = json.loads(capfd.readouterr().out)["checkpoint"]
    expected = os.readlink(trained / "checkpoints" / "best") if name in ("", "/best") else "step-00000015"
    assert found == f"runs/latest/checkpoints/{expected}"


@pytest.mark.parametrize(("name", "kind"), [("epoch-9", "epoch 9"), ("step-3", "step 3"), ("epoch-0", "epoch 0")])
def test_a_checkpoint_that_is_not_kept_is_told(trained: Path, name: str, kind: str, capfd):
    assert main(["eval", f"runs/tiny/{name}"]) == 4
    err = capfd.readouterr().err
    assert f"the run keeps no checkpoint of {kind}; it has step-0000" in err
    assert "hint: train.keep_best and train.keep_last" in err


def without_links(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
    for path in (target / "checkpoints").iterdir():
        if path.is_symlink():
            path.unlink()


def tarred(source: Path, target: Path) -> None:
    shutil.unpack_archive(shutil.make_archive(str(target), "tar", source), target)


@pytest.mark.parametrize("copy", [shutil.copytree, shutil.move, without_links, tarred])
def test_a_run_that_was_copied_evaluates_as_before_and_goes_on(trained: Path, copy, capfd):
    assert main(["eval", "runs/tiny", "--json", "before.json", "-q"]) == 0
    copy(trained, Path("elsewhere"))
    assert main(["eval", "elsewhere", "--json", "after.json", "-q"]) == 0
    before, after = (json.loads(Path(name).read_text()) for name in ("before.json", "after.json"))
    assert before["weights_sha256"] == after["weights_sha256"]
    assert before["metrics"] == after["metrics"]
    assert main(["train", "--resume", "elsewhere", "--epochs", "4", "-q"]) == 0
    assert (Path("elsewhere") / "checkpoints" / "best").is_symlink()


# -- the system gives out -----------------------------------------------------------------------------


def test_a_full_disk_ends_the_run_with_1_and_the_last_checkpoint_stays(trained: Path):
    """The limit on a file's size stands in for the disk: what goes past it is refused as on a full one."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    run = trainctl("train", "--resume", "runs/tiny", "--epochs", "5", preexec_fn=limit)
    err = run.stderr.decode()
    assert run.returncode == 1
    assert "model.safetensors: " in err or "cannot save the checkpoint of step 20: File too large" in err
    assert "Traceback" not in err
    assert "trainctl train runs/tiny/config.resolved.yaml --resume runs/tiny" in err
    assert trainctl("checkpoint", "verify", "runs/tiny").returncode == 0
    again = trainctl("train", "--resume", "runs/tiny", "--epochs", "5")
    assert again.returncode == 0, again.stderr
    assert not [path for path in trained.rglob("*") if path.name.startswith(".tmp-")]


def test_a_directory_that_cannot_be_written_ends_with_2_before_anything_is_done(workspace: Path, capfd):
    assert main(["train", "tiny.yaml", "-o", "/proc/run", "-q"]) == 2
    _, err = capfd.readouterr()
    assert "/proc/run: cannot write the run: " in err
    assert "hint: choose another --output-dir" in err


def test_a_second_process_is_told_which_has_the_run(trained: Path):
    held = "import sys\nfrom trainctl.train.rundir import RunDirectory\n"
    held += "with RunDirectory.open('runs/tiny'):\n    print('locked', flush=True)\n    sys.stdin.read()\n"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", held]
    with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe) as other:
        assert other.stdout
        other.stdout.readline()
        run = trainctl("train", "--resume", "runs/tiny", "--epochs", "5")
        other.kill()
    host = os.uname().nodename
    assert run.returncode == 2
    assert f"another process is training this run: pid {other.pid} on {host} since " in run.stderr.decode()
    assert trainctl("train", "--resume", "runs/tiny", "--epochs", "4", "-q").returncode == 0


def test_the_group_alone_says_what_to_do():
    run = subprocess.run([*TRAINCTL, "checkpoint"], env=environment(), capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert "trainctl checkpoint --help" in run.stderr
