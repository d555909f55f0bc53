"""Devices by name."""

from __future__ import annotations

import copy

import pytest

import trainctl
from tests.scripts import Scripts

scripts = Scripts()


@scripts.gives(
    [["cpu", None], ["cuda", None], ["cuda", 1], ["cuda", 1], ["cuda", 0], ["cuda", 2], ["cpu", None], ["cpu", 0]]
)
def names(lib):
    made = [
        lib.device("cpu"), lib.device("cuda"), lib.device("cuda:1"), lib.device("cuda", 1), lib.device("cuda", 0),
        lib.device(type="cuda", index=2), lib.device(lib.device("cpu")), lib.device("cpu:0"),
    ]  # fmt: skip
    return [[each.type, each.index] for each in made]


@scripts.gives(["cpu", "cuda:1", "cuda", "device(type='cpu')", "device(type='cuda', index=1)"])
def texts(lib):
    one = lib.device("cuda:1")
    return [str(lib.device("cpu")), str(one), str(lib.device("cuda")), repr(lib.device("cpu")), repr(one)]


@scripts.gives([True, False, False, True, False, True])
def equality_and_hash(lib):
    cpu, one = lib.device("cpu"), lib.device("cuda:1")
    return [
        cpu == lib.device("cpu"), cpu == one, lib.device("cuda") == one, hash(one) == hash(lib.device("cuda", 1)),
        cpu == "cpu", copy.deepcopy(one) == one,
    ]  # fmt: skip


@scripts.raises(RuntimeError, "device type at start of device string: gpu")
def an_unknown_type(lib):
    lib.device("gpu")


@scripts.raises(RuntimeError, "Invalid device string: 'cuda:x'")
def an_index_that_is_no_number(lib):
    lib.device("cuda:x")


@scripts.raises(RuntimeError, "must not include an index because index was passed explicitly: cuda:1")
def two_indices(lib):
    lib.device("cuda:1", 1)


@pytest.mark.parametrize("text", ["", ":", "cuda:", "cuda:-1", "cpu:0:1", "CPU", " cpu"])
def test_malformed_names_are_refused(text):
    with pytest.raises(RuntimeError, match="device"):
        trainctl.device(text)


def test_a_tensor_is_on_the_cpu():
    x = trainctl.ones(1, device="cpu")
    assert x.device == trainctl.device("cpu")
    assert trainctl.ones(1, device=trainctl.device("cpu")).device.type == "cpu"


test_script = scripts.test()
