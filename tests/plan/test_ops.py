"""Every row of the op tables inside a compiled step: replayed with other values it gives what eager mode gives.

Or it is not replayed at all. What must not happen is a replay that gives what belonged to the recording.
"""

from __future__ import annotations

import warnings
import zlib

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import Row, _call, _map_arrays
from tests.backend.test_device_ops import rows


@pytest.mark.parametrize("row", list(rows()))
def test_a_replay_is_what_eager_mode_gives(row):
    for number in range(len(row.cases)):
        check(row, number)


def check(row: Row, number: int) -> None:
    """Record a case twice, replay it with other values, and compare."""
    step = trainctl.compile(lambda *given: outcome(row, number, given))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for stream in (0, 0, 1):
            compiled = step(*arguments(row, number, stream))
        eager = outcome(row, number, arguments(row, number, 1))
    for one, other in zip(flat(compiled), flat(eager), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def arguments(row: Row, number: int, stream: int) -> list:
    """Return the tensors of a case, drawn from one of several streams; what a case fixes stays as it is."""
    rng, found = np.random.RandomState([zlib.crc32(row.name.encode()), number, stream]), []
    one = row.cases[number]
    _map_arrays((one.args, one.kwargs), lambda spec: found.append(spec.leaf(trainctl, spec.array(rng, False))))
    return found


def outcome(row: Row, number: int, given: tuple) -> tuple:
    """Return outputs and gradients of a case."""
    trainctl.manual_seed(0)
    outputs = _call(row, number, trainctl, given)
    wanted = [each for each in given if each.requires_grad]
    differentiable = [each for each in outputs if each.requires_grad]
    grads = ()
    if row.grad and wanted and differentiable:
        weights = [weight(each) for each in differentiable]
        grads = trainctl.autograd.grad(differentiable, wanted, weights, allow_unused=True)
    return [each.detach() for each in outputs], list(grads)


def weight(output):
    """Return a gradient that depends on the output's shape alone."""
    return trainctl.linspace(-1, 1, output.numel()).reshape(output.shape).to(output.dtype)


def flat(result):
    outputs, grads = result
    return [each.numpy() for each in (*outputs, *grads) if each is not None and each.dtype is not trainctl.bfloat16]
