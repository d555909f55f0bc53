"""Plans of models in integers: eager mode's bits, and no numbers between codes of one grid."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.autograd.ops.quantized import DequantizeLinear, QuantizeLinear
from trainctl.backend.affine import QParams
from trainctl.plan import plan as plans
from trainctl.quantization.post_training import quantize_model

GRID = QParams(0.1, 128)


class Block(nn.Module):
    """A residual block, whose sum is of numbers."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return (self.two(self.one(x).relu()) + x).relu()


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(8, 8, 3, stride=2, groups=8), nn.ReLU(), Block(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


@pytest.fixture
def made(monkeypatch):
    """The plans that are made."""
    found = []
    build = plans.Plan.__init__

    def noting(self, *args):
        build(self, *args)
        found.append(self)

    monkeypatch.setattr(plans.Plan, "__init__", noting)
    return found


def replayed(fn, *args, **options):
    """What a plan of ``fn`` gives, without a graph."""

    def infer(*inputs):
        with trainctl.no_grad():
            return fn(*inputs)

    compiled = trainctl.compile(infer, **options)
    results = [compiled(*args) for _ in range(4)]
    for each in results[1:]:
        assert each.numpy().tobytes() == results[0].numpy().tobytes()
    return results[-1]


def ops_in(plan):
    return Counter(record.op.__name__ for record in plan.records if hasattr(record, "op"))


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
@pytest.mark.parametrize("batch", [1, 6])
def test_a_model_in_integers_gives_eager_modes_bits(kernels, batch, made):
    trainctl.manual_seed(0)
    x = trainctl.randn(batch, 3, 11, 11)
    model = quantize_model(cnn().eval(), [x]).model.eval()
    with trainctl.no_grad():
        wanted = model(x)
    assert replayed(model, x, kernels=kernels).numpy().tobytes() == wanted.numpy().tobytes()
    ops = ops_in(made[-1])
    assert ops["LargestCodes"] == 1  # the other one follows a sum of numbers
    assert ops["QuantizedConvolution"] == 4


def test_codes_of_another_grid_are_made_anew(made):
    x = trainctl.randn(4, 5)

    def step(x, other):
        codes = QuantizeLinear.apply(x, qparams=GRID)
        return QuantizeLinear.apply(DequantizeLinear.apply(codes, qparams=GRID), qparams=other)

    for other, count in ((QParams(0.1, 128), 1), (QParams(0.2, 128), 2), (QParams(0.1, 128, "uint8", 1, 255), 2)):
        wanted = step(x, other).numpy()
        assert np.array_equal(replayed(lambda x, other=other: step(x, other) + 0, x).numpy(), wanted)
        assert ops_in(made[-1])["QuantizeLinear"] == count


def test_numbers_that_somebody_else_reads_stay(made):
    x = trainctl.randn(2, 3, 4, 4)
    pool = nn.MaxPool2d(2)

    def step(x):
        numbers = DequantizeLinear.apply(QuantizeLinear.apply(x, qparams=GRID), qparams=GRID)
        pooled = pool(numbers)
        return QuantizeLinear.apply(pooled, qparams=GRID).float().sum() + pooled.sum() + numbers.sum()

    with trainctl.no_grad():
        wanted = step(x)
    assert abs(replayed(step, x).item() - wanted.item()) < 1e-3
    assert ops_in(made[-1])["QuantizeLinear"] == 2


def test_what_is_returned_is_what_was_asked_for():
    x = trainctl.randn(3, 4)

    def step(x):
        codes = QuantizeLinear.apply(x, qparams=GRID)
        return QuantizeLinear.apply(DequantizeLinear.apply(codes, qparams=GRID).reshape(4, 3), qparams=GRID)

    assert replayed(step, x).numpy().tolist() == step(x).numpy().tolist()
