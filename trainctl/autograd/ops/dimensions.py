"""Dims moved, exchanged and added: views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.shape import contiguous, permute, reshape, transpose, unsqueeze
from trainctl.autograd.tensor import Tensor

METHODS = "movedim moveaxis=movedim swapaxes swapdims=transpose ravel"
IN_PLACE_VIEWS = "swapaxes swapdims=transpose"
FUNCTIONS = "movedim moveaxis=movedim swapaxes swapdims=transpose ravel atleast_1d atleast_2d atleast_3d"


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return a view with two dims exchanged: :func:`trainctl.transpose` under NumPy's name."""
    return transpose(input, axis0, axis1)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Return a view with the dims of ``source`` at the places of ``destination``, the others in their order.

    Raises:
        IndexError: there is no such dim.
        RuntimeError: a dim is named twice, or the two do not name equally many.
        TypeError: one is an int, the other is not.

    Example:
        >>> import trainctl
        >>> movedim(trainctl.zeros(2, 3, 4), (0, 1), (-1, 0)).shape
        trainctl.Size([3, 4, 2])
    """
    if isinstance(source, int) != isinstance(destination, int):
        raise TypeError(
            f"movedim(): source and destination must both be ints or both sequences, got {source}, {destination}"
        )
    taken, put = ((each,) if isinstance(each, int) else tuple(each) for each in (source, destination))
    if len(taken) != len(put):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(taken)} dims) should contain the same number of "
            f"dims as destination ({list(put)} dims)"
        )
    ndim = input._array.ndim
    taken, put = _different("source", taken, ndim), _different("destination", put, ndim)
    if not ndim:
        return permute(input, ())
    moved, rest = dict(zip(put, taken, strict=True)), iter([dim for dim in range(ndim) if dim not in taken])
    return permute(input, [moved[dim] if dim in moved else next(rest) for dim in range(ndim)])


def _different(name: str, dims: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return dims counted from the front.

    Raises:
        IndexError: there is no such dim.
        RuntimeError: a dim is named twice.
    """
    wrapped = tuple(wrap_dim(dim, ndim) for dim in dims)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(dims)})")
    return wrapped


def ravel(input: Tensor) -> Tensor:
    """Return the elements as one dim: a view where they lie in order, else a copy."""
    return reshape(contiguous(input), -1)


def atleast_1d(*tensors: Any) -> Any:
    """Return the tensor with at least one dim: a scalar as ``[1]``; for several tensors, a tuple."""
    return _each("atleast_1d", tensors, lambda x: reshape(x, 1) if x._array.ndim == 0 else x)


def atleast_2d(*tensors: Any) -> Any:
    """Return the tensor with at least two dims: ``[n]`` as ``[1, n]``; for several tensors, a tuple."""
    return _each("atleast_2d", tensors, lambda x: reshape(x, (1, -1)) if x._array.ndim < 2 else x)


def atleast_3d(*tensors: Any) -> Any:
    """Return the tensor with at least three dims; for several tensors, a tuple.

    ``[n]`` becomes ``[1, n, 1]`` and ``[n, m]`` becomes ``[n, m, 1]``.
    """

    def grow(x: Tensor) -> Tensor:
        return x if x._array.ndim > 2 else unsqueeze(atleast_2d(x), -1)

    return _each("atleast_3d", tensors, grow)


def _each(op: str, tensors: tuple[Any, ...], grow: Callable[[Tensor], Tensor]) -> Any:
    """Apply ``grow`` to one tensor, or to each of several given one by one or as a sequence."""
    several = len(tensors) != 1 or isinstance(tensors[0], (tuple, list))
    if len(tensors) == 1 and several:
        (tensors,) = tensors
    for each in tensors:
        check_tensor(op, each, "tensors")
    return tuple(map(grow, tensors)) if several else grow(tensors[0])
