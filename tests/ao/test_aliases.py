"""PyTorch's two places for quantization are one."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import trainctl

NAMES = [
    "nn", "nn.quantized", "nn.quantized.dynamic", "nn.quantized.linear", "nn.intrinsic", "nn.intrinsic.qat",
    "nn.intrinsic.quantized", "nn.intrinsic.quantized.dynamic", "nn.qat", "nn.qat.dynamic", "nn.quantizable",
    "quantization", "quantization.fuse",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_the_same_under_both_names(name):
    spec = importlib.import_module(f"trainctl.{name}").__spec__
    module = importlib.import_module(f"trainctl.ao.{name}")
    assert module is importlib.import_module(f"trainctl.{name}")
    assert module.__spec__ is spec
    assert spec.name == module.__name__ == f"trainctl.{name}"


@pytest.mark.parametrize(
    "code",
    [
        "import trainctl.ao.nn.quantized.dynamic as nnqd; from trainctl.nn.quantized import dynamic; assert nnqd is dynamic",
        "import trainctl; assert trainctl.ao.nn.qat.Linear is trainctl.nn.qat.Linear",
        "from trainctl.ao.nn.intrinsic.qat import ConvBn2d; from trainctl.nn.intrinsic import qat; assert qat.ConvBn2d is ConvBn2d",
        "import trainctl.ao.quantization as q, trainctl; assert q is trainctl.quantization is trainctl.ao.quantization",
    ],
)
def test_whichever_name_is_imported_first(code):
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["trainctl.ao.optim", "trainctl.ao.nn.nothing", "trainctl.ao.nothing"])
def test_a_name_that_is_not_there(name):
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        importlib.import_module(name)
    with pytest.raises(AttributeError, match=r"module 'trainctl.ao' has no attribute 'optim'"):
        _ = trainctl.ao.optim
