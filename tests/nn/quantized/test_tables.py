"""Tables of vectors as codes of 8 and of 4 bits."""

from __future__ import annotations

import copy
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import trainctl
from tests.nn.quantized.observed import Observer
from trainctl import nn
from trainctl.nn.quantized.embedding import rows_of

pytestmark = pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
nnq = nn.quantized
DTYPES = [trainctl.quint8, trainctl.quint4x2]
INDICES = trainctl.tensor([[1, 2], [9, 0]])


def table(rows=10, size=7):
    trainctl.manual_seed(0)
    return nn.Embedding(rows, size)


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
def test_vectors_are_within_half_a_step(dtype):
    layer = table()
    quantized = nnq.Embedding(10, 7, _weight=rows_of(layer.weight.detach(), dtype))
    steps = quantized.weight_scale[INDICES].unsqueeze(-1)
    assert ((quantized(INDICES) - layer(INDICES)).abs() <= steps * 0.51).all()
    assert quantized(INDICES).allclose(quantized.weight().dequantize()[INDICES], atol=1e-6)
    assert quantized(trainctl.tensor(3)).shape == (7,)
    assert quantized(trainctl.zeros(0, 2).int()).shape == (0, 2, 7)
    other = nnq.Embedding(10, 7, dtype=dtype)
    other.load_state_dict(quantized.state_dict())
    for same in (other, copy.deepcopy(quantized)):
        assert trainctl.equal(same(INDICES), quantized(INDICES))


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags(dtype, mode):
    layer = nn.EmbeddingBag(10, 7, mode=mode, padding_idx=2)
    quantized = nnq.EmbeddingBag.from_float(layer)
    quantized.set_weight(rows_of(layer.weight.detach(), dtype))
    layer.weight.data = quantized.weight().dequantize()
    indices, offsets = trainctl.tensor([1, 2, 3, 9]), trainctl.tensor([0, 3])
    assert quantized(indices, offsets).allclose(layer(indices, offsets))
    assert quantized(INDICES).allclose(layer(INDICES))


def test_codes_of_4_bits_take_half_a_byte():
    quantized = nnq.Embedding(10, 7, _weight=rows_of(table().weight.detach(), trainctl.quint4x2))
    assert quantized.weight_codes.shape == (35,)
    assert repr(quantized) == (
        "QuantizedEmbedding(num_embeddings=10, embedding_dim=7, dtype=trainctl.quint4x2, "
        "qscheme=trainctl.per_channel_affine_float_qparams)"
    )


@pytest.mark.parametrize("rows", [[[0.0, 0.0, 0.0]], [[5.0, 5.0, 5.0]], [[-1.0, 0.0, 1e30]]])
def test_rows_without_a_range_and_wide_ones(rows):
    weight = trainctl.tensor(rows)
    assert (rows_of(weight).dequantize() - weight).abs().max() <= weight.abs().max() / 255


def test_wrong_tables_are_refused():
    quantized = nnq.Embedding(10, 7)
    with pytest.raises(ValueError, match="with a grid for each row"):
        quantized.set_weight(trainctl.quantize_per_tensor(trainctl.ones(10, 7), 1.0, 0, trainctl.quint8))
    with pytest.raises(ValueError, match=r"the shape \[10, 7\], got \[3, 7\]"):
        quantized.set_weight(rows_of(trainctl.ones(3, 7)))
    with pytest.raises(RuntimeError, match=r"must be quint8 or quint4x2, got trainctl.qint8"):
        nnq.Embedding(10, 7, dtype=trainctl.qint8)
    with pytest.raises(IndexError, match="index 10 is out of range"):
        quantized(trainctl.tensor([10]))
    with pytest.raises(TypeError, match="takes a Embedding, got: EmbeddingBag"):
        nnq.Embedding.from_float(nn.EmbeddingBag(2, 3))
    layer = table()
    layer.qconfig = SimpleNamespace(weight=Observer)
    with pytest.raises(ValueError, match="must observe rows with float zero points"):
        nnq.Embedding.from_float(layer)


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_tables_are_pytorch_s(name):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    options = {} if name == "Embedding" else {"mode": "sum"}  # PyTorch's has no other
    layer, theirs = getattr(nn, name)(10, 8, **options), getattr(torch.nn, name)(10, 8, **options)
    theirs.load_state_dict({"weight": torch.from_numpy(layer.weight.detach().numpy())})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.qconfig = torch.ao.quantization.float_qparams_weight_only_qconfig
        quantized = getattr(torch.ao.nn.quantized, name).from_float(theirs)
        weight = quantized.weight()
        wanted = quantized(
            torch.from_numpy(INDICES.numpy()).reshape(-1), *([torch.tensor([0, 2])] * (name != "Embedding"))
        )
    ours = getattr(nnq, name).from_float(layer)
    assert np.array_equal(ours.weight().int_repr().numpy(), weight.int_repr().numpy())
    assert np.array_equal(ours.weight_scale.numpy(), weight.q_per_channel_scales().numpy())
    assert np.array_equal(ours.weight_zero_point.numpy(), weight.q_per_channel_zero_points().numpy())
    found = ours(INDICES.reshape(-1) if name == "Embedding" else INDICES)
    assert np.abs(found.numpy() - wanted.numpy()).max() < 1e-5
