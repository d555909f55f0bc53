"""Recurrent layers: LSTM, GRU and RNN, whose gates ONNX has in another order."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops import recurrent_elman, recurrent_gru, recurrent_lstm
from trainctl.onnx.operands import Applied
from trainctl.onnx.sizes import Size, merged


def _steps(a: Applied) -> tuple[Any, str]:
    """Return how many steps there are, and the direction."""
    steps = a.steps
    if steps and isinstance(steps[0], tuple):  # of each trace its own: the number of steps follows the input
        count, first = merged([len(each) for each in steps]), steps[0]
    else:
        count, first = len(steps), steps
    if len({merged([each.stop - each.start]) for each in first}) > 1:
        raise a.unsupported("packed sequences of several lengths; give padded ones")
    backward = isinstance(first[0].start, Size) or first[0].start != 0
    return count, "reverse" if backward else "forward"


def _gates(a: Applied, name: str | None, order: tuple[int, ...]) -> str | None:
    """Return a weight or bias with its gates in ONNX's order."""
    if name is None or len(order) == 1:
        return name
    g, size = a.graph, a.inputs[1].shape[-1] if len(order) == 3 else a.inputs[2].shape[-1]
    parts = g.ops("Split", len(order), name, g.shape([size] * len(order)), axis=0)
    return g.op("Concat", *(parts[number] for number in order), axis=0)


def _layer(a: Applied, kind: str, states: int, order: tuple[int, ...], **more: Any) -> tuple[str, ...]:
    """Write a layer in one direction: ``y``, then each kind of last state."""
    g, x = a.graph, a.inputs[0]
    batch, hidden = a.inputs[1].shape
    count, direction = _steps(a)
    rows = g.reshape(a.x, [count, batch, x.shape[1]])
    first = 1 + states
    weights = [g.unsqueeze(_gates(a, a.name(first + number), order) or "", [0]) for number in range(2)]
    biases = [_gates(a, a.name(first + 2 + number), order) for number in range(2)]
    bias = None
    if any(biases):
        zero = g.constant([0.0] * (len(order) * hidden), x.dtype)
        bias = g.unsqueeze(g.op("Concat", *(each or zero for each in biases), axis=0), [0])
    given = [g.unsqueeze(a.name(1 + number), [0]) for number in range(states)]
    found = g.ops(kind, 1 + states, rows, *weights, bias, None, *given, hidden_size=hidden, direction=direction, **more)
    y = g.reshape(found[0], [x.shape[0], hidden])
    return (y, *(g.squeeze(each, [0]) for each in found[1:]), *[""] * (len(a.outputs) - 1 - states))


def lstm(a: Applied) -> tuple[str, ...]:
    """``LSTM``: gates i, f, g, o become i, o, f, g."""
    if a.inputs[7] is not None:
        raise a.unsupported("proj_size: ONNX's LSTM has no projection; put a Linear behind it")
    return _layer(a, "LSTM", 2, (0, 3, 1, 2))


def gru(a: Applied) -> tuple[str, ...]:
    """``GRU``: gates r, z, n become z, r, n."""
    return _layer(a, "GRU", 1, (1, 0, 2), linear_before_reset=1)


def rnn(a: Applied) -> tuple[str, ...]:
    """``RNN``."""
    return _layer(a, "RNN", 1, (0,), activations=["Relu" if a.relu else "Tanh"])


CONVERTERS = {
    recurrent_lstm.LSTMLayer: lstm,
    recurrent_gru.GRULayer: gru,
    recurrent_elman.RNNLayer: rnn,
}
