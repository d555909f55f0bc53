"""``trainctl.backends``: the lines with which PyTorch programs begin."""

from __future__ import annotations

import pytest

import trainctl as torch


def test_the_engine_is_one_of_pytorch_s():
    assert torch.backends.quantized.engine == "x86"
    torch.backends.quantized.engine = "qnnpack"
    assert torch.backends.quantized.engine == "qnnpack"
    torch.backends.quantized.engine = "x86"
    with pytest.raises(RuntimeError, match="foo is not a valid value for quantized engine"):
        torch.backends.quantized.engine = "foo"
    assert torch.backends.quantized.engine == "x86"


def test_flags_of_cudnn_can_be_set():
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    assert torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = False
    with pytest.raises(RuntimeError, match="expects a bool, but got int"):
        torch.backends.cudnn.benchmark = 1


def test_what_a_program_asks_for_a_device():
    device = "mps" if torch.backends.mps.is_available() else "cpu"
    assert torch.zeros(1, device=device).device.type == "cpu"
    assert torch.backends.cuda.is_built() == torch.cuda.is_available()
    assert not torch.backends.mkldnn.is_available()
