"""``quantize`` of what was trained with rounding, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import trainctl
from tests.train.tiny import write_config
from trainctl.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(Path())


def test_train_quantize_and_evaluate(capfd):
    done = trainctl("train", "tiny.yaml", "quantization.start_epoch=2", "--log-format", "plain")
    assert done.returncode == 0
    text = done.stderr.decode()
    assert "quantization-aware from here on: 2 of 2 layers with weights round them to 8 bits, 2 their inputs" in text
    assert trainctl("quantize", "runs/tiny", "-o", "out").returncode == 0
    figures = []
    for what in ("runs/tiny", "out"):
        assert main(["eval", what, "--json", "-", "-q"]) == 0
        figures.append(json.loads(capfd.readouterr().out))
    assert figures[1]["metrics"]["accuracy"] == pytest.approx(figures[0]["metrics"]["accuracy"], abs=1e-3)
    assert main(["checkpoint", "inspect", "runs/tiny"]) == 0
    assert "4.weight_fake_quant.scale" in capfd.readouterr().err


def test_a_run_that_rounds_is_compared_with_the_float_model_in_size_and_time():
    for name, more in {"float": (), "rounds": ("quantization.bits=4",)}.items():
        assert main(["train", "tiny.yaml", "-q", "-o", name, *more]) == 0
    done = trainctl("quantize", "rounds", "-o", "out", "--json", "out.json")
    assert "as trained  quantized" in done.stderr.decode()
    sizes = json.loads(Path("out.json").read_text())["bytes"]
    assert sizes["float"] == Path("float/checkpoints/best/model.safetensors").stat().st_size
    assert sizes["float"] < Path("rounds/checkpoints/best/model.safetensors").stat().st_size


def test_a_float_run_with_method_qat():
    assert main(["train", "tiny.yaml", "-q"]) == 0
    done = trainctl("quantize", "runs/tiny", "--method", "qat", "--bits", "4", "--epochs", "2", "-o", "out")
    assert done.returncode == 0
    text = done.stderr.decode()
    assert "training with rounding, for 2 epochs of 80 samples" in text
    assert "codes of 4 bits as they were trained" in text


@pytest.mark.parametrize("setting", ["quantization.bits=3", "quantization.start_epoch=9", "quantization.exclude=[9]"])
def test_a_mistake_is_found_by_validate(setting):
    done = trainctl("validate", "tiny.yaml", setting)
    assert done.returncode == 2
    assert "quantization" in done.stderr.decode()
