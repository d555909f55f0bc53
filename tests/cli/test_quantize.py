from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.command import TRAINCTL, environment, trainctl
from tests.train.test_checkpoint import write
from tests.train.tiny import write_config
from trainctl.cli.main import main
from trainctl.train.checkpoint import INDEX, read_checkpoint


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in it."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_config(Path())
        assert main(["train", "tiny.yaml", "-q"]) == 0
    return folder


@pytest.fixture
def trained(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, a copy of that."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def quantize(*words: str) -> int:
    return main(["quantize", "runs/tiny", "-o", "out", "-q", *words])


def result(*words: str) -> dict[str, Any]:
    quantize("--json", "result.json", "--force", *words)
    return json.loads(Path("result.json").read_text())


def hashes(folder: str) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(folder).iterdir())}


def test_what_a_person_sees(trained):
    done = trainctl("quantize", "runs/tiny", "-o", "out")
    assert (done.returncode, done.stdout) == (0, b"")
    text = done.stderr.decode()
    best = os.readlink("runs/tiny/checkpoints/best")
    assert f"runs/tiny/checkpoints/{best}: static, 8 bits; test split, 30 samples" in text
    assert "Linear + ReLU" not in text  # dropout stands between the two
    for word in ("loss", "accuracy", "weights, bytes", "ms for 1 sample", "signal to noise", "written: out"):
        assert word in text
    assert "times as fast" in text or "no gain" in text


def test_the_result_as_json(trained, capfd):
    assert quantize("--json", "-") == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert err == ""
    assert found["schema_version"] == 1
    assert (found["passed"], found["written"], found["reason"]) == (True, True, None)
    assert [each["name"] for each in found["figures"]] == ["loss", "accuracy"]
    assert found["bytes"]["quantized"] == Path("out/model.safetensors").stat().st_size
    assert found["bytes"]["float"] == Path("runs/tiny/checkpoints/best/model.safetensors").stat().st_size
    assert found["bytes"]["ratio"] < 0.3
    ranked = [each["sqnr"] for each in found["layers"]]
    assert ranked == sorted(ranked)
    assert min(ranked) > 30
    assert found["float_layers"] == []
    weights = hashlib.sha256(Path("runs/tiny/checkpoints/best/model.safetensors").read_bytes()).hexdigest()
    assert found["parents"]["weights"] == weights


def test_two_runs_write_the_same_bytes(trained):
    assert quantize() == 0
    assert main(["quantize", "runs/tiny", "-o", "again", "-q"]) == 0
    assert hashes("out") == hashes("again")
    assert set(hashes("out")) == {"checkpoint.json", "model.safetensors", "state.safetensors"}


def test_other_threads_make_no_other_codes(trained):
    for threads in ("1", "2"):
        words = ["quantize", "runs/tiny", "-o", f"out{threads}", "-q"]
        options = environment(OPENBLAS_NUM_THREADS=threads)
        subprocess.run([*TRAINCTL, *words], check=True, env=options, timeout=60)
    assert hashes("out1") == hashes("out2")


def test_eval_measures_what_the_table_says(trained, capfd):
    found = result()
    assert main(["eval", "out", "--json", "-", "-q"]) == 0
    measured = json.loads(capfd.readouterr().out)
    figures = {each["name"]: each["quantized"] for each in found["figures"]}
    assert {"loss": measured["loss"], **measured["metrics"]} == figures


def test_predict_answers_as_eval_does(trained, capfd):
    assert quantize() == 0
    images = "data/t10k-images-idx3-ubyte.gz"
    found = next(path for path in ("data/t10k-images-idx3-ubyte", images) if Path(path).exists())
    assert main(["predict", "out", found, "-q"]) == 0
    answers = [json.loads(line)["class"] for line in capfd.readouterr().out.splitlines()]
    assert main(["eval", "out", "--json", "-", "-q"]) == 0
    accuracy = json.loads(capfd.readouterr().out)["metrics"]["accuracy"]
    right = np.mean([answer == index % 10 for index, answer in enumerate(answers)])
    assert right == pytest.approx(accuracy)


