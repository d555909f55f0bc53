"""The dtype that operands are put in, against PyTorch."""

from __future__ import annotations

import itertools

import pytest

import trainctl
from tests.autograd.ops.harness import torch
from trainctl.backend.dtypes import ALL

TYPES = [each.name for each in ALL]


def operand(lib, spec):
    """Return a number, or a tensor of a dtype with (``[kind]``) or without (``kind``) dims."""
    if isinstance(spec, list):
        return lib.zeros(2, dtype=getattr(lib, spec[0]))
    return lib.zeros((), dtype=getattr(lib, spec)) if isinstance(spec, str) else spec


OPERANDS = [*TYPES, *([each] for each in TYPES), True, 2, 2.5, 1j]


@pytest.mark.skipif(torch is None, reason="needs the extra `parity`")
def test_the_type_of_a_result_is_torch_s_for_every_pair():
    for a, b in itertools.product(OPERANDS, OPERANDS):
        theirs = str(torch.result_type(operand(torch, a), operand(torch, b)))
        if theirs != "torch.complex32":
            ours = trainctl.result_type(operand(trainctl, a), operand(trainctl, b))
            assert f"torch.{ours.name}" == theirs, (a, b)


@pytest.mark.skipif(torch is None, reason="needs the extra `parity`")
@pytest.mark.parametrize("function", ["can_cast", "promote_types"])
def test_types_alone_give_what_torch_gives(function):
    for a, b in itertools.product(TYPES, TYPES):
        theirs, ours = (getattr(lib, function)(getattr(lib, a), getattr(lib, b)) for lib in (torch, trainctl))
        if str(theirs) != "torch.complex32":
            assert str(theirs).replace("torch.", "trainctl.") == str(ours), (a, b)


@pytest.mark.parametrize(
    ("operands", "kind"),
    [
        ((["int32"], 1.5), "float32"), ((["int64"], ["float16"]), "float16"), ((["uint8"], ["int8"]), "int16"), ((["float32"], "float64"), "float32"), ((["float32"], 1j), "complex64"),
        ((["bool"], 1), "int64"), (("int64", ["uint8"]), "uint8"), ((["int8"], "float64"), "float64"), ((2, 2.5), "float32"),
    ],
)  # fmt: skip
def test_the_type_of_a_result(operands, kind):
    assert trainctl.result_type(*(operand(trainctl, each) for each in operands)).name == kind
