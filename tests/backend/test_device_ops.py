"""The op table on the stand-in device: the same values and gradients as on the CPU, and no hidden transfer."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tests.autograd.ops as tables
import trainctl
from tests.autograd.ops.harness import Row, _call, _cotangent, _leaves
from tests.backend.standin import Counts, installed

# Ops that must look at values, so that data comes back to the host; PyTorch's wait for the GPU there too.
_A_NUMBER = "a 0-d tensor given for a Python number"
LOOKS_AT_VALUES = {
    "allclose": "gives a Python bool",
    "equal": "gives a Python bool",
    "Tensor.to": "the transfer itself",
    "Tensor.cpu": "the transfer itself",
    "full": _A_NUMBER,
    "arange": _A_NUMBER,
    "linspace": _A_NUMBER,
    "logspace": _A_NUMBER,
    "tensor_of_tensors": _A_NUMBER,
    "getitem": _A_NUMBER,
    "getitem_scalar": _A_NUMBER,
    "setitem": _A_NUMBER,
    "select": _A_NUMBER,
    "Tensor.select": _A_NUMBER,
    "narrow": _A_NUMBER,
    "Tensor.narrow": _A_NUMBER,
    "scatter": _A_NUMBER,
    "Tensor.scatter": _A_NUMBER,
    "Tensor.scatter_": _A_NUMBER,
    "nn.functional.embedding_bag": "the longest bag decides a shape",
    "embedding_bag": "the longest bag decides a shape",
    "largest_in_ragged_bags": "the longest bag decides a shape",
    "fused_moving_avg_obs_fake_quant": "the switches decide what is done",
    "there": "checks that the indices are in range",
    "nn.functional.max_unpool2d": "checks that the indices are in range",
    "nn.functional.one_hot": "num_classes=-1 takes the largest class",
    "det": "the gradient of a singular matrix takes another way",
    "linalg.det": "the gradient of a singular matrix takes another way",
    "linalg.lstsq": "drivers that give residuals give them at full rank",
    "tensordot_over_a_tensor": "dims given as a tensor",
    "tensor_split": "sections given as a tensor",
    "Tensor.tensor_split": "sections given as a tensor",
    "repeat_interleave": "the repeats decide a shape",
    "Tensor.repeat_interleave": "the repeats decide a shape",
    "repeat_interleave_indices": "the repeats decide a shape",
}


def rows() -> Iterator[Any]:
    for each in pkgutil.iter_modules(tables.__path__):
        if each.name.startswith("test_"):
            module = importlib.import_module(f"{tables.__name__}.{each.name}")
            for row in getattr(module, "ROWS", []):
                yield pytest.param(row, id=row.name)


def run(row: Row, number: int, where: str) -> tuple[list[Any], list[Any], int]:
    """Return results, gradients, and the transfers to the host that forward and backward made."""
    pairs = _leaves(row, number, trainctl)
    moved = [(spec, leaf.detach().to(where).requires_grad_(leaf.requires_grad)) for spec, leaf in pairs]
    Counts.to_host = 0
    outputs = _call(row, number, trainctl, (leaf for _, leaf in moved))
    wanted = [leaf for spec, leaf in moved if spec.grad]
    differentiable = [each for each in outputs if each.requires_grad]
    grads: tuple[Any, ...] = ()
    if row.grad and wanted and differentiable:
        weights = [trainctl.from_numpy(_cotangent(each, i)).to(where) for i, each in enumerate(differentiable)]
        grads = trainctl.autograd.grad(differentiable, wanted, weights, allow_unused=True)
    return outputs, list(grads), Counts.to_host


@pytest.mark.parametrize("row", list(rows()))
def test_row(row: Row) -> None:
    with installed():
        for number in range(len(row.cases)):
            if not any(spec for spec, _ in _leaves(row, number, trainctl)):
                continue
            mine, my_grads, transfers = run(row, number, "cuda")
            host, host_grads, _ = run(row, number, "cpu")
            if row.name.split(" ")[0] not in LOOKS_AT_VALUES:
                assert transfers == 0, f"case {number}: {transfers} hidden transfers"
            for one, other in zip([*mine, *my_grads], [*host, *host_grads], strict=True):
                assert (one is None) == (other is None)
                if one is not None:
                    assert one.device.type == "cuda" or row.name in LOOKS_AT_VALUES, f"case {number} left the device"
                    np.testing.assert_allclose(one.detach().cpu().numpy(), other.detach().numpy(), 1e-6, 1e-7)
