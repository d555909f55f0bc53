"""A compiled step does what the eager one does, for random models of every kind.

Where the arithmetic is the same the bits are: in plans of NumPy's calls, but for convolutions, norms and recurrent layers,
which sum in another order. Compiled products and losses do so too.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import trainctl
from tests.plan.models import example, rounds
from trainctl.backend import jit

STEPS = 5
numba = pytest.mark.skipif(not jit.available(), reason="kernels are compiled by the extra fast")


@pytest.mark.parametrize("kernels", ["numpy", pytest.param("numba", marks=numba)])
@pytest.mark.parametrize("number", range(200))
def test_compiled_is_eager(number, kernels):
    eager, compiled = example(number), example(number)
    same = partial(assert_same, rounding=kernels == "numba" or rounds(eager.model))
    step, fast = eager.step(), trainctl.compile(compiled.step(), kernels=kernels)
    for turn in range(STEPS):
        trainctl.manual_seed(turn)
        loss, outputs = step(eager.x, eager.target)
        trainctl.manual_seed(turn)
        loss_too, outputs_too = fast(compiled.x, compiled.target)
        same(loss, loss_too, f"loss of step {turn}")
        for name in outputs:
            same(outputs[name], outputs_too[name], f"{name} of step {turn}")
    assert len(fast.plans) == 1, fast.reasons
    for (name, one), other in zip(eager.model.named_parameters(), compiled.model.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            same(one.grad, other.grad, f"gradient of {name}")
    for name, one in eager.model.state_dict().items():
        same(one, compiled.model.state_dict()[name], name)


def assert_same(one, other, what, *, rounding):
    assert one.requires_grad == other.requires_grad, what
    one, other = one.detach().numpy(), other.detach().numpy()
    if not rounding:
        np.testing.assert_array_equal(one, other, err_msg=what)
    else:
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5, err_msg=what)
