"""Images sampled at the points of a grid: compositions of other ops, so that all gradients come by themselves."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

from trainctl.autograd.ops.arithmetic import add, clamp, mul, neg, rsub, sub
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.indexing import gather, getitem
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.rounding import floor, round, trunc
from trainctl.autograd.ops.shape import reshape, transpose
from trainctl.autograd.ops.windows import widened
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "affine_grid grid_sample"

_CUBIC = -0.75  # Keys's parameter, as in interpolate


def _corners(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired.",
            stacklevel=3,
        )
    return bool(align_corners)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return images sampled at given points: ``[N, C, H, W], [N, H', W', 2] -> [N, C, H', W']``, likewise in 3 dims.

    See Jaderberg et al., 2015, "Spatial transformer networks".

    Args:
        input: the images, or volumes ``[N, C, D, H, W]``.
        grid: the points, x first, from -1 (left, top, front) to 1.
        mode: ``bilinear``, ``nearest`` or (images only) ``bicubic``.
        padding_mode: what lies outside: ``zeros``, the ``border`` or the image's ``reflection``.
        align_corners: -1 and 1 are the middles of the outermost elements, instead of their outer edges.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.
        ValueError: an unknown mode.

    Example:
        >>> import trainctl
        >>> image = trainctl.arange(4.0).reshape(1, 1, 2, 2)
        >>> grid_sample(image, trainctl.zeros(1, 1, 1, 2), align_corners=False)
        tensor([[[[1.5000]]]])
    """
    _check(input, grid, mode, padding_mode)
    corners, sizes, grid = _corners(align_corners), input._array.shape[2:], widened(grid)
    n, out = len(sizes), grid._array.shape[1:-1]
    planes = reshape(widened(input), (*input._array.shape[:2], math.prod(sizes)))
    points = [_elements(getitem(grid, (..., n - 1 - i)), size, corners) for i, size in enumerate(sizes)]
    if mode != "bicubic":
        points = [_within(each, size, padding_mode, corners) for each, size in zip(points, sizes, strict=True)]
    if mode == "nearest":
        nearest = _pick(planes, [round(each) for each in points], sizes)
        return cast(reshape(nearest, (*planes._array.shape[:2], *out)), input.dtype)
    low = [floor(each.detach()) for each in points]
    weights = [(_cubic if mode == "bicubic" else _linear)(sub(each, at)) for each, at in zip(points, low, strict=True)]
    total: Any = 0
    for terms in itertools.product(*map(enumerate, weights)):
        places = [add(at, number - (mode == "bicubic")) for at, (number, _) in zip(low, terms, strict=True)]
        if mode == "bicubic":
            places = [_within(each, size, padding_mode, corners) for each, size in zip(places, sizes, strict=True)]
        weight: Any = math.prod(each for _, each in terms)
        total = add(mul(_pick(planes, places, sizes), reshape(weight, (weight.shape[0], 1, math.prod(out)))), total)
    return cast(reshape(total, (*planes._array.shape[:2], *out)), input.dtype)


def _check(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    """Raise an error, with the shapes, if images and grid do not fit each other or the modes."""
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"grid_sample: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"grid_sample: expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '{padding_mode}'"
        )
    check_tensor("grid_sample", input, "input")
    check_tensor("grid_sample", grid, "grid")
    x, g = input._array.shape, grid._array.shape
    if len(x) not in (4, 5) or len(g) != len(x) or g[0] != x[0] or g[-1] != len(x) - 2:
        raise RuntimeError(
            "grid_sample: expected images [N, C, H, W] and a grid [N, H', W', 2], or volumes [N, C, D, H, W] and a grid "
            f"[N, D', H', W', 3], but got {list(x)} and {list(g)}"
        )
    if 0 in x[2:]:
        raise RuntimeError(f"grid_sample: expected input to have non-empty spatial dimensions, but got {list(x)}")
    if mode == "bicubic" and len(x) == 5:
        raise RuntimeError(f"grid_sample: bicubic interpolation only supports 4D input, got {list(x)}")
    if input.dtype is not grid.dtype:
        raise RuntimeError(f"expected input and grid of one dtype, but got {input.dtype.name} and {grid.dtype.name}")
    refuse("buic", "grid_sample", input)


def _elements(point: Tensor, size: int, corners: bool) -> Tensor:
    """Return points between -1 and 1 as places among the elements of a dim."""
    return mul(add(point, 1), (size - 1) / 2) if corners else mul(sub(mul(add(point, 1), size), 1), 0.5)


