"""Padding: what stands around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import checked, refuse
from trainctl.autograd.ops.shape import contiguous, narrow
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "constant_pad_nd"
FUNCTIONAL = "pad"


class ConstantPad(Op):
    """``sides``: (before, after) for each dim, none negative."""

    sides: tuple[tuple[int, int], ...]
    value: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        if out is None:
            shape = tuple(size + a + b for size, (a, b) in zip(x.shape, self.sides, strict=True))
            out = self.xp.empty(shape, x.dtype)
        out[...] = self.value
        out[tuple(slice(a, a + size) for size, (a, _) in zip(x.shape, self.sides, strict=True))] = x
        return out

    def backward(self, gy: Tensor) -> Any:
        return constant_pad_nd(gy, [-each for pair in reversed(self.sides) for each in pair])


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """Return the tensor with ``value`` around it.

    Args:
        input: any shape.
        pad: (before, after) for the last dim, then for the one before it, ...; negative: cut off.
        value: what to fill with.

    Raises:
        RuntimeError: an odd number of sides, more than the dims have, a cut larger than the dim, or a value that
            ``input`` cannot hold.

    Example:
        >>> import trainctl
        >>> constant_pad_nd(trainctl.ones(2), (1, 0))
        tensor([0., 1., 1.])
    """
    ndim = input._array.ndim
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. Pad length is {len(pad)} "
            f"while the input has {ndim} dimensions."
        )
    value = checked(value, input._array.dtype)
    sides = [(0, 0)] * ndim
    for number in range(len(pad) // 2):
        sides[ndim - 1 - number] = (int(pad[2 * number]), int(pad[2 * number + 1]))
    for dim, (before, after) in enumerate(sides):
        cut = (max(-before, 0), max(-after, 0))
        if any(cut):
            size = input._array.shape[dim]
            if sum(cut) > size or size + before + after < 0:
                raise RuntimeError(
                    f"The input size {size}, plus negative padding {before} and {after}, resulted in a negative output size"
                )
            input = narrow(input, dim, cut[0], size - sum(cut))
    kept = tuple((max(before, 0), max(after, 0)) for before, after in sides)
    if not any(side for pair in kept for side in pair):
        return input.clone()
    return ConstantPad.apply(input, sides=kept, value=value)


class PadAlong(Op):
    """One dim, continued on both sides by what is in it."""

    moves_elements = True
    dim: int
    mode: str
    before: int
    after: int

    def forward(self, x: Any, out: Any = None) -> Any:
        size = x.shape[self.dim]
        if out is None:
            shape = (*x.shape[: self.dim], self.before + size + self.after, *x.shape[self.dim + 1 :])
            out = self.xp.empty(shape, x.dtype)
        out[self.at(slice(self.before, self.before + size))] = x
        for side, source in self.sides(size):
            out[side] = x[source]
        return out

    def at(self, place: slice) -> tuple[slice, ...]:
        """Return the index of a place along the dim."""
        return (*[slice(None)] * self.dim, place)

    def sides(self, size: int) -> list[tuple[Any, Any]]:
        """Return for each side its place in the output and what of the input stands there."""
        before, after = self.before, self.after
        left, right = {
            "reflect": (slice(before, 0, -1), slice(size - 2, size - 2 - after if size - 2 >= after else None, -1)),
            "replicate": (slice(0, 1), slice(size - 1, size)),
            "circular": (slice(size - before, size), slice(0, after)),
        }[self.mode]
        places = ((before, slice(0, before), left), (after, slice(before + size, None), right))
        return [(self.at(place), self.at(source)) for count, place, source in places if count]

    def backward(self, gy: Tensor) -> Any:
        return PadAlongGradient.apply(gy, **self.params)


class PadAlongGradient(PadAlong):
    """Each element with what became of it on both sides."""

    moves_elements = False

    def forward(self, gy: Any, out: Any = None) -> Any:
        size = gy.shape[self.dim] - self.before - self.after
        gx = gy[self.at(slice(self.before, self.before + size))].copy()
        for side, source in self.sides(size):
            part = gy[side]
            gx[source] += self.xp.sum(part, axis=self.dim, keepdims=True) if self.mode == "replicate" else part
        return gx if out is None else self.xp.copyto(out, gx) or out

    def backward(self, ggx: Tensor) -> Any:
        return PadAlong.apply(ggx, **self.params)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Return the tensor with something around it.

    Args:
        input: any shape for ``constant``; else ``[N, C, *spatial]`` or ``[C, *spatial]`` with up to 3 spatial dims.
        pad: (before, after) for the last dim, then for the one before it, ...; negative: cut off. Modes other than
            ``constant`` want all spatial dims.
        mode: ``constant``, ``reflect`` (the edge is the mirror and not repeated), ``replicate`` (the edge again and
            again) or ``circular`` (the other end).
        value: what to fill with, for ``constant``; default 0.

    Raises:
        NotImplementedError: an unknown mode, or a number of dims that the mode does not take.
        RuntimeError: an odd number of sides, or a side too large for the dim.
        TypeError: the sides are no integers.

    Example:
        >>> import trainctl
        >>> pad(trainctl.arange(3.0).reshape(1, 3), (2, 1), mode="reflect")
        tensor([[2., 1., 0., 1., 2., 1.]])
    """
    if not isinstance(pad, (tuple, list)) or not all(isinstance(each, int) for each in pad):
        raise TypeError(f"pad(): argument 'pad' must be tuple of ints, got {pad!r}")
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {len(pad)} sides")
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(
            f"Unrecognised padding mode {mode}; expected constant, reflect, replicate or circular"
        )
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    ndim, spatial = input._array.ndim, len(pad) // 2
    if not 1 <= spatial <= 3 or ndim not in (spatial + 1, spatial + 2):
        raise NotImplementedError(f"Padding size {len(pad)} is not supported for {ndim}D input tensor.")
    if mode != "circular":
        refuse("b", f"{mode}_pad", input)
        if 0 in input.shape[ndim - spatial - 1 :]:
            raise RuntimeError(
                f"{mode}_pad: Expected non-zero dims but for the batch, got input of shape {list(input.shape)}"
            )
    pairs = [(ndim - 1 - i, pad[2 * i], pad[2 * i + 1]) for i in range(spatial)]
    sizes = [input._array.shape[dim] + before + after for dim, before, after in pairs]
    if min(sizes) < 0 or (max(sizes) == 0 and mode != "circular"):
        raise RuntimeError(f"input of shape {list(input.shape)} is too small for padding {tuple(pad)}")
    for dim, before, after in pairs:
        input = _pad_along(input, dim, before, after, mode)
    return contiguous(input)


def _pad_along(x: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    size = x._array.shape[dim]
    if mode == "circular":  # what is cut off does not come back at the other end
        x = _cropped(x, dim, before, after)
        size = x._array.shape[dim]
    room = {"reflect": size - 1, "replicate": size + max(before, after), "circular": size}[mode]
    if max(before, after) > room:
        raise RuntimeError(
            f"Padding size should be less than the corresponding input dimension, but got: padding ({before}, {after}) at "
            f"dimension {dim} of input {list(x.shape)} for mode {mode}"
        )
    x = PadAlong.apply(x, dim=dim, mode=mode, before=max(before, 0), after=max(after, 0))
    return x if mode == "circular" else _cropped(x, dim, before, after)


def _cropped(x: Tensor, dim: int, before: int, after: int) -> Tensor:
    """Return the tensor without what negative padding cuts off."""
    start, stop = max(-before, 0), x._array.shape[dim] - max(-after, 0)
    return x if stop - start == x._array.shape[dim] else narrow(x, dim, start, stop - start)
