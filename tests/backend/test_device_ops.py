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

# Ops whose result's shape, or choice of path, depends on values: they must look at them.
LOOKS_AT_VALUES: dict[str, str] = {}


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
            if row.name not in LOOKS_AT_VALUES:
                assert transfers == 0, f"case {number}: {transfers} hidden transfers"
            for one, other in zip([*mine, *my_grads], [*host, *host_grads], strict=True):
                assert (one is None) == (other is None)
                if one is not None:
                    np.testing.assert_array_equal(one.detach().cpu().numpy(), other.detach().numpy())