def test_other_commands_take_it(trained, capfd):
    assert quantize() == 0
    assert main(["eval", "out", "--baseline", "runs/tiny", "-q"]) == 0
    assert main(["eval", "runs/tiny", "--baseline", "out", "-q"]) == 0
    assert main(["checkpoint", "verify", "out"]) == 0
    assert main(["show", "out"]) == 0
    capfd.readouterr()
    assert main(["checkpoint", "inspect", "out"]) == 0
    text = capfd.readouterr().err
    assert "quantized: static, 8 bits, 2 layers; 0 in float" in text
    assert "weight_codes  int8" in text
    assert main(["checkpoint", "inspect", "runs/tiny", "--json", "-", "-q"]) == 0
    assert json.loads(capfd.readouterr().out)["quantization"] is None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "--resume", "out"], 4, "a quantized checkpoint; it has no training to go on with"),
        (["train", "tiny.yaml", "--resume", "out"], 4, "a quantized checkpoint; it has no training to go on with"),
        (["train", "tiny.yaml", "--init-from", "out", "-o", "new"], 4, "training begins with numbers"),
        (["quantize", "out", "-o", "again"], 2, "is quantized already"),
        (["eval", "out", "--device", "cuda"], 2, "integers are computed with on the CPU"),
        (["predict", "out", "x.npy", "--device", "cuda"], 2, "integers are computed with on the CPU"),
    ],
)
def test_what_is_not_for_codes(trained, capfd, words: list[str], code: int, message: str):
    assert quantize() == 0
    capfd.readouterr()
    assert main(words) == code
    error = capfd.readouterr().err
    assert message in error
    assert "hint:" in error or code == 2
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--exclude", "Linaer"], "--exclude Linaer: fits no layer with weights", "did you mean 'Linear'?"),
        (["--metric", "acuracy"], "'acuracy' is not measured", "did you mean 'accuracy'?"),
        (["--max-drop", "-1"], "expected a number of 0 or more", "a drop is positive"),
        (["--max-drop", "nan"], "expected a number of 0 or more", "a drop is positive"),
        (["--exclude", "*"], "no layer to quantize", "Linear"),
        (["--set", "model.1.Linear.out_features=3"], "expected a key of data or metrics", "belongs to"),
    ],
)
def test_mistakes(trained, capfd, words: list[str], message: str, hint: str):
    assert quantize(*words) == 2
    error = capfd.readouterr().err
    assert message in error
    assert hint in error
    assert not Path("out").exists()


def test_without_a_place_to_write_it_says_so(trained, capfd):
    assert main(["quantize", "runs/tiny"]) == 2
    assert "--output-dir is needed" in capfd.readouterr().err


@pytest.mark.parametrize("method", ["static", "dynamic"])
@pytest.mark.parametrize("words", [[], ["--per-tensor"], ["--exclude", "1"], ["--bits", "4"]])
def test_every_way_gives_a_model_that_can_be_read(trained, method: str, words: list[str]):
    found = result("--method", method, *words)
    assert found["passed"]
    assert main(["eval", "out", "-q"]) == 0
    assert {each["name"] for each in (*found["layers"], *found["float_layers"])} == {"1", "4"}


def test_what_stays_in_float_is_listed_and_may_be_forbidden(trained, capfd):
    found = result("--exclude", "4")
    assert [(each["name"], each["reason"]) for each in found["float_layers"]] == [("4", "--exclude 4")]
    capfd.readouterr()
    assert main(["quantize", "runs/tiny", "-o", "other", "--exclude", "4", "--no-fallback"]) == 3
    assert "--no-fallback: 1 layer stays in float: 4 (Linear: --exclude 4)" in capfd.readouterr().err
    assert not Path("other").exists()
    assert quantize("--no-fallback", "--force") == 0


def test_a_drop_that_holds_is_written_and_one_that_does_not_is_not(trained, capfd):
    assert quantize("--max-drop", "1") == 0
    capfd.readouterr()
    words = ["--max-drop", "0", "--metric", "loss", "--bits", "4", "--json", "result.json"]
    assert main(["quantize", "runs/tiny", "-o", "other", *words]) == 3
    error = capfd.readouterr().err
    found = json.loads(Path("result.json").read_text())
    assert (found["passed"], found["written"]) == (False, False)
    assert f"error: gate failed: {found['reason']}" in error
    assert "nothing was written" in error
    assert not Path("other").exists()


# -- where it is written ------------------------------------------------------------------------------


