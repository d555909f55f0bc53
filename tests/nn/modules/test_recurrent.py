"""Recurrent layers and cells: PyTorch's parameters, forms of input, values, gradients and errors."""

from __future__ import annotations

import math
import random
import warnings

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()

LAYERS = ["RNN", "LSTM", "GRU"]
CELLS = ["RNNCell", "LSTMCell", "GRUCell"]


def filled(lib, name, *args, **kwargs):
    """Return a module whose parameters are fixed, in their order."""
    module = getattr(lib.nn, name)(*args, **kwargs)
    draw = np.random.RandomState(0)
    for parameter in module.parameters():
        parameter.data = lib.from_numpy(draw.uniform(-0.5, 0.5, tuple(parameter.shape))).to(parameter.dtype)
    return module


def drawn(lib, *shape, seed=1):
    return lib.from_numpy(np.random.RandomState(seed).standard_normal(shape)).requires_grad_()


def tensors(value):
    """Return all tensors of a module's output, in order."""
    if not isinstance(value, (tuple, list)):
        return [] if value is None else [value]
    return [each for part in value for each in tensors(part)]


def with_gradients(module, outputs, *leaves):
    """Return outputs and the gradients of everything that has one."""
    found = [each for each in tensors(outputs) if each.is_floating_point()]
    sum((each * each).sum() for each in found).backward()
    return [*found, *(each.grad for each in (*module.parameters(), *leaves))]


OPTIONS = [
    {}, {"bias": False}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True},
    {"batch_first": True}, {"num_layers": 3, "dropout": 0.0, "batch_first": True, "bias": False, "bidirectional": True},
]  # fmt: skip
ROWS = [(name, options) for name in LAYERS for options in OPTIONS]
ROWS += [("RNN", {"nonlinearity": "relu", "num_layers": 2}), ("LSTM", {"proj_size": 2}), ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True, "bias": False})]  # fmt: skip

for _name, _options in ROWS:

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def sequences(lib, name=_name, options=_options):
        module = filled(lib, name, 3, 4, dtype=lib.float64, **options)
        x = drawn(lib, 2, 5, 3)
        return with_gradients(module, module(x), x), list(module.state_dict()), repr(module)

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def first_states(lib, name=_name, options=_options):
        module = filled(lib, name, 3, 4, dtype=lib.float64, **options)
        count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
        x, batch = drawn(lib, 2, 5, 3), 2 if options.get("batch_first") else 5
        h, c = drawn(lib, count, batch, options.get("proj_size", 4), seed=2), drawn(lib, count, batch, 4, seed=3)
        hx = (h, c) if name == "LSTM" else h
        return with_gradients(module, module(x, hx), x, *tensors(hx))

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def one_sequence(lib, name=_name, options=_options):
        module = filled(lib, name, 3, 4, dtype=lib.float64, **options)
        x = drawn(lib, 5, 3)
        return with_gradients(module, module(x), x)

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def packed(lib, name=_name, options=_options):
        module = filled(lib, name, 3, 4, dtype=lib.float64, **options)
        count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
        x, h = drawn(lib, 4, 3, 3), drawn(lib, count, 3, options.get("proj_size", 4), seed=2)
        hx = (h, drawn(lib, count, 3, 4, seed=3)) if name == "LSTM" else h
        sequence = lib.nn.utils.rnn.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
        output, last = module(sequence, hx)
        return with_gradients(module, (output.data, last), x, *tensors(hx)), output.batch_sizes, output.unsorted_indices


CELL_OPTIONS = [(name, options) for name in CELLS for options in ({}, {"bias": False})]
CELL_OPTIONS.append(("RNNCell", {"nonlinearity": "relu"}))

for _name, _options in CELL_OPTIONS:

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def cells(lib, name=_name, options=_options):
        module = filled(lib, name, 3, 4, dtype=lib.float64, **options)
        x, h, c = drawn(lib, 2, 3), drawn(lib, 2, 4, seed=2), drawn(lib, 2, 4, seed=3)
        hx = (h, c) if name == "LSTMCell" else h
        outputs = [module(x), module(x, hx), module(x[0]), module(x[1], (h[0], c[0]) if name == "LSTMCell" else h[0])]
        return with_gradients(module, outputs, x, *tensors(hx)), list(module.state_dict()), repr(module)


for _name in LAYERS:

    @scripts.gives(([3, 0, 4], [1, 0, 4]))
    def a_batch_of_none(lib, name=_name):
        output, last = getattr(lib.nn, name)(2, 4)(lib.zeros(3, 0, 2))
        return list(output.shape), list(tensors(last)[0].shape)

    @scripts.gives(["lib.float64", "lib.float64", "lib.float32"])
    def dtypes(lib, name=_name):
        module = getattr(lib.nn, name)(2, 4)
        output, last = module.double()(lib.zeros(3, 1, 2, dtype=lib.float64))
        return [output.dtype, tensors(last)[0].dtype, module.float().weight_ih_l0.dtype]


