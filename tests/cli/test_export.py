"""``trainctl export``, and models on ONNX Runtime."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import trainctl
from tests.train.tiny import write_config
from trainctl.cli.main import main
from trainctl.jobs import Predictor, run_evaluation, run_export
from trainctl.storage.saving import load
from trainctl.train.checkpoint import read_checkpoint, weights_sha256
from trainctl.train.resolve import find_checkpoint

NORMALIZE = "data.transforms=[{Normalize: {mean: 0.3, std: 0.2}}]"
RUN = "runs/tiny"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in it."""
    folder = tmp_path_factory.mktemp("export")
    write_config(folder)
    assert main(["train", str(folder / "tiny.yaml"), NORMALIZE, "-o", str(folder / RUN), "-q"]) == 0
    return folder


@pytest.fixture
def trained(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("data", "runs", "tiny.yaml"):
        (tmp_path / name).symlink_to(place / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def needs_onnx() -> None:
    pytest.importorskip("onnx", reason="needs the extra `onnx`")
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


def test_onnx_is_checked_and_says_where_it_is_from(trained: Path):
    needs_onnx()
    done = trainctl("export", RUN, "--json", "-", cwd=trained)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    data = (trained / result["file"]).read_bytes()
    assert (result["bytes"], result["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert {1, 2, 7} < set(result["parity"]["batch_sizes"])
    assert result["parity"]["max_relative_error"] <= result["parity"]["tolerance"] == 1e-5
    found = find_checkpoint(RUN)
    about = result["metadata"]
    assert about["weights_sha256"] == weights_sha256(found)
    assert about["config_sha256"] == hashlib.sha256(read_checkpoint(found).config.encode()).hexdigest()
    assert json.loads(about["preprocessing"]) == [{"Normalize": {"mean": 0.3, "std": 0.2}}]
    assert b"1e-05 is allowed" in done.stderr


def test_two_exports_are_the_same_bytes(trained: Path):
    for name in ("a.onnx", "a.safetensors", "a.npz"):
        if name.endswith("onnx"):
            needs_onnx()
        first = run_export(RUN, name)
        assert run_export(RUN, name, force=True)["sha256"] == first["sha256"]


def test_weights_alone_have_the_state_dict_s_keys(trained: Path):
    weights = read_checkpoint(find_checkpoint(RUN)).model
    assert main(["export", RUN, "-o", "w.safetensors", "-q"]) == 0
    assert main(["export", RUN, "--format", "npz", "-o", "deep/weights", "-q"]) == 0
    there = load("w.safetensors")
    with np.load("deep/weights") as archive:
        for name, array in weights.items():
            assert np.array_equal(there[name].numpy(), array)
            assert np.array_equal(archive[name], array)
        assert set(archive) == set(there) == set(weights)


def test_the_weights_load_in_pytorch(trained: Path):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    load_file = pytest.importorskip("safetensors.torch", reason="needs safetensors").load_file
    run_export(RUN, "w.safetensors")
    weights = read_checkpoint(find_checkpoint(RUN)).model
    holder = torch.nn.Module()
    for name, array in weights.items():
        path, _, leaf = name.rpartition(".")
        if not hasattr(holder, path):
            holder.add_module(path, torch.nn.Module())
        getattr(holder, path).register_parameter(leaf, torch.nn.Parameter(torch.zeros(array.shape)))
    holder.load_state_dict(load_file("w.safetensors"))
    assert all(np.array_equal(holder.state_dict()[name].numpy(), array) for name, array in weights.items())


def test_a_file_that_is_there_stays(trained: Path, capfd):
    Path("w.npz").write_text("mine")
    assert main(["export", RUN, "-o", "w.npz"]) == 2
    assert "--force replaces it" in capfd.readouterr().err
    assert Path("w.npz").read_text() == "mine"
    assert main(["export", RUN, "-o", "w.npz", "--force"]) == 0
    for wrong in (
        ["-o", "."],
        ["-o", "-"],
        ["-o", "w.npz", "-f", "--opset", "18"],
        ["--opset", "16"],
        ["--tolerance", "nan"],
    ):
        assert main(["export", RUN, *wrong]) == 2


def test_past_the_tolerance_no_file_is_left(trained: Path, capfd):
    needs_onnx()
    assert main(["export", RUN, "-o", "w.onnx", "--tolerance", "0"]) == 3
    error = capfd.readouterr().err
    assert "0 is allowed" in error
    assert "node" in error
    assert not Path("w.onnx").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_what_installs_it(trained: Path, capfd, monkeypatch, package):
    needs_onnx()
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["export", RUN]) == 2
    error = capfd.readouterr().err
    assert f"ONNX needs the package {package}" in error
    assert "pip install 'trainctl[onnx]'" in error
    assert not list(Path().glob("*.onnx"))


def test_eval_and_predict_on_onnx_runtime_say_the_same(trained: Path):
    needs_onnx()
    ours, theirs = (run_evaluation(RUN, runtime=runtime) for runtime in ("trainctl", "onnxruntime"))
    assert theirs["metrics"] == ours["metrics"]
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-5)
    assert (ours["runtime"], theirs["runtime"]) == ("trainctl", "onnxruntime")
    values = np.random.default_rng(0).random((5, 1, 28, 28), np.float32)
    answers = [Predictor(RUN, runtime=runtime).answer(values) for runtime in ("trainctl", "onnxruntime")]
    assert [each.answer for each in answers[0]] == [each.answer for each in answers[1]]
    assert np.allclose(
        [each.probabilities for each in answers[0]], [each.probabilities for each in answers[1]], atol=1e-6
    )


def test_a_quantized_checkpoint_gives_the_same_codes_over_a_thousand_inputs(trained: Path):
    needs_onnx()
    assert main(["quantize", RUN, "-o", "int8", "-q"]) == 0
    result = run_export("int8", "int8.onnx")
    assert result["parity"]["max_steps"] <= 1
    assert json.loads(result["metadata"]["quantization"])["layers"]
    values = np.random.default_rng(0).random((1000, 1, 28, 28), np.float32)
    ours, theirs = (Predictor("int8", runtime=runtime).answer(values) for runtime in ("trainctl", "onnxruntime"))
    assert max(np.abs(a.probabilities - b.probabilities).max() for a, b in zip(ours, theirs, strict=True)) < 1e-6
    assert run_evaluation("int8", runtime="onnxruntime")["metrics"] == run_evaluation("int8")["metrics"]


def test_the_option_is_on_the_command_line(trained: Path):
    needs_onnx()
    done = trainctl("eval", RUN, "--runtime", "onnxruntime", "--json", "-", cwd=trained)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runtime"] == "onnxruntime"
    assert trainctl("eval", RUN, "--runtime", "torch", cwd=trained).returncode == 2


def test_a_run_begins_with_the_weights_of_an_onnx_model(trained: Path):
    needs_onnx()
    run_export(RUN, "model.onnx")
    assert (
        main(["train", "tiny.yaml", NORMALIZE, "--init-from", "model.onnx", "-o", "again", "--epochs", "1", "-q"]) == 0
    )
    resolved = Path("again/config.resolved.yaml").read_text()
    assert hashlib.sha256(Path("model.onnx").read_bytes()).hexdigest() in resolved
