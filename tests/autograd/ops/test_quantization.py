"""Quantized tensors: made, looked into, printed, kept in files; what cannot be one says why."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import trainctl
from trainctl import qint8, qint32, quint4x2, quint8

X = trainctl.tensor([[-1.0, 0.26, 2.0], [0.5, 1.5, -3.0]])


def per_tensor(dtype=quint8):
    return trainctl.quantize_per_tensor(X, 0.1, 10, dtype)


def per_channel(axis=0, dtype=qint8, zero_points=None):
    size = X.shape[axis]
    scales = trainctl.tensor([0.1, 0.2, 0.4][:size])
    zero_points = trainctl.arange(size) if zero_points is None else zero_points
    return trainctl.quantize_per_channel(X, scales, zero_points, axis, dtype)


def test_one_grid():
    x = per_tensor()
    assert x.int_repr().tolist() == [[0, 13, 30], [15, 25, 0]]
    assert (x.q_scale(), x.q_zero_point(), x.qscheme(), x.dtype) == (0.1, 10, trainctl.per_tensor_affine, quint8)
    assert x.dequantize().allclose(trainctl.tensor([[-1.0, 0.3, 2.0], [0.5, 1.5, -1.0]]))
    assert x.is_quantized
    assert not X.is_quantized
    assert X.dequantize() is X
    assert trainctl.dequantize([X, x])[1].equal(x.dequantize())
    assert not x.is_floating_point()
    assert (x.element_size(), x.nbytes, x.shape, x.device) == (1, 6, X.shape, X.device)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_grid_for_each_channel(axis):
    x = per_channel(axis)
    scale = np.reshape([0.1, 0.2, 0.4][: X.shape[axis]], (-1, 1) if axis == 0 else (1, -1))
    assert np.abs(x.dequantize().numpy() - X.numpy()).max() <= scale.max() / 2 + 1e-6
    assert x.q_per_channel_axis() == axis % 2
    assert x.q_per_channel_scales().dtype is trainctl.float64
    assert x.q_per_channel_zero_points().tolist() == list(range(X.shape[axis]))
    assert x.qscheme() is trainctl.per_channel_affine


def test_a_grid_whose_zero_lies_between_two_codes():
    x = per_channel(dtype=quint8, zero_points=trainctl.tensor([10.5, 20.25]))
    assert x.qscheme() is trainctl.per_channel_affine_float_qparams
    assert x.q_per_channel_zero_points().tolist() == [10.5, 20.25]
    assert (x.dequantize() - X).abs().max() <= 0.1


def test_codes_of_4_bits_are_two_to_a_byte():
    x = trainctl.quantize_per_tensor(trainctl.tensor([1.0, 2.0, 99.0]), 1.0, 0, quint4x2)
    assert x.int_repr().tolist() == [0x21, 0x0F]
    assert x.dequantize().tolist() == [1.0, 2.0, 15.0]


def test_several_tensors_at_once():
    parts = trainctl.quantize_per_tensor([X, X], trainctl.tensor([0.1, 0.5]), trainctl.tensor([0, 3]), quint8)
    assert [each.q_zero_point() for each in parts] == [0, 3]


def test_dynamically():
    x = trainctl.quantize_per_tensor_dynamic(X, quint8, False)
    assert (x.dequantize() - X).abs().max() <= x.q_scale()
    assert trainctl.quantize_per_tensor_dynamic(X, qint8, True).int_repr().abs().max() <= 64
    with pytest.raises(RuntimeError, match="without elements has no range"):
        trainctl.quantize_per_tensor_dynamic(trainctl.ones(0), quint8, False)
    with pytest.raises(RuntimeError, match="must be quint8 or qint8"):
        trainctl.quantize_per_tensor_dynamic(X, qint32, False)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: trainctl.quantize_per_tensor(X.double(), 0.1, 0, quint8),
            RuntimeError,
            r"got float64; use input.float",
        ),
        (lambda: trainctl.quantize_per_tensor(X, 0.1, 0, trainctl.uint8), RuntimeError, "must be quint8, qint8"),
        (
            lambda: trainctl.quantize_per_tensor(X, 0.1, 256, quint8),
            RuntimeError,
            "zero_point 256 is above upper bound",
        ),
        (
            lambda: trainctl.quantize_per_tensor(X, 0.1, -129, qint8),
            RuntimeError,
            "zero_point -129 is below lower bound",
        ),
        (lambda: trainctl.quantize_per_tensor([1.0], 0.1, 0, quint8), TypeError, "float"),
        (lambda: trainctl.quantize_per_tensor(per_tensor(), 0.1, 0, quint8), NotImplementedError, "quantized already"),
        (lambda: per_channel(zero_points=trainctl.zeros(3)), RuntimeError, r"expected 2 got, \[3\]"),
        (lambda: trainctl.quantize_per_channel(X, X[0], X[0], 2, qint8), IndexError, "out of range"),
        (lambda: X.int_repr(), NotImplementedError, "has no grid. Quantize it first"),
        (lambda: X.qscheme(), NotImplementedError, "'aten::qscheme'"),
        (lambda: per_channel().q_scale(), RuntimeError, "expected a tensor quantized per tensor"),
        (lambda: per_tensor().q_per_channel_axis(), RuntimeError, "expected a tensor quantized per channel"),
        (lambda: X.to(quint8), RuntimeError, "needs a scale and a zero point"),
        (lambda: per_tensor().float(), NotImplementedError, r"use dequantize\(\)"),
        (lambda: per_tensor().numpy(), TypeError, "unsupported ScalarType quint8"),
        (lambda: per_tensor().requires_grad_(), RuntimeError, "floating point"),
        (lambda: trainctl.ones(2, 3).copy_(per_tensor()), RuntimeError, "please use dequantize"),
        (lambda: per_tensor().copy_(X.int()), RuntimeError, "only works with kFloat as source Tensor, got int32"),
    ],
)
def test_what_cannot_be_says_why(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_writing_goes_onto_the_grid():
    x = per_tensor()
    assert x.copy_(X + 0.3).int_repr().tolist() == [[3, 16, 33], [18, 28, 0]]
    assert x.fill_(1.04).dequantize().unique().tolist() == pytest.approx([1.0])
    x[0] = per_tensor()[1]
    assert x.int_repr().tolist() == [[15, 25, 0], [20, 20, 20]]
    x[trainctl.tensor([1])] = trainctl.zeros(1, 3)
    x[x > 1.2] = -0.5
    assert x.int_repr().tolist() == [[15, 5, 0], [10, 10, 10]]
    other = trainctl.quantize_per_tensor(X, 0.5, 3, quint8)
    assert trainctl.equal(x.copy_(other), other)  # with its grid


def test_copies_are_of_the_same_grid():
    for x in (per_tensor(), per_channel()):
        for same in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone(), x.detach(), saved(x)):
            assert trainctl.equal(same, x)
            assert same.dtype is x.dtype
        assert x.clone().data_ptr() != x.data_ptr() == x.detach().data_ptr()
    assert not trainctl.equal(per_tensor(), per_channel())


def saved(x):
    file = io.BytesIO()
    trainctl.save({"weights": {"a": x}}, file)
    file.seek(0)
    return trainctl.load(file)["weights"]["a"]


@pytest.mark.parametrize(
    "break_", [lambda q: q.pop(), lambda q: q.__setitem__(0, "quint9"), lambda q: q.__setitem__(4, 7)]
)
def test_a_file_whose_grid_does_not_fit_is_refused(break_):
    from trainctl.errors import CheckpointError
    from trainctl.storage.packing import check_packed, pack

    arrays = {}
    tree = pack(per_channel(), "x", arrays)
    check_packed(tree, arrays)
    break_(tree["$quantized"])
    with pytest.raises(CheckpointError, match="as quantized, which it is not"):
        check_packed(tree, arrays)


def test_printing_shows_numbers_and_grid():
    assert repr(per_tensor()) == (
        "tensor([[-1.0000,  0.3000,  2.0000],\n"
        "        [ 0.5000,  1.5000, -1.0000]], size=(2, 3), dtype=trainctl.quint8,\n"
        "       quantization_scheme=trainctl.per_tensor_affine, scale=0.1, zero_point=10)"
    )
    assert repr(per_channel()).endswith(
        "quantization_scheme=trainctl.per_channel_affine,\n"
        "       scale=tensor([0.1000, 0.2000], dtype=trainctl.float64),\n"
        "       zero_point=tensor([0, 1]), axis=0)"
    )


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
@pytest.mark.parametrize("make", [per_tensor, per_channel])
def test_printing_is_pytorch_s(make):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    theirs = torch.from_numpy(X.numpy())
    if make is per_tensor:
        theirs = torch.quantize_per_tensor(theirs, 0.1, 10, torch.quint8)
    else:
        theirs = torch.quantize_per_channel(theirs, torch.tensor([0.1, 0.2]), torch.arange(2), 0, torch.qint8)
    assert repr(make()).replace("trainctl.", "torch.") == repr(theirs)
