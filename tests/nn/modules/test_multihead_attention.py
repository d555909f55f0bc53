"""Multi-head attention as a layer."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled, outcome
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()

E, H, L, S, N = 6, 2, 3, 4, 2
OPTIONS = [{}, {"bias": False}, {"batch_first": True}, {"add_bias_kv": True, "add_zero_attn": True}, {"kdim": 3, "vdim": 5}, {"kdim": 3, "bias": False, "batch_first": True}]  # fmt: skip


def sized(length, features, options):
    return (N, length, features) if options.get("batch_first") else (length, N, features)


def layer_and_inputs(lib, options):
    """Return a layer, and a query, keys and values for it."""
    sizes = [(L, E), (S, options.get("kdim", E)), (S, options.get("vdim", E))]
    inputs = [drawn(lib, *sized(*size, options), seed=i) for i, size in enumerate(sizes)]
    return filled(lib.nn.MultiheadAttention(E, H, **options), lib), inputs


for _options in OPTIONS:
    for _needed in (True, False):

        @scripts.agrees(rtol=1e-9, atol=1e-12)
        def attention_to_something_else(lib, options=_options, needed=_needed):
            layer, inputs = layer_and_inputs(lib, options)
            return outcome(layer, inputs, need_weights=needed)

        @scripts.agrees(rtol=1e-9, atol=1e-12)
        def masks(lib, options=_options, needed=_needed):
            layer, inputs = layer_and_inputs(lib, options)
            padding = lib.tensor([[False, False, False, True], [False, True, False, False]])
            allowed = lib.tensor([[False, True, False, False], [False, False, False, True], [False] * 4])
            return outcome(layer, inputs, need_weights=needed, attn_mask=allowed, key_padding_mask=padding)


@scripts.agrees(rtol=1e-9, atol=1e-12)
def self_attention(lib):
    layer, x = filled(lib.nn.MultiheadAttention(E, H), lib), drawn(lib, L, N, E)
    return outcome(layer, [x, x, x], average_attn_weights=False)


@scripts.agrees(rtol=1e-9, atol=1e-12)
def one_sample_whatever_batch_first_says(lib):
    layer, x = filled(lib.nn.MultiheadAttention(E, H, batch_first=True), lib), drawn(lib, L, E)
    return outcome(layer, [x, x, x], key_padding_mask=lib.tensor([False, True, False]))


for _needed in (True, False):

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def causal(lib, needed=_needed):
        layer, x = filled(lib.nn.MultiheadAttention(E, H, batch_first=True), lib), drawn(lib, N, L, E)
        mask = lib.nn.Transformer.generate_square_subsequent_mask(L, dtype=lib.float64)
        return outcome(layer, [x, x, x], attn_mask=mask, is_causal=True, need_weights=needed)

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def evaluation_without_gradients(lib, needed=_needed):
        layer, x = filled(lib.nn.MultiheadAttention(E, H, batch_first=True), lib).eval(), drawn(lib, N, L, E)
        with lib.no_grad():
            return layer(x, x, x, need_weights=needed, key_padding_mask=lib.tensor([[False, False, True], [False] * 3]))


@scripts.gives([
    ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"], ["in_proj_weight", "out_proj.weight"],
    ["q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k", "bias_v", "out_proj.weight", "out_proj.bias"],
])  # fmt: skip
def state_keys(lib):
    layer = lib.nn.MultiheadAttention
    return [
        list(layer(E, H).state_dict()),
        list(layer(E, H, bias=False).state_dict()),
        list(layer(E, H, add_bias_kv=True, kdim=2).state_dict()),
    ]


@scripts.raises(AssertionError, "embed_dim must be divisible by num_heads")
def heads_that_do_not_fit(lib):
    lib.nn.MultiheadAttention(5, 2)


@scripts.raises(ValueError, "must be greater than 0, +got embed_dim=0 and num_heads=1")
def no_features(lib):
    lib.nn.MultiheadAttention(0, 1)


@scripts.raises(RuntimeError, "Need attn_mask if specifying the is_causal hint")
def a_hint_without_a_mask(lib):
    x = lib.rand(L, N, E)
    lib.nn.MultiheadAttention(E, H)(x, x, x, is_causal=True)


@scripts.raises(AssertionError, "was expecting embedding dimension of 6, but got 4")
def other_features(lib):
    x = lib.rand(L, N, 4)
    lib.nn.MultiheadAttention(E, H)(x, x, x)


test_script = scripts.test()


def test_initial_weights_are_pytorch_s():
    trainctl.manual_seed(0)
    layer = nn.MultiheadAttention(200, 4, add_bias_kv=True)
    bound = np.sqrt(6 / (200 + 600))
    values = layer.in_proj_weight.detach().numpy()
    assert 0.99 * bound < np.abs(values).max() <= bound
    assert np.std(layer.bias_k.detach().numpy()) == pytest.approx(np.sqrt(2 / 400), rel=0.15)
    assert np.abs(layer.out_proj.weight.detach().numpy()).max() <= 200**-0.5
    assert not layer.in_proj_bias.detach().numpy().any()
    assert not layer.out_proj.bias.detach().numpy().any()


def test_weights_are_dropped_in_training_alone():
    trainctl.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, dropout=0.5), trainctl.randn(20, 3, 8)
    assert (layer(x, x, x, average_attn_weights=False)[1] == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert not (layer.eval()(x, x, x)[1] == 0).any()
    assert trainctl.equal(layer(x, x, x, need_weights=False)[0], layer(x, x, x, need_weights=False)[0])
