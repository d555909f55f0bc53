"""What an optimizer's step looked at, to see whether the next one would do the same with other numbers."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer

_PLAIN = (bool, int, float, str, type(None))
_ARRAY, _VALUES, _END = operator.attrgetter("_array"), operator.methodcaller("values"), object()
_PARAMETERS = operator.itemgetter("params")


class Witness:
    """An optimizer's groups, their parameters, its state, and where all of these have their elements.

    Args:
        optimizer: the optimizer.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._groups = list(optimizer.param_groups)
        self._lists = [group["params"] for group in self._groups]
        self._states = list(optimizer.state.values())
        kept = [each for state in self._states for each in state.values()]
        self._is_known = all(isinstance(each, (Tensor, *_PLAIN)) for each in kept)
        self._tensors = [each for each in (*itertools.chain(*self._lists), *kept) if isinstance(each, Tensor)]
        self._content = list(self._everything())

    def holds(self) -> bool:
        """Return whether everything is what it was and where it was."""
        return self._is_known and all(map(operator.is_, self._everything(), self._content))

    def _everything(self) -> Iterator[Any]:
        """Return the objects; one less or more moves the end."""
        optimizer = self._optimizer
        return itertools.chain(
            optimizer.param_groups,
            map(_PARAMETERS, self._groups),
            itertools.chain.from_iterable(self._lists),
            optimizer.state.values(),
            itertools.chain.from_iterable(map(_VALUES, self._states)),
            map(_ARRAY, self._tensors),
            (_END,),
        )


class Options:
    """The values of an optimizer's groups: rates, decays and switches.

    Args:
        optimizer: the optimizer.

    Attributes:
        are_constant: whether each of them stays what it is while it is the same object.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._content = [*self._everything()]
        values = (value for group in optimizer.param_groups for name, value in group.items() if name != "params")
        self.are_constant = all(map(_is_constant, values))

    def hold(self) -> bool:
        """Return whether all are the same objects."""
        return all(map(operator.is_, self._everything(), self._content))

    def _everything(self) -> Iterator[Any]:
        return itertools.chain(itertools.chain.from_iterable(map(_VALUES, self._optimizer.param_groups)), (_END,))


def _is_constant(value: Any) -> bool:
    """Return whether a value stays what it is while it is the same object."""
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_is_constant, value)))
