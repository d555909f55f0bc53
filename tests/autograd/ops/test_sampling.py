"""Draws from given probabilities."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts

scripts = Scripts()


def shares(indices, size):
    """Return how large a share of the drawn indices each one has."""
    return np.bincount(indices.numpy().ravel(), minlength=size) / indices.numel()


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_bernoulli_is_1_with_the_probability(p):
    trainctl.manual_seed(0)
    x = trainctl.full((50_000,), p)
    for y in (
        trainctl.bernoulli(x),
        trainctl.bernoulli(x, p),
        x.bernoulli(),
        trainctl.empty(50_000).bernoulli_(p),
        x.clone().bernoulli_(x),
    ):
        assert set(y.unique().tolist()) <= {0.0, 1.0}
        assert y.mean().item() == pytest.approx(p, abs=0.01)


def test_with_replacement_indices_come_in_the_ratio_of_the_weights():
    trainctl.manual_seed(0)
    weights = trainctl.tensor([[1.0, 0.0, 6.0, 3.0], [5.0, 1.0, 1.0, 1.0]])
    for row, drawn in zip(weights, trainctl.multinomial(weights, 40_000, replacement=True), strict=True):
        np.testing.assert_allclose(shares(drawn, 4), (row / row.sum()).numpy(), atol=0.01)


def test_without_replacement_the_next_index_is_drawn_from_what_is_left():
    trainctl.manual_seed(0)
    drawn = trainctl.multinomial(trainctl.tensor([1.0, 0.0, 6.0, 3.0]).expand(20_000, 4), 2)
    np.testing.assert_allclose(shares(drawn[:, 0], 4), [0.1, 0, 0.6, 0.3], atol=0.015)
    second = [0.6 * 1 / 4 + 0.3 * 1 / 7, 0, 0.1 * 6 / 9 + 0.3 * 6 / 7, 0.1 * 3 / 9 + 0.6 * 3 / 4]
    np.testing.assert_allclose(shares(drawn[:, 1], 4), second, atol=0.015)
    assert (drawn[:, 0] != drawn[:, 1]).all()


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_indices_are_valid_whatever_the_type_and_size(kind, replacement):
    for rows, size in ((1, 1), (3, 2), (2000, 3), (2, 3000)):
        weights = trainctl.rand(rows, size).to(getattr(trainctl, kind)) + 0.01
        drawn = trainctl.multinomial(weights, 1, replacement)
        assert drawn.dtype is trainctl.int64
        assert 0 <= drawn.min() <= drawn.max() < size


def test_a_generator_of_one_s_own():
    def drawn(seed):
        generator = trainctl.Generator().manual_seed(seed)
        weights = trainctl.ones(50)
        return [
            trainctl.multinomial(weights, 20, generator=generator),
            trainctl.bernoulli(weights / 2, generator=generator),
            trainctl.zeros(50).bernoulli_(generator=generator),
        ]

    assert all(trainctl.equal(one, other) for one, other in zip(drawn(1), drawn(1), strict=True))
    assert not any(trainctl.equal(one, other) for one, other in zip(drawn(1), drawn(2), strict=True))


@scripts.gives(([1, 1, 1], [[1], [0]], [0, 2], "lib.int64"))
def what_is_certain(lib):
    one = lib.tensor([0.0, 2.0])
    rows = lib.tensor([[0.0, 0.5], [7.0, 0.0]])
    both = lib.multinomial(lib.tensor([3.0, 0.0, 1.0]), 2).sort().values
    return lib.multinomial(one, 3, True), lib.multinomial(rows, 1), both, lib.multinomial(one, 1).dtype


@scripts.gives([[0, 2], [2, 3], "lib.float16", "lib.int64", "lib.bool"])
def shapes_and_dtypes(lib):
    half = lib.bernoulli(lib.ones(2, 3, dtype=lib.float16))
    return [
        lib.multinomial(lib.zeros(0, 3), 2).shape,
        half.shape,
        half.dtype,
        lib.bernoulli(lib.ones(2).long(), 0.5).dtype,
        lib.zeros(2).bool().bernoulli_().dtype,
    ]


@scripts.gives([True, [0.0, 0.0]])
def the_gradient_of_a_draw_is_0(lib):
    p = lib.tensor([0.3, 0.9], requires_grad=True)
    y = lib.bernoulli(p)
    y.sum().backward()
    return [y.requires_grad, p.grad]


@scripts.gives([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
def probabilities_broadcast(lib):
    return lib.ones(2, 3).bernoulli_(lib.tensor([0.0, 1.0, 1.0]))


@scripts.gives([True, True])
def into_out(lib):
    out, indices = lib.zeros(2), lib.zeros(1, dtype=lib.int64)
    return [
        lib.bernoulli(lib.ones(2), out=out) is out and out.tolist() == [1, 1],
        lib.multinomial(lib.tensor([0.0, 1.0]), 1, out=indices) is indices and indices.tolist() == [1],
    ]


for _p in (-0.1, 1.1):

    @scripts.raises(RuntimeError, r"p to be in \[0, 1\]")
    def no_probability(lib, p=_p):
        lib.zeros(2).bernoulli_(p)

    @scripts.raises(RuntimeError, r"p_in >= 0 && p_in <= 1|to be in \[0, 1\]")
    def no_probabilities(lib, p=_p):
        lib.bernoulli(lib.tensor([0.5, p]))


@scripts.raises(NotImplementedError, "not implemented for")
def probabilities_of_integers(lib):
    lib.bernoulli(lib.ones(2).long())


REFUSED = {
    "inf.*nan.*< 0": [[1.0, -1.0], [1.0, float("inf")], [float("nan"), 1.0]],
    "sum of probabilities <= 0": [[0.0, 0.0]],
    r"prob_dist.size\(-1\) samples without replacement": [[1.0], []],
    "1 or 2 dim": [1.0, [[[1.0, 2.0]]]],
}
for _match, _weights in REFUSED.items():
    for _each in _weights:

        @scripts.raises(RuntimeError, _match)
        def weights_that_cannot_be_drawn_from(lib, weights=_each):
            lib.multinomial(lib.tensor(weights), 2 if weights in ([1.0], []) else 1)


@scripts.raises(RuntimeError, "floating-point dtypes")
def weights_of_integers(lib):
    lib.multinomial(lib.ones(2).long(), 1)


@scripts.raises(RuntimeError, "n_sample <= 0")
def no_samples(lib):
    lib.multinomial(lib.ones(2), 0)


@scripts.raises(TypeError, "must be int, not float")
def half_a_sample(lib):
    lib.multinomial(lib.ones(2), 0.5)


test_script = scripts.test()
