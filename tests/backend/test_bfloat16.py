"""bfloat16: rounding, ops in float32 rounded once, promotion; against PyTorch where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl.backend.bfloat16 import rounded, widened


def test_rounds_to_the_nearest_ties_to_even():
    one = 0x3F80
    cases = {1.0: one, 1.00390625: one, 1.01171875: one + 2, -2.0: 0xC000, float("inf"): 0x7F80, 3.4e38: 0x7F80, 0.0: 0}
    for value, bits in cases.items():
        assert rounded(np.float32(value)) == bits
    assert np.isnan(widened(rounded(np.array([np.nan], np.float32))))[0]


def test_every_bit_pattern_survives():
    bits = np.arange(2**16, dtype=np.uint16)
    values = widened(bits)
    kept = ~np.isnan(values)
    assert (rounded(values)[kept] == bits[kept]).all()


def test_rounding_is_pytorchs():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).integers(0, 2**32, 10000, dtype=np.uint32).view(np.float32)
    values = values[~np.isnan(values)]
    wanted = torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()
    assert (rounded(values) == wanted).all()


SCRIPTS = {
    "arithmetic": lambda lib, x, y: x * y + x / y - 2,
    "matmul": lambda lib, x, y: x @ y.T,
    "softmax": lambda lib, x, y: x.softmax(1),
    "sum": lambda lib, x, y: x.sum(0),
    "mean": lambda lib, x, y: x.mean(),
    "views": lambda lib, x, y: x.reshape(-1)[::2].view(2, -1).T,
    "cat": lambda lib, x, y: lib.cat([x, y], 1),
    "index": lambda lib, x, y: x[lib.tensor([0, 2, 2])],
    "where": lambda lib, x, y: lib.where(x > y, x, y),
    "linear": lambda lib, x, y: lib.nn.functional.linear(x, y),
    "max": lambda lib, x, y: x.max(1).values,
    "tanh": lambda lib, x, y: x.tanh().exp(),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_ops_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    a, b = (rng.uniform(0.5, 2, (3, 4)).astype(np.float32) for _ in range(2))
    outcomes = []
    for lib in (trainctl, torch):
        x, y = (lib.from_numpy(each.copy()).bfloat16().requires_grad_() for each in (a, b))
        out = SCRIPTS[name](lib, x, y)
        out.sum().backward()
        assert out.dtype == lib.bfloat16
        assert x.grad.dtype == lib.bfloat16
        outcomes.append([out.float().detach().numpy(), x.grad.float().numpy()])
    for mine, theirs in zip(*outcomes, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2**-6, atol=2**-7)


def test_promotion():
    x = trainctl.ones(2, dtype=trainctl.bfloat16)
    assert (x + 1).dtype == (x * 2.5).dtype == (x + trainctl.ones(2, dtype=trainctl.int64)).dtype == trainctl.bfloat16
    assert (x + trainctl.ones(2)).dtype == trainctl.float32
    assert (x + trainctl.ones(2, dtype=trainctl.float16)).dtype == trainctl.float32
    assert (x + trainctl.ones(2, dtype=trainctl.float64)).dtype == trainctl.float64


def test_in_place_and_creation():
    x = trainctl.full((2,), 1.5, dtype=trainctl.bfloat16)
    x.add_(0.25).mul_(2)
    x[0] = 7
    assert x.tolist() == [7.0, 3.5]
    assert trainctl.zeros_like(x).dtype == trainctl.bfloat16
    assert repr(x) == "tensor([7.0000, 3.5000], dtype=trainctl.bfloat16)"


def test_a_step_of_sgd_in_bfloat16():
    from trainctl import nn, optim

    layer = nn.Linear(3, 2).to(trainctl.bfloat16)
    before = layer.weight.detach().float().numpy().copy()
    optimizer = optim.SGD(layer.parameters(), lr=0.5, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        layer(trainctl.ones(4, 3, dtype=trainctl.bfloat16)).sum().backward()
        optimizer.step()
    assert layer.weight.dtype == trainctl.bfloat16
    np.testing.assert_allclose(layer.weight.detach().float().numpy(), before - 0.5 * 4 - 0.5 * 4 * 1.9, rtol=2**-6)


def test_numpy_has_no_such_type():
    with pytest.raises(TypeError, match="unsupported ScalarType bfloat16"):
        trainctl.ones(2, dtype=trainctl.bfloat16).numpy()


@pytest.mark.parametrize("name", ["Adam", "LBFGS", "Muon", "Rprop"])
def test_a_step_of_other_optimizers_in_bfloat16(name):
    from trainctl import nn, optim

    weight = nn.Parameter(trainctl.tensor([[2.0, -1.0], [0.5, 3.0]]).bfloat16())
    optimizer = getattr(optim, name)([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    before = closure().item()
    optimizer.step(closure)
    assert weight.dtype == trainctl.bfloat16
    assert closure().item() < before


def random_draws():
    from trainctl.nn import functional as F
    from trainctl.nn import init

    return {
        "dropout": lambda x: F.dropout(x, 0.5),
        "rrelu": lambda x: F.rrelu(x, training=True),
        "gumbel_softmax": lambda x: F.gumbel_softmax(x),
        "normal_": lambda x: x.normal_(),
        "uniform_": lambda x: x.uniform_(1, 2),
        "kaiming_uniform_": init.kaiming_uniform_,
        "orthogonal_": init.orthogonal_,
        "trunc_normal_": init.trunc_normal_,
    }


@pytest.mark.parametrize("name", random_draws())
def test_draws_in_bfloat16(name):
    drawn = random_draws()[name](-trainctl.ones(20, 3).bfloat16())
    assert drawn.dtype == trainctl.bfloat16
    assert len(set(drawn.reshape(-1).tolist())) > 1
