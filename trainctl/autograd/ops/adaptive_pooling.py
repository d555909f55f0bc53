"""Pooling to a given size: the windows are as even as the sizes allow and may overlap by one element.

Where the sizes divide, this is pooling with equal windows; elsewhere each dim goes by a table.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import div
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.indexing import Gather
from trainctl.autograd.ops.pooling import plane_indices, with_indices
from trainctl.autograd.ops.pooling_along import ChooseAlong, MaxAlong, SumAlong
from trainctl.autograd.ops.quantization import is_quantized, on_its_grid
from trainctl.autograd.ops.reduction import mean
from trainctl.autograd.ops.resampling import Resample, Table
from trainctl.autograd.ops.windows import Sizes, widened
from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import NUMPY

# torch.adaptive_max_pool1d returns the indices, torch.nn.functional's only if asked.
FUNCTIONS = "adaptive_avg_pool1d adaptive_max_pool1d=adaptive_max_pool1d_with_indices"
FUNCTIONAL = (
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
    "adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices"
)


@lru_cache(maxsize=256)
def even_windows(size: int, outputs: int) -> Table:
    """Return the table of means over windows from ``floor(i * size / outputs)`` to ``ceil((i + 1) * size / outputs)``."""
    host, places = NUMPY, NUMPY.arange(outputs)
    start, end = places * size // outputs, -(-(places + 1) * size // outputs)
    count = end - start
    term = host.arange(max(count, default=1))[:, None]
    weight = host.where(term < count, 1 / count, 0)
    return Table(host.minimum(start + term, end - 1), weight, size)


class ArgMaxOver(Op):
    """The index along a dim of the largest element of each of a table's windows: the first, or the last NaN."""

    differentiable = False
    dim: int
    table: Table

    def forward(self, x: Any, out: Any = None) -> Any:
        xp, best, place = self.xp, None, None
        for source in map(xp.from_host, self.table.index):
            part = xp.take(x, source, axis=self.dim)
            index = xp.broadcast_to(source.reshape(-1, *(1,) * (-self.dim - 1)), part.shape)
            if best is None:
                best, place = part, index
            else:
                better = (part > best) | (part != part)
                best, place = xp.where(better, part, best), xp.where(better, index, place)
        return place if out is None else xp.copyto(out, place) or out


def _sizes(op: str, input: Tensor, output_size: Any, n: int) -> Sizes:
    """Return the size of each spatial dim of the output.

    Raises:
        RuntimeError: a negative size, or a number of sizes or dims that does not fit.
        TypeError: a size that is neither an int nor (for 2 and 3 dims) None.
        ValueError: fewer dims than sizes.
    """
    check_tensor(op, input, "input")
    shape = input._array.shape
    if n > 1 and isinstance(output_size, (tuple, list)) and len(shape) <= len(output_size):
        raise ValueError(f"{op}(): Input dimension should be at least {len(output_size) + 1}, got shape {list(shape)}")
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(f"{op}(): Expected {n + 1}D or {n + 2}D tensor, but got {list(shape)}")
    given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(given) != n:
        raise RuntimeError(f"{op}: output_size must be {n} sizes, got {output_size}")
    try:
        sizes = tuple(shape[i - n] if each is None and n > 1 else operator.index(each) for i, each in enumerate(given))
    except TypeError:
        raise TypeError(f"{op}(): argument 'output_size' must be tuple of ints, got {output_size!r}") from None
    if min(sizes) < 0:
        raise RuntimeError(
            f"{op}: elements of output_size must be greater than or equal to 0 but received {list(sizes)}"
        )
    refuse("bui", op, input)
    return sizes


def _check_not_empty(op: str, input: Tensor, dims: Sizes) -> None:
    if 0 in dims:
        raise RuntimeError(
            f"{op}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {list(input.shape)}"
        )


