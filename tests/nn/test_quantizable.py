"""Attention taken apart into layers that can be quantized."""

from __future__ import annotations

import copy

import pytest

import trainctl
from trainctl import nn
from trainctl.nn import chain_attention
from trainctl.nn.modules.kv_cache import KVCache

FORMS = [
    {}, {"bias": False}, {"batch_first": True}, {"kdim": 6, "vdim": 5}, {"add_bias_kv": True, "add_zero_attn": True},
]  # fmt: skip


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_it_gives_what_it_was_taken_from(options):
    trainctl.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, **options)
    apart = nn.quantizable.MultiheadAttention.from_float(attention)
    query, key, value = (trainctl.randn(5, 3, size) for size in (8, attention.kdim, attention.vdim))
    mask = trainctl.zeros(5, 5).bool() if not options.get("batch_first") else None
    for ours, wanted in zip(
        apart(query, key, value, attn_mask=mask), attention(query, key, value, attn_mask=mask), strict=True
    ):
        assert (ours - wanted).abs().max() < 1e-6
    again = nn.quantizable.MultiheadAttention(8, 2, **options)
    again.load_state_dict(apart.state_dict())
    for same in (again, copy.deepcopy(apart)):
        assert trainctl.equal(same(query, key, value)[0], apart(query, key, value)[0])


@pytest.mark.parametrize("causal", [False, True])
def test_that_of_a_chain_stays_one(causal):
    attention = chain_attention.MultiheadAttention(8, 2, causal=causal)
    apart = nn.quantizable.MultiheadAttention.from_float(attention.eval())
    x = trainctl.randn(3, 5, 8)
    assert (apart(x) - attention(x)).abs().max() < 1e-6
    assert not apart.training
    assert repr(apart).startswith("MultiheadAttention(")


def test_a_layer_around_it_and_a_cache_do_not_mind():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = trainctl.randn(3, 5, 8)
    wanted = layer(x)
    layer.self_attn = nn.quantizable.MultiheadAttention.from_float(layer.self_attn)
    assert (layer(x) - wanted).abs().max() < 1e-5
    cache, apart = KVCache(), layer.self_attn
    parts = [apart(x[:, i : i + 1], x[:, i : i + 1], x[:, i : i + 1], is_causal=True, cache=cache)[0] for i in range(5)]
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    assert (trainctl.cat(parts, 1) - apart(x, x, x, attn_mask=mask)[0]).abs().max() < 1e-5


def test_its_layers_can_be_quantized():
    attention = nn.MultiheadAttention(8, 2)
    apart = nn.quantizable.MultiheadAttention.from_float(attention)
    x = trainctl.randn(5, 3, 8)
    for name in ("linear_Q", "linear_K", "linear_V", "out_proj"):
        setattr(apart, name, nn.quantized.dynamic.Linear.from_float(getattr(apart, name), per_row=True))
    assert (apart(x, x, x)[0] - attention(x, x, x)[0]).abs().max() < 0.05
    assert not list(apart.parameters())


def test_codes_from_its_layers_are_numbers_to_the_scores():
    wanted = nn.quantizable.MultiheadAttention(8, 2, bias=False)
    apart = copy.deepcopy(wanted)
    for name in ("linear_Q", "linear_K", "linear_V", "out_proj"):
        layer = nn.quantized.Linear(8, 8)
        layer.set_weight_bias(nn.quantized.observed.by_rows(getattr(apart, name).weight.detach()), None)
        layer.scale, layer.zero_point = 0.03, 128
        setattr(apart, name, layer)
    apart.quant_attn_output = nn.quantized.Quantize(0.03, 128, trainctl.quint8)
    x = trainctl.quantize_per_tensor(trainctl.randn(5, 3, 8), 0.03, 128, trainctl.quint8)
    y, weights = apart(x, x, x)
    assert (y.dequantize() - wanted(x.dequantize(), x.dequantize(), x.dequantize())[0]).abs().max() < 0.1
    assert (y.dtype, weights.dtype) == (trainctl.quint8, trainctl.float32)


def test_other_layers_are_refused():
    for other in (nn.Linear(2, 2), nn.quantizable.MultiheadAttention(8, 2)):
        with pytest.raises(TypeError, match="takes a MultiheadAttention, got"):
            nn.quantizable.MultiheadAttention.from_float(other)
