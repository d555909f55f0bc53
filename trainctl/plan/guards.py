"""What has to be as it was for a plan to be what the step would do."""

from __future__ import annotations

import itertools
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import get_default_dtype

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_VALUES, _FLAG, _END = operator.methodcaller("values"), operator.attrgetter("_requires_grad"), object()
_LIBRARY = (types.ModuleType, types.FunctionType, type)  # what their names stand for does not change
_TABLES = (
    "_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks", "_backward_hooks",
    "_backward_pre_hooks",
)  # fmt: skip


class Unhashable(Exception):
    """An argument that no plan can be chosen by."""


def signature(args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Tensor]) -> Any:
    """Return what a plan is chosen by, and append the tensors among the arguments to ``tensors``.

    Raises:
        Unhashable: an argument is neither a tensor, nor plain, nor made of such.
    """
    return (
        tuple(_described(each, tensors) for each in args),
        tuple((name, _described(kwargs[name], tensors)) for name in sorted(kwargs)),
        state.grad,
        state.inference,
        get_default_dtype(),
    )


def _described(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, Tensor):
        same = -1
        for place, each in enumerate(tensors):
            if each is value:
                same = place
                break
        tensors.append(value)
        array = value._array
        return (
            "tensor", type(array), array.shape, array.dtype, array.strides, value.requires_grad, value.is_leaf, same,
        )  # fmt: skip
    if isinstance(value, (list, tuple)):
        return type(value), tuple(_described(each, tensors) for each in value)
    if isinstance(value, dict):
        return dict, tuple((key, _described(each, tensors)) for key, each in value.items())
    if isinstance(value, _PLAIN):
        return type(value), value
    raise Unhashable(type(value).__name__)


class Surroundings:
    """The modules that a step calls, their modes and parameters, and what its function's own names stand for.

    Names are those that the code of ``fn`` itself reads: of variables around it, and of attributes of the objects there.

    Args:
        fn: the function.
        modules: the modules.
        kept: the tensors that it reads without being given them.
    """

    def __init__(self, fn: Callable[..., Any], modules: list[Any], kept: list[Tensor]) -> None:
        self._modules = [(module, _state_of(module)) for module in modules]
        self._tables = [module.__dict__ for module in modules]
        self._tables += [fields[table] for fields in self._tables for table in _TABLES]
        self._empty = [table for table in self._tables if not table]
        self._tables = [table for table in self._tables if table] + [{"": _END}]
        self._content = list(self._everything())
        self._cells = [(cell, _content(cell)) for cell in getattr(fn, "__closure__", None) or ()]
        scope = getattr(fn, "__globals__", {})
        names = getattr(getattr(fn, "__code__", None), "co_names", ())
        holders = [scope, getattr(getattr(fn, "__self__", None), "__dict__", {})]
        objects = [content for _, content in self._cells] + [scope[name] for name in names if name in scope]
        holders += [vars(each) for each in objects if hasattr(each, "__dict__") and not isinstance(each, _LIBRARY)]
        self._named = [(holder, name, holder[name]) for holder in holders for name in names if name in holder]
        self._kept, self._flags = kept, [tensor._requires_grad for tensor in kept]

    def changed(self) -> bool:
        """Return whether anything is not what it was."""
        # an object less or more moves the end
        if any(self._empty) or not all(map(operator.is_, self._everything(), self._content)):
            for module, then in self._modules:
                if not _same(_state_of(module), then):
                    return True
        for cell, content in self._cells:
            if _differ(_content(cell), content):
                return True
        for holder, name, content in self._named:
            if holder.get(name) is not content and _differ(holder.get(name), content):
                return True
        return list(map(_FLAG, self._kept)) != self._flags

    def _everything(self) -> Iterator[Any]:
        """Return everything that the modules hold: their attributes and, one level down, their tables."""
        return itertools.chain.from_iterable(map(_VALUES, self._tables))


def _state_of(module: Any) -> tuple[list[Any], list[Any]]:
    fields = module.__dict__
    return list(fields.values()), [each for table in _TABLES for each in fields[table].values()]


def _same(now: tuple[list[Any], list[Any]], then: tuple[list[Any], list[Any]]) -> bool:
    for a, b in zip(now, then, strict=True):
        if len(a) != len(b):
            return False
        for one, other in zip(a, b, strict=True):
            if _differ(one, other):
                return False
    return True


def _differ(now: Any, then: Any) -> bool:
    """Return whether a name stands for something else than before: another object, or another plain value."""
    return now is not then and not (isinstance(now, _PLAIN) and type(now) is type(then) and now == then)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