# -- options and errors -----------------------------------------------------------------------------------


@scripts.agrees()
def texts(lib):
    n = lib.nn
    return [
        repr(n.LSTM(3, 4)),
        repr(n.LSTM(3, 4, 2, False, True, 0.5, True, 2)),
        repr(n.RNN(3, 4, 2, "relu", True, True)),
        repr(n.GRU(3, 4, bias=False)),
        repr(n.RNNCell(3, 4, False, "relu")),
        repr(n.GRUCell(3, 4)),
    ]


@scripts.gives(
    [
        4,
        [
            "weight_ih_l0",
            "weight_hh_l0",
            "bias_ih_l0",
            "bias_hh_l0",
            "weight_hr_l0",
            "weight_ih_l0_reverse",
            "weight_hh_l0_reverse",
            "bias_ih_l0_reverse",
            "bias_hh_l0_reverse",
            "weight_hr_l0_reverse",
        ],
        [16, 2],
    ]
)
def names_and_shapes(lib):
    module = lib.nn.LSTM(3, 4, bidirectional=True, proj_size=2)
    module.flatten_parameters()
    return [len(lib.nn.GRU(3, 4).all_weights[0]), list(module.state_dict()), list(module.all_weights[1][1].shape)]


@scripts.gives("dropout option adds dropout after all but last recurrent layer")
def dropout_of_one_layer(lib):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lib.nn.GRU(3, 4, dropout=0.5)
    return str(caught[0].message)[:62]


ERRORS = [
    (ValueError, "input_size must be greater than zero", "n.LSTM(0, 4)"),
    (ValueError, "hidden_size must be greater than zero", "n.GRU(3, 0)"),
    (ValueError, "num_layers must be greater than zero", "n.RNN(3, 4, 0)"),
    (TypeError, "input_size should be of type int, got: float", "n.LSTM(3.0, 4)"),
    (TypeError, "bias should be of type bool, got: int", "n.LSTM(3, 4, bias=1)"),
    (TypeError, "batch_first should be of type bool, got: int", "n.LSTM(3, 4, batch_first=1)"),
    (ValueError, "dropout should be a number in range", "n.LSTM(3, 4, 2, dropout=-0.1)"),
    (ValueError, "dropout should be a number in range", "n.LSTM(3, 4, 2, dropout=True)"),
    (ValueError, "proj_size has to be smaller than hidden_size", "n.LSTM(3, 4, proj_size=4)"),
    (ValueError, "proj_size should be a positive integer or zero", "n.LSTM(3, 4, proj_size=-1)"),
    (ValueError, "Unknown nonlinearity 'x'. Select from 'tanh' or 'relu'", "n.RNN(3, 4, nonlinearity='x')"),
    (RuntimeError, "Unknown nonlinearity: x", "n.RNNCell(3, 4, nonlinearity='x')(z(2, 3))"),
    (ValueError, "LSTM: Expected input to be 2D or 3D, got 1D", "n.LSTM(3, 4)(z(3))"),
    (ValueError, "GRU: Expected input to be 2D or 3D, got 4D", "n.GRU(3, 4)(z(1, 1, 1, 3))"),
    (RuntimeError, "must be equal to input_size. Expected 3, got 2", "n.GRU(3, 4)(z(5, 1, 2))"),
    (ValueError, r"RNN input dtype \(\w+.float64\) does not match weight dtype \(\w+.float32\)", "n.GRU(3, 4)(z(5, 1, 3).double())"),
    (RuntimeError, "For batched 3-D input, hx should also be 3-D but got 2-D", "n.GRU(3, 4)(z(5, 1, 3), z(1, 4))"),
    (RuntimeError, "For unbatched 2-D input, hx should also be 2-D but got 3-D", "n.GRU(3, 4)(z(5, 3), z(1, 1, 4))"),
    (RuntimeError, r"Expected hidden size \(1, 2, 4\), got \[1, 3, 4\]", "n.RNN(3, 4)(z(5, 2, 3), z(1, 3, 4))"),
    (RuntimeError, r"Expected hidden\[1\] size \(1, 2, 4\), got \[1, 2, 5\]", "n.LSTM(3, 4)(z(5, 2, 3), (z(1, 2, 4), z(1, 2, 5)))"),
    (RuntimeError, r"Expected hidden\[0\] size \(1, 2, 2\), got \[1, 2, 4\]", "n.LSTM(3, 4, proj_size=2)(z(5, 2, 3), (z(1, 2, 4), z(1, 2, 4)))"),
    (RuntimeError, "Expected sequence length to be larger than 0 in RNN", "n.LSTM(3, 4)(z(0, 2, 3))"),
    (RuntimeError, "must be equal to input_size. Expected 3, got 2", "n.GRU(3, 4)(n.utils.rnn.pack_sequence([z(2, 2)]))"),
    (ValueError, "GRUCell: Expected input to be 1D or 2D, got 3D", "n.GRUCell(3, 4)(z(1, 2, 3))"),
    (ValueError, "RNNCell: Expected hidden to be 1D or 2D, got 3D", "n.RNNCell(3, 4)(z(2, 3), z(1, 2, 4))"),
    (ValueError, r"LSTMCell: Expected hx\[1\] to be 1D or 2D, got 3D", "n.LSTMCell(3, 4)(z(2, 3), (z(2, 4), z(1, 2, 4)))"),
    (RuntimeError, "input has inconsistent input_size: got 2 expected 3", "n.LSTMCell(3, 4)(z(2, 2))"),
]  # fmt: skip

