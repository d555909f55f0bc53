"""Embeddings as layers."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.nn.modules.parity import filled, outcome
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()

OPTIONS = [{}, {"padding_idx": 1}, {"padding_idx": -1}, {"max_norm": 0.5}, {"max_norm": 0.5, "norm_type": 1.0}, {"scale_grad_by_freq": True}, {"dtype": "float64"}]  # fmt: skip


def options_of(lib, options):
    return {key: getattr(lib, value) if key == "dtype" else value for key, value in options.items()}


for _options in OPTIONS:

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def vectors(lib, options=_options):
        layer = filled(lib.nn.Embedding(5, 3, **options_of(lib, options)), lib)
        return outcome(layer, [lib.tensor([[1, 4], [4, 0]])])

    for _mode in ("sum", "mean", "max"):
        if "scale_grad_by_freq" not in _options:  # there PyTorch is wrong: tests/autograd/ops/test_embedding_bag.py

            @scripts.agrees(rtol=1e-9, atol=1e-12)
            def bags(lib, options=_options, mode=_mode):
                layer = filled(lib.nn.EmbeddingBag(5, 3, mode=mode, **options_of(lib, options)), lib)
                return outcome(layer, [lib.tensor([1, 4, 4, 0])], offsets=lib.tensor([0, 3]))


@scripts.agrees(rtol=1e-9, atol=1e-12)
def weighted_bags_with_a_last_offset(lib):
    layer = filled(lib.nn.EmbeddingBag(5, 3, mode="sum", include_last_offset=True), lib)
    weights = lib.tensor([1.0, 2.0, 0.5, -1.0], dtype=lib.float64, requires_grad=True)
    out = outcome(layer, [lib.tensor([1, 4, 4, 0]), lib.tensor([0, 3, 4]), weights])
    return [*out, weights.grad]


@scripts.gives([[0.0, 0.0], True, [0.0, 0.0]])
def the_padding_vector_is_0_and_stays(lib):
    layer = lib.nn.Embedding(3, 2, padding_idx=-1)
    layer(lib.tensor([0, 2, 2])).sum().backward()
    return [layer.weight[2], bool(layer.weight[0].detach().abs().sum() > 0), layer.weight.grad[2]]


@scripts.gives(([[0.0, 1.0]], False, True, [[0.5, 0.5]], False, True))
def given_tables(lib):
    made, bag = lib.nn.Embedding.from_pretrained, lib.nn.EmbeddingBag.from_pretrained
    table = lib.eye(2)
    return (
        made(table)(lib.tensor([1])), made(table).weight.requires_grad, made(table, freeze=False).weight.requires_grad,
        bag(table)(lib.tensor([[0, 1]])), bag(table).weight.requires_grad, bag(table, freeze=False).weight.requires_grad,
    )  # fmt: skip


@scripts.gives([["weight"], ["weight"], True, False])
def keys_and_freezing(lib):
    frozen = lib.nn.Embedding(2, 3, _freeze=True)
    layer = lib.nn.Embedding(2, 3)
    return [
        list(layer.state_dict()),
        list(lib.nn.EmbeddingBag(2, 3).state_dict()),
        layer.weight.requires_grad,
        frozen.weight.requires_grad,
    ]


@scripts.gives([
    "Embedding(5, 3)", "Embedding(5, 3, padding_idx=4, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True, sparse=True)",
    "EmbeddingBag(5, 3, mode='mean')", "EmbeddingBag(5, 3, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True, mode='sum', padding_idx=0)",
])  # fmt: skip
def texts(lib):
    return [
        repr(lib.nn.Embedding(5, 3)), repr(lib.nn.Embedding(5, 3, -1, 1.0, 1.0, True, True)),
        repr(lib.nn.EmbeddingBag(5, 3)), repr(lib.nn.EmbeddingBag(5, 3, 1.0, 1.0, True, "sum", padding_idx=0)),
    ]  # fmt: skip


for _name in ("Embedding", "EmbeddingBag"):
    for _padding in (5, -6):

        @scripts.raises(AssertionError, "(?i)padding_idx must be within num_embeddings")
        def padding_that_is_no_index(lib, name=_name, padding=_padding):
            getattr(lib.nn, name)(5, 3, padding_idx=padding)

    @scripts.raises(AssertionError, "Shape of weight does not match")
    def a_table_of_another_size(lib, name=_name):
        getattr(lib.nn, name)(5, 3, _weight=lib.zeros(5, 2))

    @scripts.raises(AssertionError, "expected to be 2-dimensional")
    def a_vector_for_a_table(lib, name=_name):
        getattr(lib.nn, name).from_pretrained(lib.zeros(5))


@scripts.raises(IndexError, "out of range")
def an_unknown_index(lib):
    lib.nn.Embedding(5, 3)(lib.tensor([5]))


test_script = scripts.test()


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_vectors_begin_standard_normal(name):
    trainctl.manual_seed(0)
    values = getattr(nn, name)(400, 100).weight.detach().numpy()
    assert np.mean(values) == pytest.approx(0, abs=0.02)
    assert np.std(values) == pytest.approx(1, abs=0.02)


def test_sparse_is_accepted():
    layer = nn.Embedding(5, 3, sparse=True)
    layer(trainctl.tensor([1, 1])).sum().backward()
    assert layer.weight.grad.tolist() == [[0] * 3, [2] * 3, [0] * 3, [0] * 3, [0] * 3]
