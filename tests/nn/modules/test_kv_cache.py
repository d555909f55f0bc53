"""Sequences made step by step with a cache are those computed as a whole."""

from __future__ import annotations

import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled
from trainctl import nn

E, H, N, T, S = 6, 2, 3, 5, 4
CUTS = [[1] * T, [2, 3], [3, 1, 1], [T]]


def stepwise(layer, x, cuts, dim, **options):
    """Return a layer's outputs for pieces of ``x``, with a cache, joined."""
    cache = nn.KVCache()
    with trainctl.no_grad():
        return trainctl.cat([layer(piece, cache=cache, **options) for piece in x.split(cuts, dim)], dim), cache


def same(got, want):
    return trainctl.allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_first": True},
        {"kdim": E, "bias": False},
        {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    ],
)
def test_attention(options, cuts):
    layer = filled(nn.MultiheadAttention(E, H, **options), trainctl)
    dim = 1 if options.get("batch_first") else 0
    x = drawn(trainctl, *((N, T, E) if dim else (T, N, E)))
    mask = nn.Transformer.generate_square_subsequent_mask(T, dtype=trainctl.float64)
    want, weights = layer(x, x, x, attn_mask=mask)
    got, cache = stepwise(lambda piece, cache: layer(piece, piece, piece, is_causal=True, cache=cache)[0], x, cuts, dim)
    assert same(got, want)
    assert cache.length == T
    last = layer(x.narrow(dim, T - 1, 1), *[x.narrow(dim, T - 1, 1)] * 2, cache=nn.KVCache())[1]
    assert weights.shape[-1] == T + 2 * bool(options.get("add_bias_kv"))
    assert last.shape[-1] == 1 + 2 * bool(options.get("add_bias_kv"))


@pytest.mark.parametrize("needs_weights", [True, False])
def test_one_sample_without_a_batch(needs_weights):
    layer, x = filled(nn.MultiheadAttention(E, H, batch_first=True), trainctl), drawn(trainctl, T, E)
    mask = nn.Transformer.generate_square_subsequent_mask(T, dtype=trainctl.float64)
    want, _ = layer(x, x, x, attn_mask=mask)
    options = {"is_causal": True, "need_weights": needs_weights}
    got, _ = stepwise(lambda piece, cache: layer(piece, piece, piece, cache=cache, **options)[0], x, [2, 2, 1], 0)
    assert same(got, want)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("norm_first", [True, False])
def test_an_encoder_as_a_language_model(norm_first, cuts):
    layer = nn.TransformerEncoderLayer(E, H, 8, 0.0, batch_first=True, norm_first=norm_first)
    model, x = filled(nn.TransformerEncoder(layer, 2, nn.LayerNorm(E)), trainctl), drawn(trainctl, N, T, E)
    want = model(x, nn.Transformer.generate_square_subsequent_mask(T, dtype=trainctl.float64), is_causal=True)
    got, _ = stepwise(model, x, cuts, 1, is_causal=True)
    assert same(got, want)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_decoder_that_looks_at_a_memory(batch_first, cuts):
    model = filled(nn.Transformer(E, H, 1, 2, 8, 0.0, batch_first=batch_first), trainctl)
    dim = 1 if batch_first else 0
    src, tgt = (drawn(trainctl, *((N, size, E) if batch_first else (size, N, E)), seed=size) for size in (S, T))
    ignored = trainctl.tensor([[False, False, False, True], [False] * 4, [False, True, False, False]])
    mask = nn.Transformer.generate_square_subsequent_mask(T, dtype=trainctl.float64)
    memory = model.encoder(src)
    want = model.decoder(tgt, memory, tgt_mask=mask, memory_key_padding_mask=ignored)
    got, cache = stepwise(
        lambda piece, cache: model.decoder(piece, memory, tgt_is_causal=True, memory_key_padding_mask=ignored, cache=cache),
        tgt, cuts, dim,
    )  # fmt: skip
    assert same(got, want)
    assert cache.length == T


def test_the_memory_is_projected_once():
    layer = filled(nn.TransformerDecoderLayer(E, H, 8, 0.0, batch_first=True), trainctl)
    cache, memory = nn.KVCache(), drawn(trainctl, N, S, E)
    with trainctl.no_grad():
        layer(drawn(trainctl, N, 1, E), memory, cache=cache)
        kept = cache.get(layer.multihead_attn)
        layer(drawn(trainctl, N, 1, E), memory, cache=cache)
    assert cache.get(layer.multihead_attn) is kept
    assert kept[0].shape == (N * H, S, E // H)


def test_padding_counts_the_keys_of_earlier_calls():
    layer, x = filled(nn.MultiheadAttention(E, H, batch_first=True), trainctl), drawn(trainctl, N, T, E)
    ignored = trainctl.tensor([[False] * 5, [True, False, False, False, False], [False, True, True, False, False]])
    mask = nn.Transformer.generate_square_subsequent_mask(T, dtype=trainctl.float64)
    want, _ = layer(x, x, x, ignored, attn_mask=mask)
    cache = nn.KVCache()
    with trainctl.no_grad():
        layer(x[:, :3], x[:, :3], x[:, :3], ignored[:, :3], is_causal=True, cache=cache, need_weights=False)
        got, weights = layer(x[:, 3:], x[:, 3:], x[:, 3:], ignored, is_causal=True, cache=cache)
    assert same(got, want[:, 3:])
    assert weights.shape == (N, 2, T)
    with pytest.raises(AssertionError, match=r"\(3, 6\), but got \[3, 5\]"):
        layer(x[:, :1], x[:, :1], x[:, :1], ignored, cache=cache)


def test_samples_are_chosen_anew_as_beams_are():
    layer = nn.TransformerDecoderLayer(E, H, 8, 0.0, batch_first=True)
    model, memory = filled(nn.TransformerDecoder(layer, 2), trainctl), drawn(trainctl, N, S, E)
    x, beams, cache = drawn(trainctl, N, 3, E), trainctl.tensor([2, 2, 0, 1]), nn.KVCache()
    with trainctl.no_grad():
        model(x[:, :2], memory, tgt_is_causal=True, cache=cache)
        cache.reorder(beams)
        got = model(x[beams, 2:], memory[beams], cache=cache)
        want = model(x[beams], memory[beams], nn.Transformer.generate_square_subsequent_mask(3, dtype=trainctl.float64))
    assert same(got, want[:, 2:])


def test_two_models_do_not_share_what_they_keep():
    one, other = (filled(nn.MultiheadAttention(E, H, batch_first=True), trainctl) for _ in range(2))
    cache, x = nn.KVCache(), drawn(trainctl, N, T, E)
    with trainctl.no_grad():
        one(x, x, x, cache=cache)
        _, weights = other(x, x, x, cache=cache)
    assert weights.shape == (N, T, T)


def test_gradients_flow_through_the_cache():
    layer, x = filled(nn.MultiheadAttention(E, H, batch_first=True), trainctl), drawn(trainctl, N, 2, E)
    mask = nn.Transformer.generate_square_subsequent_mask(2, dtype=trainctl.float64)
    (want,) = trainctl.autograd.grad(layer(x, x, x, attn_mask=mask)[0].square().sum(), x)
    cache, steps = nn.KVCache(), x.split(1, 1)
    got = trainctl.cat([layer(step, step, step, cache=cache)[0] for step in steps], 1)
    (found,) = trainctl.autograd.grad(got.square().sum(), x)
    assert same(found, want)