def _avg_pool(n: int, input: Tensor, output_size: Any) -> Tensor:
    op = f"adaptive_avg_pool{n}d"
    sizes, shape = _sizes(op, input, output_size, n), input._array.shape
    if is_quantized(input):
        return on_its_grid(lambda x: _avg_pool(n, x, output_size), input)
    if all(size == 1 for size in sizes):
        return mean(input, tuple(range(-n, 0)), True)
    _check_not_empty(op, input, shape[-n:] if n < 3 else shape[1:])
    y, divisor = widened(input), 1
    for dim in range(-1, -n - 1, -1):
        size, wanted = shape[dim], sizes[dim]
        if wanted and size % wanted == 0:
            y = SumAlong.apply(y, **_equal(dim, size, wanted))
            divisor *= size // wanted
        else:
            y = Resample.apply(y, dim=dim, table=even_windows(size, wanted))
    return cast(y if divisor == 1 else div(y, divisor), input.dtype)


def _equal(dim: int, size: int, places: int) -> dict[str, int]:
    """Return the options of equal windows that tile a dim."""
    step = size // places
    return {"dim": dim, "kernel": step, "stride": step, "padding": 0, "dilation": 1, "places": places}


def _max_pool(n: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    op = f"adaptive_max_pool{n}d"
    sizes = _sizes(op, input, output_size, n)
    refuse("c", op, input)
    _check_not_empty(op, input, input._array.shape[1:])
    indices = plane_indices(input, n) if return_indices else None
    for dim in range(-1, -n - 1, -1):
        size, wanted = input._array.shape[dim], sizes[dim]
        if wanted and size % wanted == 0:
            along = _equal(dim, size, wanted)
            input, choice = MaxAlong.apply(input, **along, chooses=True)
            indices = indices if indices is None else ChooseAlong.apply(indices, choice, **along)
        else:
            place = ArgMaxOver.apply(input, dim=dim, table=even_windows(size, wanted))
            dim += input._array.ndim
            input = Gather.apply(input, place, dim=dim)
            indices = indices if indices is None else Gather.apply(indices, place, dim=dim)
    return (input, indices) if return_indices else input


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of ``output_size`` even windows: ``[N, C, L] -> [N, C, L']``."""
    return _avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of even windows: ``[N, C, H, W] -> [N, C, *output_size]``.

    Args:
        input: one image ``[C, H, W]`` or a batch.
        output_size: an int or two sizes; None: as the input.

    Raises:
        RuntimeError: shapes or sizes that do not fit.
        TypeError: a size of another type.

    Example:
        >>> import trainctl
        >>> adaptive_avg_pool2d(trainctl.arange(12.0).reshape(1, 1, 3, 4), (1, 2))
        tensor([[[[4.5000, 6.5000]]]])
    """
    return _avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of even windows: ``[N, C, D, H, W] -> [N, C, *output_size]``; see :func:`adaptive_avg_pool2d`."""
    return _avg_pool(3, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the maxima of ``output_size`` even windows: ``[N, C, L] -> [N, C, L']``; see :func:`adaptive_max_pool2d`."""
    return _max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the maxima of even windows: ``[N, C, H, W] -> [N, C, *output_size]``.

    Args:
        input: one image ``[C, H, W]`` or a batch.
        output_size: an int or two sizes; None: as the input.
        return_indices: also return where each maximum was, as its number within its image plane (int64).

    Raises:
        RuntimeError: shapes or sizes that do not fit.
        TypeError: a size of another type.

    Example:
        >>> import trainctl
        >>> adaptive_max_pool2d(trainctl.arange(12.0).reshape(1, 1, 3, 4), (1, 2))
        tensor([[[[ 9., 11.]]]])
    """
    return _max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the maxima of even windows: ``[N, C, D, H, W] -> [N, C, *output_size]``; see :func:`adaptive_max_pool2d`."""
    return _max_pool(3, input, output_size, return_indices)


adaptive_max_pool1d_with_indices = with_indices(adaptive_max_pool1d, options=1)
adaptive_max_pool2d_with_indices = with_indices(adaptive_max_pool2d, options=1)
adaptive_max_pool3d_with_indices = with_indices(adaptive_max_pool3d, options=1)
