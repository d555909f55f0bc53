"""How a tensor is shown: PyTorch's layout, four digits."""

from __future__ import annotations

import math
from collections.abc import Callable
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
    array = tensor._xp.to_host(tensor._array)
    heading = "Parameter containing:\n" if type(tensor).__name__ == "Parameter" else ""
    return heading + _with_notes("tensor(" + _elements(array), _notes(tensor))


def _elements(array: Any) -> str:
    if array.size == 0:
        return "[]"
    summarized = array.size > THRESHOLD
    return _nested(array, _format_for(_edges(array) if summarized else array), len("tensor("), summarized)


def _notes(tensor: Tensor) -> list[str]:
    """Return what follows the elements: where they are, what they do not show, and the place in the graph."""
    notes = []
    if tensor.is_cuda:
        notes.append(f"device='{tensor.device}'")
    default, empty = dtypes.get_default_dtype(), tensor.numel() == 0
    if (empty and tensor.ndim != 1) or tensor.dtype.is_quantized:
        notes.append(f"size={tuple(tensor.shape)}")
    shown = {default} if empty else {default, default.to_complex(), dtypes.int64, dtypes.bool_}
    if tensor.dtype not in shown:
        notes.append(f"dtype={tensor.dtype}")
    if tensor.dtype.is_quantized:
        notes += _grid(tensor)
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{type(tensor.grad_fn).name()}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return notes


def _grid(tensor: Tensor) -> list[str]:
    """Return how a quantized tensor's codes stand for numbers."""
    scheme = f"quantization_scheme={tensor.qscheme()}"
    if tensor._array.axis is None:
        return [scheme, f"scale={tensor.q_scale()}", f"zero_point={tensor.q_zero_point()}"]
    scales, zero_points = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
    return [scheme, f"scale={scales}", f"zero_point={zero_points}", f"axis={tensor._array.axis}"]


def _with_notes(text: str, notes: list[str]) -> str:
    """Return the text with the notes behind it, each on a line of its own where the line would grow too long."""
    indent = len("tensor(")
    length = len(text) - text.rfind("\n") + 1
    for note in notes:
        size = len(note.replace("trainctl.", "torch."))  # lines break where PyTorch's do, whose name is shorter
        if length + size + len(", ") > WIDTH:
            text += ",\n" + " " * indent + note
            length = indent + size
        else:
            text += ", " + note
            length += len(", ") + size
    return text + ")"


def _edges(array: Any) -> Any:
    """Return the elements that a summary prints: those at the edges of each dim."""
    for dim, size in enumerate(array.shape):
        if size > 2 * EDGE:
            array = array.take([*range(EDGE), *range(size - EDGE, size)], axis=dim)
    return array


class _Plain:
    """Integers and truth values, as wide as the widest."""

    def __init__(self, array: Any) -> None:
        self.width = max(len(str(each)) for each in array.ravel().tolist())

    def __call__(self, value: Any) -> str:
        return str(value).rjust(self.width)


class _Floats:
    """One format for all elements: whole numbers, fixed point or powers of ten, by PyTorch's rule."""

    def __init__(self, array: Any) -> None:
        usable = array[numpy.isfinite(array) & (array != 0)].astype(numpy.float64)
        self.whole, self.scientific, self.width = True, False, 1
        if usable.size:
            low, high = numpy.abs(usable).min(), numpy.abs(usable).max()
            self.whole = bool((usable == numpy.ceil(usable)).all())
            self.scientific = bool(high > 1000.0 * low or high > 1.0e8 or low < 1.0e-4)
            self.width = max(len(self(each)) for each in usable.tolist())

    def __call__(self, value: float) -> str:
        if self.scientific:
            text = f"{value:.{PRECISION}e}"
        elif self.whole:
            text = f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
        else:
            text = f"{value:.{PRECISION}f}"
        return text.rjust(self.width)


class _Complex:
    """Real and imaginary parts, each in a format of its own."""

    def __init__(self, array: Any) -> None:
        self.real, self.imag = _Floats(array.real), _Floats(array.imag)
        self.width = self.real.width + self.imag.width + len("j")

    def __call__(self, value: complex) -> str:
        imag = self.imag(value.imag).lstrip()
        return self.real(value.real) + (imag if imag[0] == "-" else "+" + imag) + "j"


_Format = _Plain | _Floats | _Complex


def _format_for(array: Any) -> _Format:
    kinds: dict[str, Callable[[Any], _Format]] = {"f": _Floats, "c": _Complex}
    return kinds.get(array.dtype.kind, _Plain)(array)


def _nested(array: Any, form: _Format, indent: int, summarized: bool) -> str:
    if array.ndim == 0:
        return form(array.item())
    skips = summarized and len(array) > 2 * EDGE
    ends = [array[:EDGE], array[-EDGE:]] if skips else [array]
    if array.ndim == 1:
        parts = [[form(each) for each in end.tolist()] for end in ends]
        return _lines([*parts[0], " ...", *parts[1]] if skips else parts[0], form.width, indent)
    rows = [[_nested(row, form, indent + 1, summarized) for row in end] for end in ends]
    listed = [*rows[0], "...", *rows[1]] if skips else rows[0]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(listed) + "]"


def _lines(values: list[str], width: int, indent: int) -> str:
    """Return one row, broken where it grows too long."""
    room = max(1, (WIDTH - indent) // (width + len(", ")))
    lines = [", ".join(values[start : start + room]) for start in range(0, len(values), room)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
