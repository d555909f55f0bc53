"""Recurrent layers whose inputs and states are brought to a grid when they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from trainctl.autograd.ops.joining import cat, stack
from trainctl.autograd.ops.quantized_dynamic import LinearOfOneGrid
from trainctl.autograd.ops.random import dropout
from trainctl.autograd.tensor import Tensor
from trainctl.nn.quantized import recurrent
from trainctl.nn.quantized.dynamic.gates import STEPS
from trainctl.nn.quantized.observed import whole
from trainctl.nn.quantized.recurrent import _Recurrent
from trainctl.nn.quantized.weighted import as_integers


class _Dynamic(_Recurrent):
    """What they share.

    Attributes:
        per_row: take no grids for inputs and states, whose elements then are of no account to each other: the recurrence
            runs in float32, as that of :class:`trainctl.nn.quantized.LSTM`.
    """

    per_row = False

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False, *, per_row: bool = False) -> Self:
        """Return the quantized form of a float layer.

        Its weights are observed as its ``qconfig`` says; else each row has a grid of its own if ``per_row``, and there is
        one for all if not.

        Raises:
            TypeError: another kind of layer.
        """
        made = super().from_float(mod)
        made.per_row = per_row
        if not per_row and getattr(mod, "qconfig", None) is None:
            for name, weight in mod.named_parameters(recurse=False):
                if name.startswith("weight"):
                    recurrent.keep(made, name, whole(weight.detach().float()))
        return made

    def _run(
        self, rows: Tensor, batch_sizes: Sequence[int], given: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.per_row or not batch_sizes:
            return super()._run(rows, batch_sizes, given)
        first = self._first_states(rows, batch_sizes[0], given)
        ends = [sum(batch_sizes[: number + 1]) for number in range(len(batch_sizes))]
        steps = [slice(end - size, end) for end, size in zip(ends, batch_sizes, strict=True)]
        orders = (steps, steps[::-1]) if self.bidirectional else (steps,)
        lasts: list[tuple[Tensor, ...]] = []
        for start in range(0, len(self._all_weights), len(orders)):
            rows = dropout(rows, self.dropout) if start and self.dropout and self.training else rows
            outputs = []
            for number, order in enumerate(orders, start):
                output, last = self._direction(rows, order, first[number], self._all_weights[number])
                outputs.append(output)
                lasts.append(last)
            rows = cat(outputs, 1) if self.bidirectional else outputs[0]
        return rows, tuple(map(stack, zip(*lasts, strict=True)))

    def _direction(
        self, rows: Tensor, order: Sequence[slice], states: tuple[Tensor, ...], names: Sequence[str]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the output for each row and the last states of one layer in one direction."""
        of_input = self._product(rows, names, "ih")
        outputs: dict[int, Tensor] = {}
        for step in order:
            count = step.stop - step.start
            running = tuple(each[:count] for each in states)
            new = STEPS[self.mode](of_input[step], self._product(running[0], names, "hh"), running)
            if self.proj_size:
                new = (self._product(new[0], names, "hr"), *new[1:])
            states = tuple(cat([each, before[count:]]) for each, before in zip(new, states, strict=True))
            outputs[step.start] = new[0]
        return cat([outputs[start] for start in sorted(outputs)]), states

    def _product(self, x: Tensor, names: Sequence[str], part: str) -> Tensor:
        """Return a product with a layer's weights, and its bias if it has one."""
        name = next(each for each in names if each.startswith(f"weight_{part}"))
        bias = [getattr(self, each) for each in names if each.startswith(f"bias_{part}")]
        return LinearOfOneGrid.apply(x, *bias, weights=self._integers(name))

    def _integers(self, name: str) -> Any:
        state = recurrent.state_of(self._buffers[f"{name}_{part}"] for part in ("codes", "scale", "zero_point"))
        key = f"{name} in integers"
        if key not in self._numbers or self._numbers[key][0] != state:
            self._numbers[key] = state, as_integers(self, name)
        return self._numbers[key][1]

    def _get_name(self) -> str:
        return f"DynamicQuantized{self.mode.partition('_')[0]}"


class RNN(_Dynamic, recurrent.RNN):
    """:class:`trainctl.nn.RNN` with weights of int8, its inputs and states brought to grids when they are seen.

    Example:
        >>> import trainctl
        >>> output, last = RNN(3, 4)(trainctl.ones(5, 2, 3))
        >>> output.shape, last.shape
        (trainctl.Size([5, 2, 4]), trainctl.Size([1, 2, 4]))
    """


class LSTM(_Dynamic, recurrent.LSTM):
    """:class:`trainctl.nn.LSTM` with weights of int8, its inputs and states brought to grids when they are seen.

    Example:
        >>> import trainctl
        >>> output, (h, c) = LSTM(3, 4)(trainctl.ones(5, 2, 3))
        >>> output.shape, c.shape
        (trainctl.Size([5, 2, 4]), trainctl.Size([1, 2, 4]))
    """


class GRU(_Dynamic, recurrent.GRU):
    """:class:`trainctl.nn.GRU` with weights of int8, its inputs and states brought to grids when they are seen.

    Example:
        >>> import trainctl
        >>> output, last = GRU(3, 4)(trainctl.ones(5, 2, 3))
        >>> output.shape, last.shape
        (trainctl.Size([5, 2, 4]), trainctl.Size([1, 2, 4]))
    """


class _ChainRNN(recurrent._ChainRNN, RNN):
    pass


class _ChainLSTM(recurrent._ChainLSTM, LSTM):
    pass


class _ChainGRU(recurrent._ChainGRU, GRU):
    pass


recurrent._IN_CHAIN.update({RNN: _ChainRNN, LSTM: _ChainLSTM, GRU: _ChainGRU})