def test_what_is_there_stays_without_force(trained, capfd):
    assert quantize() == 0
    before = hashes("out")
    assert quantize("--per-tensor") == 2
    assert "holds a checkpoint already" in capfd.readouterr().err
    assert hashes("out") == before
    assert quantize("--per-tensor", "--force") == 0
    assert hashes("out") != before
    assert [path.name for path in Path().glob(".tmp*")] == []


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("runs/tiny", "holds a run"),
        ("runs/tiny/checkpoints", "the checkpoints of a run are the run's own"),
        ("runs/tiny/checkpoints/step-00000099", "the checkpoints of a run are the run's own"),
        ("tiny.yaml", "not a directory"),
        ("tiny.yaml/out", "a file, where a directory was to be"),
        ("data", "is no part of a checkpoint; nothing in it is touched"),
        ("dangling", "not a directory"),
    ],
)
def test_places_that_are_taken(trained, capfd, out: str, message: str):
    Path("dangling").symlink_to("nowhere")
    assert main(["quantize", "runs/tiny", "-o", out, "--force"]) == 2
    assert message in capfd.readouterr().err


def test_it_may_be_in_the_run(trained):
    assert main(["quantize", "runs/tiny", "-o", "runs/tiny/int8", "-q"]) == 0
    assert main(["eval", "runs/tiny/int8", "-q"]) == 0
    assert main(["eval", "runs/tiny", "-q"]) == 0
    assert main(["train", "--resume", "runs/tiny", "--epochs", "4", "-q"]) == 0


def test_a_place_that_cannot_be_written_leaves_nothing(trained, monkeypatch, capfd):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainctl.train.lone_checkpoint.write_file", full)
    assert quantize() == 1
    assert "out: cannot be written: No space left on device" in capfd.readouterr().err
    assert not Path("out").exists()
    assert [path.name for path in Path().glob(".tmp*")] == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(trained, signum: int):
    words = [*TRAINCTL, "quantize", "runs/tiny", "-o", "out"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, env=environment())
    assert process.stderr is not None
    process.stderr.readline()  # "calibration ..."
    process.send_signal(signum)
    assert process.wait(30) == 128 + signum
    process.stderr.close()
    time.sleep(0.01)
    assert not Path("out").exists()


# -- the record ---------------------------------------------------------------------------------------


def edited(change: Any) -> int:
    """Write the checkpoint again with another record, and whole checksums; return what eval makes of it."""
    from dataclasses import replace

    assert quantize() == 0
    checkpoint = read_checkpoint("out")
    record = checkpoint.quantization.model_copy(update=change(checkpoint.quantization))
    write(Path("out"), replace(checkpoint, quantization=record))
    return main(["eval", "out"])


def layer_with(**changes: Any) -> Any:
    return lambda record: {"layers": [record.layers[0].model_copy(update=changes), *record.layers[1:]]}


@pytest.mark.parametrize(
    "change",
    [
        layer_with(name="nowhere"),
        layer_with(name=""),
        layer_with(kind="Conv2d"),
        layer_with(kind="Foo"),
        layer_with(norm="0"),
        layer_with(relu="0"),
        layer_with(scheme="weights"),
        layer_with(bits=4, scheme="weights", group_size=8),
        layer_with(per_channel=False),
        layer_with(has_bias=False),
        lambda record: {"layers": record.layers[:1]},
        lambda record: {"layers": [*record.layers, record.layers[0]]},
    ],
)
def test_a_record_that_is_not_the_model_s(trained, capfd, change: Any):
    assert edited(change) == 4
    assert "error: " in capfd.readouterr().err


def test_an_edited_index_is_found_out(trained, capfd):
    assert quantize() == 0
    index = Path("out", INDEX)
    index.write_text(index.read_text().replace('"static"', '"dynamic"'))
    assert main(["eval", "out"]) == 4
    assert "its checksum does not match" in capfd.readouterr().err
    assert main(["checkpoint", "verify", "out"]) == 4


def test_an_older_trainctl_is_told_to_upgrade(trained):
    assert quantize() == 0
    assert json.loads(Path("out", INDEX).read_text())["schema_version"] == 2
    assert json.loads(Path("runs/tiny/checkpoints/best", INDEX).read_text())["schema_version"] == 1
