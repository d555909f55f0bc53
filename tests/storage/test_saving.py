from __future__ import annotations

import io

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.errors import CheckpointError

TREES = {
    "tensor": lambda: trainctl.arange(6).reshape(2, 3),
    "nested": lambda: {"a": [trainctl.ones(2), (1, 2.5, None)], "b": {"c": trainctl.tensor(True)}, 0: "text"},
    "numbers": lambda: {"inf": float("inf"), "pi": 3.141592653589793, "big": 2**62},
    "empty": dict,
    "no dims": lambda: {"x": trainctl.tensor(1.5), "y": trainctl.zeros(0, 3)},
    "view": lambda: {"x": trainctl.arange(6.0).reshape(2, 3).T},
}


def same(one, other):
    if isinstance(one, trainctl.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and trainctl.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("name", TREES)
def test_round_trip(name, tmp_path):
    value = TREES[name]()
    trainctl.save(value, tmp_path / "x.safetensors")
    assert same(value, trainctl.load(tmp_path / "x.safetensors"))


def test_a_model_and_its_optimizer(tmp_path):
    net = nn.Linear(3, 2)
    optimizer = optim.Adam(net.parameters())
    net(trainctl.ones(4, 3)).sum().backward()
    optimizer.step()
    trainctl.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "all")
    again, state = nn.Linear(3, 2), trainctl.load(tmp_path / "all")
    again.load_state_dict(state["model"])
    assert trainctl.equal(again.weight, net.weight)
    optim.Adam(again.parameters()).load_state_dict(state["optimizer"])


def test_weights_keep_their_keys(tmp_path):
    from safetensors.numpy import load_file

    net = nn.Sequential(nn.Linear(3, 2))
    trainctl.save(net.state_dict(), tmp_path / "weights.safetensors")
    stored = load_file(tmp_path / "weights.safetensors")
    assert set(stored) == {"0.weight", "0.bias"}
    np.testing.assert_array_equal(stored["0.weight"], net[0].weight.detach().numpy())


def test_plain_safetensors_are_a_dict(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.arange(3.0)}, tmp_path / "plain.safetensors")
    assert trainctl.load(tmp_path / "plain.safetensors")["x"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a pickle in a zip", b"\x80\x04N.", b"\xff" * 64])
def test_what_is_no_safetensors_file_is_refused(data):
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        trainctl.load(io.BytesIO(data))


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        trainctl.load(tmp_path / "nothing")


def test_a_module_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="Linear has no place"):
        trainctl.save(nn.Linear(2, 2), tmp_path / "x")
    assert not (tmp_path / "x").exists()
