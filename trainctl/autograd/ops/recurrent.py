"""Recurrent networks over whole sequences: layers stacked, each a fused op in each direction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.ops.joining import cat, stack
from trainctl.autograd.ops.random import dropout as drop
from trainctl.autograd.ops.recurrent_elman import RNNLayer
from trainctl.autograd.ops.recurrent_gru import GRULayer
from trainctl.autograd.ops.recurrent_lstm import LSTMLayer
from trainctl.autograd.tensor import Tensor

MODES: dict[str, tuple[Any, dict[str, Any]]] = {
    "RNN_TANH": (RNNLayer, {"relu": False}),
    "RNN_RELU": (RNNLayer, {"relu": True}),
    "LSTM": (LSTMLayer, {}),
    "GRU": (GRULayer, {}),
}


def recurrent(
    mode: str,
    rows: Tensor,
    batch_sizes: Sequence[int],
    states: Sequence[Sequence[Tensor]],
    weights: Sequence[Sequence[Tensor | None]],
    dropout: float = 0.0,
    bidirectional: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the last layer's output for every row of packed sequences, and the last states of all layers.

    Args:
        mode: ``RNN_TANH``, ``RNN_RELU``, ``LSTM`` or ``GRU``.
        rows: the steps one after the other, ``[N, I]``; row i of each step belongs to sequence i.
        batch_sizes: how many rows each step has, never more than the one before it.
        states: for each layer and direction its first states, ``(h,)`` or, of an LSTM, ``(h, c)``: ``[B, H]``.
        weights: for each layer and direction ``w_ih, w_hh, b_ih, b_hh`` and, of an LSTM, ``w_hr``; None where there is none.
        dropout: probability that an element between two layers is zeroed.
        bidirectional: each layer runs in both directions, and their outputs are joined.

    Returns:
        ``[N, H]`` (``[N, 2H]`` in both directions), and each kind of last state, ``[layers * directions, B, H]``.

    Raises:
        RuntimeError: there is no step.

    Example:
        >>> import trainctl
        >>> h, w = trainctl.zeros(2, 1), trainctl.ones(1, 1)
        >>> output, (last,) = recurrent("RNN_RELU", trainctl.ones(5, 1), [2, 2, 1], [[h]], [[w, w, None, None]])
        >>> output.tolist(), last.tolist()
        ([[1.0], [1.0], [2.0], [2.0], [3.0]], [[[3.0], [2.0]]])
    """
    if not batch_sizes:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    op, options = MODES[mode]
    steps = _steps(batch_sizes)
    directions = (steps, steps[::-1]) if bidirectional else (steps,)
    lasts: list[list[Tensor]] = []
    for start in range(0, len(weights), len(directions)):
        if start and dropout:
            rows = drop(rows, dropout)
        outputs = []
        for number, order in enumerate(directions, start):
            output, *others = op.apply(rows, *states[number], *weights[number], steps=order, **options)
            outputs.append(output)
            lasts.append(others[: len(states[number])])
        rows = cat(outputs, 1) if bidirectional else outputs[0]
    return rows, tuple(map(stack, zip(*lasts, strict=True)))


def _steps(batch_sizes: Sequence[int]) -> tuple[slice, ...]:
    """Return the rows of each step."""
    ends = [0, *itertools.accumulate(batch_sizes)]
    return tuple(itertools.starmap(slice, itertools.pairwise(ends)))
