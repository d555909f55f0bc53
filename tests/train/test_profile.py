from __future__ import annotations

import numpy as np
import pytest

from tests.train.tiny import load, write_config
from trainctl.backend import jit
from trainctl.build import build
from trainctl.errors import DataError
from trainctl.jobs import run_profile
from trainctl.plan import peaks


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(peaks, "_SECONDS", 0.001)
    monkeypatch.chdir(tmp_path)
    return write_config(tmp_path)


def test_nothing_is_written(config):
    before = sorted(config.parent.rglob("*"))
    run_profile(load(config), steps=2)
    assert sorted(config.parent.rglob("*")) == before


def test_one_step_is_enough(config):
    result = run_profile(load(config), steps=1)
    assert result["steps"] == 1
    assert sum(each["share"] for each in result["ops"]) == pytest.approx(1)


def test_a_batch_may_be_all_the_data(config):
    result = run_profile(load(config, "data.batch_size=1000"), steps=2)
    assert result["batch_size"] == 80


def test_without_data_nothing_is_timed(config):
    with pytest.raises(DataError):
        run_profile(load(config, "data.batch_size=1000", "data.drop_last=true"), steps=2)


def test_a_step_that_cannot_be_replayed_names_its_reason(config, monkeypatch):
    from trainctl.nn import ReLU

    forward = ReLU.forward
    monkeypatch.setattr(ReLU, "forward", lambda self, x: forward(self, x) if x.sum().item() else x)
    result = run_profile(load(config), steps=2)
    assert result["plan"] is None
    assert "item() reads a value" in result["no_plan"]


@pytest.mark.parametrize("overrides", [(), ("train.compile=false",)])
def test_products_of_a_convolution_are_counted_exactly(config, overrides):
    model = (
        "model=[{Conv2d: {out_channels: 6, kernel_size: 5, stride: 2}}, ReLU, Flatten, {Linear: {out_features: 10}}]"
    )
    result = run_profile(load(config, model, *overrides), steps=2)
    flops = {each["op"]: 0 for each in result["ops"]}
    for each in result["ops"]:
        flops[each["op"]] += each["flops"]
    convolution, linear = 2 * 16 * 6 * 12 * 12 * 25, 2 * 16 * 6 * 12 * 12 * 10
    assert flops["Convolution"] == flops["ConvolutionWeightGradient"] == convolution
    assert flops["Linear"] == linear
    assert flops["MatMul"] == 2 * linear


def test_memory_of_parameters_and_buffers(config):
    model = "model=[Flatten, {Linear: {out_features: 16}}, BatchNorm1d, {Linear: {out_features: 10}}]"
    loaded = load(config, model)
    net = build(loaded).model
    memory = run_profile(loaded, steps=1)["memory"]
    assert memory["parameters"] == sum(each.numpy().nbytes for each in net.state_dict().values()) - memory["buffers"]
    assert memory["buffers"] == 2 * 16 * 4 + np.dtype(np.int64).itemsize
    assert memory["peak_resident"] > memory["plan_block"] > 0


@pytest.mark.skipif(not jit.available(), reason="needs Numba")
def test_what_the_plan_makes_of_several_ops_is_listed(config):
    model = (
        "model=[{Conv2d: {out_channels: 4, kernel_size: 3}}, BatchNorm2d, ReLU, {MaxPool2d: {kernel_size: 2}},"
        " Flatten, {Linear: {out_features: 10}}]"
    )
    plan = run_profile(load(config, model), steps=1)["plan"]
    fused = {name for each in plan["fused"] for name in each["ops"]}
    assert {"StandardizeReLU", "NormGradient"} <= fused
    assert fused <= {*plan["kernels"], *plan["plain"]}
    assert "Convolution" in plan["kernels"]
    assert plan["recording_ms"] > 0
