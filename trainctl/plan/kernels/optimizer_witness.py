"""What an optimizer's step looked at, to see whether the next one would do the same."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer

_PLAIN = (bool, int, float, str, type(None))
_ARRAY, _VALUES, _END = operator.attrgetter("_array"), operator.methodcaller("values"), object()


class Witness:
    """An optimizer's groups, their parameters and options, its state, and where all of these have their elements.

    Args:
        optimizer: the optimizer.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._groups = list(optimizer.param_groups)
        self._lists = [group["params"] for group in self._groups]
        self._states = list(optimizer.state.values())
        kept = [each for state in self._states for each in state.values()]
        options = [value for group in self._groups for name, value in group.items() if name != "params"]
        self._can_be_told = all(map(_is_constant, options)) and all(
            isinstance(each, (Tensor, *_PLAIN)) for each in kept
        )
        self._tensors = [each for each in (*itertools.chain(*self._lists), *kept) if isinstance(each, Tensor)]
        self._content = list(self._everything())

    def holds(self) -> bool:
        """Return whether everything is what it was and where it was."""
        return self._can_be_told and all(map(operator.is_, self._everything(), self._content))

    def _everything(self) -> Iterator[Any]:
        """Return the objects; one less or more moves the end."""
        optimizer = self._optimizer
        return itertools.chain(
            optimizer.param_groups,
            itertools.chain.from_iterable(map(_VALUES, self._groups)),
            itertools.chain.from_iterable(self._lists),
            optimizer.state.values(),
            itertools.chain.from_iterable(map(_VALUES, self._states)),
            map(_ARRAY, self._tensors),
            (_END,),
        )


def _is_constant(value: Any) -> bool:
    """Return whether a value stays what it is while it is the same object."""
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_is_constant, value)))
