"""SparseAdam changes touched rows alone, and trains embeddings as PyTorch's does with sparse gradients."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import load
from trainctl.optim import SparseAdam

OPTIONS = [{}, {"maximize": True}, {"betas": (0.5, 0.8), "eps": 1e-2}, {"lr": 0.5}]


def training(lib, options, dtype, steps=40):
    """Return an embedding's weights after each step of a small regression."""
    draw = np.random.RandomState(0)
    table = lib.from_numpy(draw.randn(20, 4).astype(dtype)).requires_grad_()
    slope, found = lib.from_numpy(draw.randn(4).astype(dtype)), []
    optimizer = lib.optim.SparseAdam([table], **{"lr": 0.05, **options})
    for _ in range(steps):
        rows, target = lib.from_numpy(draw.randint(0, 20, 6)), lib.from_numpy(draw.randn(6).astype(dtype))
        optimizer.zero_grad()
        chosen = lib.nn.functional.embedding(rows, table, sparse=True)
        ((chosen * slope).sum(1) - target).square().mean().backward()
        optimizer.step()
        found.append(table.detach().numpy().copy())
    return np.stack(found)


@pytest.mark.filterwarnings("ignore:Sparse")  # PyTorch's own, about its sparse tensors
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-13)])
def test_embeddings_follow_torch_s(options, dtype, tolerance):
    ours, theirs = (training(lib, options, dtype) for lib in (trainctl, load("torch")))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_a_row_that_is_not_touched_rests_while_steps_are_counted():
    w = trainctl.ones(3, 2, dtype=trainctl.float64, requires_grad=True)
    optimizer = SparseAdam([w], lr=0.1, eps=1e-16)
    w.grad = trainctl.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]], dtype=trainctl.float64)
    optimizer.step()
    assert w.tolist()[1:] == [[1.0, 1.0], [1.0, 1.0]]
    assert w[0, 0].item() == pytest.approx(0.9)
    w.grad = trainctl.tensor([[0.0, 0.0], [2.0, -2.0], [0.0, 0.0]], dtype=trainctl.float64)
    before = w[0].tolist()
    optimizer.step()
    assert w[0].tolist() == before
    size = 0.1 * (1 - 0.999**2) ** 0.5 / (1 - 0.9**2) * (0.1 * 2) / (0.001 * 4) ** 0.5
    assert w[1].tolist() == pytest.approx([1 - size, 1 + size])
    assert optimizer.state[w]["step"] == 2
    mean = optimizer.state[w]["exp_avg"].flatten().tolist()
    assert mean == pytest.approx([0.1, 0.0, 0.2, -0.2, 0.0, 0.0])


def test_a_vector_s_rows_are_its_elements():
    w = trainctl.ones(3, requires_grad=True)
    w.grad = trainctl.tensor([1.0, 0.0, -1.0])
    SparseAdam([w], lr=0.1).step()
    assert w.tolist() == pytest.approx([0.9, 1.0, 1.1])


def test_complex_parameters_are_refused():
    with pytest.raises(ValueError, match=r"Complex params at indices \[\[0, 1\]\]: SparseAdam does not support"):
        SparseAdam([trainctl.ones(2), trainctl.ones(2, dtype=trainctl.complex64)])
