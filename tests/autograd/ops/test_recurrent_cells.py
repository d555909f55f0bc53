"""Recurrent cells against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table


def cell(gates, pair=False, batch=2, size=4, **kind):
    """Return the cases of a cell with so many gates: batch sizes, dtypes, layouts, biases or none."""

    def call(batch, size, inputs, *biases, layout="", **kind):
        state = A(batch, size, **kind)
        hx = [state, A(batch, size, **kind)] if pair else state
        weights = A(gates * size, inputs, layout=layout, **kind), A(gates * size, size, layout=layout, **kind)
        return case(
            A(batch, inputs, layout=layout, **kind),
            hx,
            *weights,
            *(A(gates * size, **kind) if each else None for each in biases),
        )

    return [
        call(2, 4, 3, True, True), call(2, 4, 3), call(1, 1, 1, True, True), call(0, 4, 3, True, True), call(3, 2, 1, True, None),
        call(3, 2, 5, None, True), call(2, 4, 3, True, True, dtype="float64"), call(2, 3, 4, True, True, layout="T"),
        call(2, 3, 4, True, True, layout="step"), call(2, 2, 3, True, True, low=-30.0, high=30.0),
    ]  # fmt: skip


ROWS = [
    Row("rnn_tanh_cell", cell(1)),
    Row("rnn_relu_cell", cell(1)),
    Row("lstm_cell", cell(4, pair=True)),
    Row("gru_cell", cell(3), atol=5e-6),
]

X, W, U = A(2, 3), A(4, 3), A(4, 4)
REFUSALS = [
    Refusal("rnn_tanh_cell", case(A(2, 5), A(2, 4), W, U), RuntimeError, "input has inconsistent input_size: got 5 expected 3"),
    Refusal("rnn_relu_cell", case(X, A(2, 5), W, U), RuntimeError, "hidden0 has inconsistent hidden_size: got 5, expected 4"),
    Refusal("rnn_tanh_cell", case(X, A(3, 4), W, U), RuntimeError, "Input batch size 2 doesn't match hidden0 batch size 3"),
    Refusal("rnn_tanh_cell", case(X, A(2, 4, dtype="float64"), W, U), RuntimeError, "dtype"),
    Refusal("lstm_cell", case(X, [A(2, 1), A(2, 2)], W, A(4, 1)), RuntimeError, "hidden1 has inconsistent hidden_size: got 2, expected 1"),
    Refusal("lstm_cell", case(X, [A(2, 1), A(1, 1)], W, A(4, 1)), RuntimeError, "Input batch size 2 doesn't match hidden1 batch size 1"),
    Refusal("gru_cell", case(X, A(1, 4), A(12, 3), A(12, 4)), RuntimeError, "Input batch size 2 doesn't match hidden0 batch size 1"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("recurrent_cells", ROWS, REFUSALS)