for _error, _match, _code in ERRORS:

    @scripts.raises(_error, _match)
    def errors(lib, code=_code):
        eval(code, {"n": lib.nn, "z": lib.zeros})


test_script = scripts.test()


def test_an_lstm_wants_both_states():
    with pytest.raises(TypeError, match=r"hx must be the pair \(h_0, c_0\), not Tensor"):
        nn.LSTM(3, 4)(trainctl.zeros(5, 2, 3), trainctl.zeros(1, 2, 4))
    with pytest.raises(TypeError, match="hx must be a Tensor, not tuple"):
        nn.GRU(3, 4)(trainctl.zeros(5, 2, 3), (trainctl.zeros(1, 2, 4),))


@pytest.mark.parametrize("name", LAYERS + CELLS)
def test_initial_weights_are_uniform_within_the_bound(name):
    trainctl.manual_seed(0)
    values = np.concatenate([each.detach().numpy().ravel() for each in getattr(nn, name)(64, 100).parameters()])
    assert np.abs(values).max() <= 0.1
    assert np.abs(values).max() > 0.0999
    assert np.std(values) == pytest.approx(0.1 / math.sqrt(3), rel=0.02)


def test_dropout_is_between_layers_and_in_training_alone():
    module = filled(trainctl, "GRU", 3, 4, num_layers=2, dropout=0.5)
    x = drawn(trainctl, 2, 5, 3).detach().float()
    evaluated = module.eval()(x)[0]
    assert trainctl.equal(evaluated, module(x)[0])
    assert not trainctl.equal(evaluated, module.train()(x)[0])
    module.dropout = 0.0
    assert trainctl.equal(evaluated, module(x)[0])


def test_a_weight_that_was_replaced_is_the_one_that_counts():
    module = nn.RNN(1, 1, bias=False)
    with trainctl.no_grad():
        module.weight_ih_l0 = nn.Parameter(trainctl.zeros(1, 1))
    assert module(trainctl.ones(2, 1, 1))[0].abs().sum().item() == 0


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # PyTorch takes its slower way
def test_random_layers_give_what_pytorch_gives():
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    draw = random.Random(0)
    for seed in range(60):
        name, inputs, size = draw.choice(LAYERS), draw.randint(1, 4), draw.randint(1, 5)
        options = {
            "num_layers": draw.randint(1, 2), "bias": draw.random() < 0.7, "bidirectional": draw.random() < 0.5,
            "batch_first": draw.random() < 0.5,
        }  # fmt: skip
        if name == "LSTM" and size > 1 and draw.random() < 0.5:
            options["proj_size"] = draw.randint(1, size - 1)
        lengths = [draw.randint(1, 5) for _ in range(draw.randint(1, 4))]
        padded = draw.random() < 0.5
        shape = (len(lengths), max(lengths)) if options["batch_first"] else (max(lengths), len(lengths))
        outcomes = []
        for lib in (trainctl, torch):
            module = filled(lib, name, inputs, size, **options)
            x = lib.from_numpy(
                np.random.RandomState(seed).standard_normal((*shape, inputs)).astype(np.float32)
            ).requires_grad_()
            given = x if padded else lib.nn.utils.rnn.pack_padded_sequence(x, lengths, options["batch_first"], False)
            output, last = module(given)
            outcomes.append(with_gradients(module, (output if padded else output.data, last), x))
        for mine, theirs in zip(*outcomes, strict=True):
            np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=2e-5)
