"""Images made larger or smaller: each spatial dim on its own, by a table of which inputs an output is made of."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.quantization import is_quantized, on_its_grid
from trainctl.autograd.ops.resampling import Resample, Table
from trainctl.autograd.ops.windows import widened
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.arrays import NUMPY

FUNCTIONAL = "interpolate upsample upsample_bilinear upsample_nearest"

_MODES = {
    3: "nearest nearest-exact area linear",
    4: "nearest nearest-exact area bilinear bicubic lanczos",
    5: "nearest nearest-exact area trilinear",
}
_SMOOTH = ("linear", "bilinear", "trilinear", "bicubic", "lanczos")


def _ratio(size: int, outputs: int, scale: float | None, align_corners: bool, real: Any) -> Any:
    """Return how many inputs one step of the output is, in the arithmetic of ``real`` (the input's own, as PyTorch's)."""
    if align_corners:
        return real(size - 1) / real(outputs - 1) if outputs > 1 else real(0)
    return real(1.0 / scale) if scale is not None and scale > 0 else real(size) / real(outputs)


def _positions(size: int, outputs: int, scale: float | None, align_corners: bool, real: Any) -> Any:
    """Return where the middle of each output lies among the inputs."""
    ratio, places = _ratio(size, outputs, scale, align_corners, real), NUMPY.arange(outputs, dtype=real)
    return ratio * places if align_corners else ratio * (places + real(0.5)) - real(0.5)


@lru_cache(maxsize=256)
def nearest(size: int, outputs: int, scale: float | None, exact: bool) -> Table:
    """Return the table of single inputs: at the output's start, or (``exact``) at its middle."""
    real = NUMPY.float32
    places = NUMPY.arange(outputs, dtype=real) + real(0.5 if exact else 0)
    index = NUMPY.floor(_ratio(size, outputs, scale, False, real) * places).astype(int)
    return Table(NUMPY.minimum(index, size - 1)[None], None, size)


@lru_cache(maxsize=256)
def linear(size: int, outputs: int, scale: float | None, align_corners: bool, single: bool) -> Table:
    """Return the table of two neighbours each."""
    host, real = NUMPY, NUMPY.float32 if single else NUMPY.float64
    position = host.maximum(_positions(size, outputs, scale, align_corners, real), 0)
    if outputs == size:
        position = host.arange(outputs, dtype=real)
    low = host.minimum(position.astype(int), size - 1)
    second = host.clip(position - low.astype(real), 0, 1)
    return Table(host.stack([low, host.minimum(low + 1, size - 1)]), host.stack([1 - second, second]), size)


@lru_cache(maxsize=256)
def cubic(size: int, outputs: int, scale: float | None, align_corners: bool, single: bool) -> Table:
    """Return the table of four neighbours each (Keys, 1981, with a = -0.75)."""
    host, real = NUMPY, NUMPY.float32 if single else NUMPY.float64
    position = _positions(size, outputs, scale, align_corners, real)
    low = host.minimum(host.floor(position).astype(int), size - 1)
    offset = host.clip(position - low.astype(real), 0, 1)
    terms = host.arange(-1, 3)[:, None]
    return Table(host.clip(low + terms, 0, size - 1), keys(offset - terms.astype(real), real(-0.75)), size)


def keys(distance: Any, a: Any) -> Any:
    """Return Keys's cubic kernel."""
    x = NUMPY.abs(distance)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return NUMPY.where(x <= 1, inner, NUMPY.where(x < 2, outer, 0 * x))


def _triangle(distance: Any) -> Any:
    return NUMPY.maximum(1 - NUMPY.abs(distance), 0)


def _keys_half(distance: Any) -> Any:
    return keys(distance, -0.5)


def _lanczos(distance: Any) -> Any:
    return NUMPY.where(NUMPY.abs(distance) < 3, NUMPY.sinc(distance) * NUMPY.sinc(distance / 3), 0)


_FILTERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "bilinear": (_triangle, 2), "bicubic": (_keys_half, 4), "lanczos": (_lanczos, 6),
}  # fmt: skip


@lru_cache(maxsize=256)
def antialiased(size: int, outputs: int, scale: float | None, align_corners: bool, single: bool, mode: str) -> Table:
    """Return the table of a filter that, to make smaller, is as wide as an output: no detail falls between two of them."""
    host, real = NUMPY, NUMPY.float32 if single else NUMPY.float64
    kernel, width = _FILTERS[mode]
    ratio = _ratio(size, outputs, scale, align_corners, real)
    stretch = max(ratio, real(1))
    support = real(width * 0.5) * stretch
    center = ratio * (host.arange(outputs, dtype=real) + real(0.5))
    first = host.maximum((center - support + real(0.5)).astype(int), 0)
    count = host.minimum((center + support + real(0.5)).astype(int), size) - first
    count = host.clip(count, 0, math.ceil(support) * 2 + 1)
    term = host.arange(max(count))[:, None]
    weight = kernel((term + first - center + real(0.5)) / stretch)
    weight = host.where(term < count, weight, 0)
    return Table(host.minimum(first + term, size - 1), weight / weight.sum(axis=0), size)


