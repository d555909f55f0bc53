"""Models quantized by PyTorch's eager-mode calls have PyTorch's grids and codes, and its outputs to one step."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests import golden
from tests.parity import quantized_models

pytestmark = pytest.mark.filterwarnings(
    "ignore:torch.ao.quantization is deprecated",
    "ignore:Please use quant_min and quant_max",
    "ignore:torch.quantize_per_tensor, torch.quantize_per_channel and other",
    "ignore:must run observer before calling calculate_qparams",  # PyTorch's, of layers that nothing has gone through
)

CALIBRATED = [name for name in quantized_models.CASES if name.endswith("calibrated")]
TRAINED = [name for name in quantized_models.CASES if name.endswith("trained")]
DYNAMIC = [name for name in quantized_models.CASES if name.startswith("dynamic")]


def references(name):
    """Return PyTorch's results: those of the golden file, and those of today where it is installed."""
    yield golden.load_quantized_models()[name]
    try:
        import torch
    except ModuleNotFoundError:
        return
    yield quantized_models.CASES[name](torch)


def assert_converted(ours, theirs, codes_apart):
    assert ours["keys"] == theirs["keys"]
    assert ours["types"] == theirs["types"]
    assert ours["grids"].keys() == theirs["grids"].keys()
    assert ours["codes"].keys() == theirs["codes"].keys()
    for name, (scale, zero_point) in theirs["grids"].items():
        np.testing.assert_allclose(ours["grids"][name][0], scale, rtol=1e-4 if codes_apart else 1e-6)
        assert abs(ours["grids"][name][1] - zero_point) <= codes_apart
    for name, codes in theirs["codes"].items():
        np.testing.assert_allclose(ours["scales"][name], theirs["scales"][name], rtol=1e-4 if codes_apart else 1e-6)
        assert np.abs(np.subtract(ours["codes"][name], codes)).max() <= codes_apart
    step = list(theirs["grids"].values())[-1][0]
    np.testing.assert_allclose(ours["output"], theirs["output"], atol=1.001 * step)


@pytest.mark.parametrize("name", CALIBRATED)
def test_a_calibrated_model_has_the_same_grids_and_codes(name):
    ours = quantized_models.CASES[name](trainctl)
    for theirs in references(name):
        np.testing.assert_allclose(ours["observed"], theirs["observed"], rtol=1e-5, atol=1e-6)
        assert_converted(ours, theirs, codes_apart=0)


@pytest.mark.parametrize("name", TRAINED)
def test_three_steps_of_training_and_the_model_after_them_are_the_same(name):
    ours = quantized_models.CASES[name](trainctl)
    for theirs in references(name):
        np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-4)
        assert ours["parameters"].keys() == theirs["parameters"].keys()
        for key, values in theirs["parameters"].items():
            np.testing.assert_allclose(ours["parameters"][key], values, rtol=1e-3, atol=1e-4)
        assert_converted(ours, theirs, codes_apart=1)


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_model_converted_is_what_it_was_to_one_step_a_layer(name):
    ours = quantized_models.CASES[name](trainctl)
    step = max(scale for scale, _ in ours["grids"].values())
    np.testing.assert_allclose(ours["output"], ours["observed"], atol=len(ours["codes"]) * 1.001 * step)


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_dynamically_quantized_model_gives_the_same(name):
    ours = quantized_models.CASES[name](trainctl)
    for theirs in references(name):
        if name != "dynamic-half":  # layers of rounded weights stay float layers here
            assert ours["quantized"] == theirs["quantized"]
        np.testing.assert_allclose(ours["output"], theirs["output"], rtol=1e-5, atol=1e-6)


def test_the_golden_file_holds_these_cases():
    assert golden.load_quantized_models().keys() == quantized_models.CASES.keys()
