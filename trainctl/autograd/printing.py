"""How a tensor is shown: PyTorch's layout, four digits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy

from trainctl.backend import dtypes

if TYPE_CHECKING:
    from trainctl.autograd.tensor import Tensor

PRECISION, THRESHOLD, EDGE, WIDTH = 4, 1000, 3, 80


def tensor_text(tensor: Tensor) -> str:
    """Return the text of ``repr(tensor)``.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1.5, 2.0])
        tensor([1.5000, 2.0000])
    """
    array = tensor.detach()._xp.to_host(tensor._array)
    opening = "Parameter containing:\ntensor(" if type(tensor).__name__ == "Parameter" else "tensor("
    tail = []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            tail.append(f"size={tuple(array.shape)}")
    else:
        body = _nested(array, _Format(_shown(array)), len("tensor("))
    default = {
        dtypes.get_default_dtype(),
        dtypes.int64,
        dtypes.bool_,
        dtypes.get_default_dtype().to_complex(),
    }
    if tensor.dtype not in default or (array.size == 0 and tensor.dtype is not dtypes.get_default_dtype()):
        tail.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        tail.append(f"grad_fn=<{type(tensor.grad_fn).name()}>")
    elif tensor.requires_grad:
        tail.append("requires_grad=True")
    return opening + ", ".join([body, *tail]) + ")"


def _shown(array: Any) -> Any:
    """Return the elements that are printed: all, or those at the edges of each dim."""
    if array.size <= THRESHOLD:
        return array
    for dim, size in enumerate(array.shape):
        if size > 2 * EDGE:
            keep = [*range(EDGE), *range(size - EDGE, size)]
            array = array.take(keep, axis=dim)
    return array


class _Format:
    """One format for all elements of a tensor, as wide as the widest."""

    def __init__(self, array: Any) -> None:
        self.kind = array.dtype.kind
        self.scientific = self.whole = False
        self.width = 0
        if self.kind == "f":
            self._choose(array)
        if self.kind == "c":
            self.parts = _Format(array.real.copy()), _Format(array.imag.copy())
        else:
            self.width = max(len(self.number(each)) for each in array.ravel().tolist())

    def _choose(self, array: Any) -> None:
        """Decide on whole numbers, fixed point or powers of ten, by PyTorch's rule."""
        usable = numpy.abs(array[numpy.isfinite(array) & (array != 0)].astype(numpy.float64))
        if usable.size == 0:
            return
        low, high = usable.min(), usable.max()
        self.whole = bool((usable == numpy.ceil(usable)).all())
        self.scientific = high / low > 1000.0 or high > 1.0e8 or (low < 1.0e-4 and not self.whole)

    def number(self, value: Any) -> str:
        """Return one element without padding."""
        if self.kind != "f":
            return str(value)
        if not math.isfinite(value):
            return str(value)
        if self.scientific:
            return f"{value:.{PRECISION}e}"
        return f"{value:.0f}." if self.whole else f"{value:.{PRECISION}f}"

    def __call__(self, value: Any) -> str:
        if self.kind == "c":
            real, imag = (form(part) for form, part in zip(self.parts, (value.real, abs(value.imag)), strict=True))
            return real + ("-" if value.imag < 0 else "+") + imag.lstrip() + "j"
        return self.number(value).rjust(self.width)


def _nested(array: Any, form: _Format, indent: int) -> str:
    if array.ndim == 0:
        return form(array.item())
    if array.ndim == 1:
        return _row(array, form, indent)
    summarized = array.size > THRESHOLD and array.shape[0] > 2 * EDGE
    rows = [*array[:EDGE], None, *array[-EDGE:]] if summarized else list(array)
    texts = ["..." if row is None else _nested_row(row, form, indent + 1) for row in rows]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def _nested_row(row: Any, form: _Format, indent: int) -> str:
    return _nested(row, form, indent)


def _row(array: Any, form: _Format, indent: int) -> str:
    summarized = len(array) > 2 * EDGE and array.size > THRESHOLD
    values = [form(each) for each in (array[:EDGE] if summarized else array).tolist()]
    if summarized:
        values += [" ..."] + [form(each) for each in array[-EDGE:].tolist()]
    room = max(1, (WIDTH - indent) // (max(len(values[0]), 1) + 2))
    lines = [", ".join(values[start : start + room]) for start in range(0, len(values), room)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