class RoundToByte(Op):
    """Floats to the nearest of the 256 values of a byte: PyTorch resizes a uint8 image so, dim after dim."""

    differentiable = False

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.clip(self.xp.floor(x + 0.5), 0, 255)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return images of another size: ``[N, C, *spatial] -> [N, C, *size]``, 1 to 3 spatial dims.

    Args:
        input: a batch.
        size: of the output, an int or one for each spatial dim.
        scale_factor: instead of ``size``: the output's size over the input's, likewise.
        mode: ``nearest``, ``nearest-exact``, ``area`` (means); ``linear``, ``bilinear``, ``trilinear`` for 1, 2 and 3
            spatial dims; ``bicubic`` for 2.
        align_corners: the outermost elements' middles stay where they are, instead of their outer edges.
        recompute_scale_factor: with ``scale_factor``: use the ratio of the sizes, which are whole, instead.
        antialias: for ``bilinear`` and ``bicubic``: filter, so that a smaller image shows no false patterns.

    Raises:
        NotImplementedError: a mode for another number of dims.
        RuntimeError: a size that is not positive.
        ValueError: arguments that exclude each other or do not fit the dims.

    Example:
        >>> import trainctl
        >>> interpolate(trainctl.tensor([[[1.0, 3.0]]]), size=4, mode="linear")
        tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    check_tensor("interpolate", input, "input")
    if is_quantized(input):
        options = size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        return on_its_grid(lambda x: interpolate(x, *options), input)
    if align_corners is not None and mode not in _SMOOTH:
        raise ValueError(f"align_corners option can only be set with the interpolating modes: {' | '.join(_SMOOTH)}")
    recompute = bool(recompute_scale_factor) or (mode == "area" and size is None)
    sizes, scales = _sizes(input, size, scale_factor, recompute, bool(recompute_scale_factor))
    _check_mode(input, mode, align_corners, antialias)
    shape = input._array.shape
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[len(shape) - 3](input, sizes)
    if min(sizes) <= 0 or 0 in shape[1:]:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input of shape {list(shape)} and output of size {sizes}"
        )
    refuse("bc" if input.dtype is dtypes.uint8 else "buic", "interpolate", input)
    as_bytes = mode in _SMOOTH and input.dtype is dtypes.uint8
    x = cast(input, dtypes.float64) if as_bytes else widened(input)
    for dim in range(-1, 1 - len(shape), -1):
        given = (shape[dim], sizes[dim], scales[dim])
        if as_bytes and shape[dim] == sizes[dim]:
            continue  # whatever the scale, as in PyTorch
        table = _table(mode, antialias, given, bool(align_corners), x.dtype is not dtypes.float64)
        x = Resample.apply(x, dim=dim, table=in_fixed_point(table) if as_bytes else table)
        x = RoundToByte.apply(x) if as_bytes else x
    return cast(x, input.dtype)


def _table(
    mode: str, antialias: bool, given: tuple[int, int, float | None], align_corners: bool, single: bool
) -> Table:
    """Return the table that a mode makes of a dim's size, the output's, and the given scale."""
    if mode.startswith("nearest"):
        return nearest(*given, mode == "nearest-exact")
    if antialias:
        return antialiased(*given, align_corners, single, mode)
    return (cubic if mode == "bicubic" else linear)(*given, align_corners, single)


def in_fixed_point(table: Table) -> Table:
    """Return a table whose weights are whole multiples of the smallest power of two that 16 bits leave room for.

    So PyTorch, and Pillow before it, resize images of bytes.
    """
    host, terms = NUMPY, len(table.index)
    same = table.index[:, None] == table.index  # terms of one input, at the border, are one term
    weight = host.where(same, table.weight, 0).sum(axis=1)
    weight[(same & host.tri(terms, k=-1, dtype=bool)[:, :, None]).any(axis=1)] = 0
    largest = host.abs(weight).max(initial=0)
    bits = next((bits for bits in range(22) if int(0.5 + largest * 2 ** (bits + 1)) >= 2**15), 22)
    whole = host.trunc(weight * 2**bits + host.copysign(0.5, weight))
    return Table(table.index, whole / 2**bits, table.size)


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    """Raise an error if a mode does not go with the input's dims or with the other options."""
    ndim = input._array.ndim
    if antialias and not (mode in _FILTERS and ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if mode not in _MODES.get(ndim, "").split():
        raise NotImplementedError(
            f"interpolate: {ndim}D input of shape {list(input.shape)} in mode {mode!r}; the modes are "
            + "; ".join(f"{dims}D: {', '.join(names.split())}" for dims, names in _MODES.items())
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("Lanczos mode requires antialias=True and does not support align_corners=True")


def _sizes(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool, asked: bool
) -> tuple[list[int], list[float | None]]:
    """Return the output's size and the given scale (None: the ratio of the sizes) of each spatial dim.

    Raises:
        ValueError: not exactly one of the two, a wrong number of them, or ``recompute_scale_factor`` with a size.
        TypeError: a size that is no integer.
    """
    spatial = input._array.shape[2:]
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "either size or scale_factor should be defined" if size is None
            else "only one of size or scale_factor should be defined"
        )  # fmt: skip
    if size is not None and asked:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    name, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    each = list(given) if isinstance(given, (tuple, list)) else [given] * len(spatial)
    if len(each) != len(spatial):
        raise ValueError(
            f"Input and {name} must have the same number of spatial dimensions, but got input with spatial dimensions of "
            f"{list(spatial)} and {name} of {given}"
        )
    if size is not None:
        if not all(isinstance(wanted, int) for wanted in each):
            raise TypeError(f"expected size to be one of int or a tuple of {len(spatial)} ints, but got {size!r}")
        return each, [None] * len(spatial)
    sizes = [int(have * factor) for have, factor in zip(spatial, each, strict=True)]
    return sizes, [None if recompute else float(factor) for factor in each]


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """Return :func:`interpolate`; its old name."""
    warnings.warn("`upsample` is deprecated. Use `interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Return :func:`interpolate` in mode ``nearest``; its old name."""
    warnings.warn("`upsample_nearest` is deprecated. Use `interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Return :func:`interpolate` in mode ``bilinear`` with aligned corners; its old name."""
    warnings.warn("`upsample_bilinear` is deprecated. Use `interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, "bilinear", True)