def _within(place: Tensor, size: int, padding_mode: str, corners: bool) -> Tensor:
    """Return places with those outside moved to the border, or mirrored; there is no slope where they are held."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        span, edge = (size - 1, 0.0) if corners else (size, 0.5)
        place = _mirrored(add(place, edge), span, edge) if span else mul(place, 0)
    held = clamp(place.detach(), 0, size - 1)
    return where((place > 0) & (place < size - 1), place, held)


def _mirrored(place: Tensor, span: int, edge: float) -> Tensor:
    """Return places mirrored at 0 and at ``span``, again and again."""
    distance = where(place < 0, neg(place), place)
    distance = sub(distance, mul(trunc(mul(distance.detach(), 1 / (2 * span))), 2 * span))
    return sub(where(distance > span, rsub(distance, 2 * span), distance), edge)


def _pick(planes: Tensor, places: list[Tensor], sizes: tuple[int, ...]) -> Tensor:
    """Return the elements at whole places, ``[N, C, points]``; 0 outside."""
    inside: Any = True
    for each, size in zip(places, sizes, strict=True):
        inside = (each >= 0) & (each <= size - 1) & inside
    flat: Any = 0
    for each, size in zip(places, sizes, strict=True):
        flat = add(mul(flat, size), cast(where(inside, each.detach(), 0), dtypes.int64))
    batch, channels = planes._array.shape[:2]
    points = (batch, 1, math.prod(inside._array.shape[1:]))
    wide = (batch, channels, points[2])
    return where(reshape(inside, points), gather(planes, 2, expand(reshape(flat, points), wide)), 0)


def _linear(offset: Tensor) -> list[Tensor]:
    return [rsub(offset, 1), offset]


def _cubic(offset: Tensor) -> list[Tensor]:
    """Return the weights of the four neighbours, by Keys's kernel at their distances."""

    def near(x: Tensor) -> Tensor:
        return add(mul(mul(sub(mul(x, _CUBIC + 2), _CUBIC + 3), x), x), 1)

    def far(x: Tensor) -> Tensor:
        return sub(mul(add(mul(sub(mul(x, _CUBIC), 5 * _CUBIC), x), 8 * _CUBIC), x), 4 * _CUBIC)

    return [far(add(offset, 1)), near(offset), near(rsub(offset, 1)), far(rsub(offset, 2))]


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Return the points that affine maps send an output's elements to: ``[N, 2, 3] -> [N, H, W, 2]``.

    Args:
        theta: the maps; ``[N, 3, 4]`` for volumes.
        size: of the output images, ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        align_corners: as for :func:`grid_sample`, which the points are for.

    Raises:
        NotImplementedError: a size of other dims.
        RuntimeError: a batch of maps that is not of the output's size.
        ValueError: maps of another shape or dtype, or an empty output.

    Example:
        >>> import trainctl
        >>> affine_grid(trainctl.eye(2, 3)[None], (1, 1, 1, 2), align_corners=True)
        tensor([[[[-1.,  0.],
                  [ 1.,  0.]]]])
    """
    corners, shape, n = _corners(align_corners), tuple(size), len(size) - 2
    check_tensor("affine_grid", theta, "theta")
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if n not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine maps. Got size {shape}."
        )
    if theta._array.ndim != 3 or theta._array.shape[1:] != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {shape}. Got {theta.shape}."
        )
    if min(shape) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {shape}")
    if theta._array.shape[0] != shape[0]:
        raise RuntimeError(
            f"affine_grid: expected {shape[0]} maps for size {shape}, got theta of shape {list(theta.shape)}"
        )
    base = Tensor._wrap(_homogeneous(theta._xp, shape[2:], corners).astype(theta._array.dtype))
    return reshape(matmul(base, transpose(theta, 1, 2)), (shape[0], *shape[2:], n))


def _homogeneous(xp: Any, spatial: tuple[int, ...], corners: bool) -> Any:
    """Return the middles of an output's elements, x first and a 1 last: ``[elements, dims + 1]``."""
    columns = []
    for dim, size in enumerate(spatial):
        edge = (1.0 if corners else (size - 1) / size) if size > 1 else 0.0
        ends = xp.linspace(-edge, edge, size).reshape(-1, *(1,) * (len(spatial) - 1 - dim))
        columns.append(xp.broadcast_to(ends, spatial).ravel())
    return xp.stack([*columns[::-1], xp.ones_like(columns[0])], axis=1)
