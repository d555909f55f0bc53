"""Tensors put together along a dim; the ops that take them apart again are the gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import of_one_dtype, promote
from trainctl.autograd.ops.creation import zeros
from trainctl.autograd.ops.dimensions import atleast_1d, atleast_2d, atleast_3d
from trainctl.autograd.ops.indexing import Slice
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "cat stack hstack vstack dstack column_stack block_diag concat=cat concatenate=cat row_stack=vstack"


class Pieces(Op):
    """Several views of one tensor. They are one node, so that backward joins their gradients once."""

    is_view = True
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        before = (slice(None),) * self.dim
        self.parts = [(*before, place, ...) for place in self.places(x.shape[self.dim])]
        return tuple(x[part] for part in self.parts)

    def places(self, size: int) -> Iterable[Any]:
        """Return what of ``dim``, which has this size, each view shows."""
        raise NotImplementedError

    def recipe(self, number: int) -> tuple[type[Op], dict[str, Any]]:
        return Slice, {"index": self.parts[number]}


class Cat(Op):
    moves_elements = True
    dim: int

    def forward(self, *arrays: Any, out: Any = None) -> Any:
        self.sizes = tuple(each.shape[self.dim] for each in arrays)
        return self.xp.concatenate(arrays, axis=self.dim, out=out)

    def backward(self, gy: Tensor) -> Any:
        return Split.apply(gy, sizes=self.sizes, dim=self.dim)


class Split(Pieces):
    """Runs of one dim, one after the other."""

    sizes: tuple[int, ...]

    def places(self, size: int) -> list[slice]:
        return [slice(end - size, end) for size, end in zip(self.sizes, accumulate(self.sizes), strict=True)]

    def backward(self, *gys: Tensor) -> Any:
        return Cat.apply(*gys, dim=self.dim)


class Stack(Op):
    moves_elements = True
    dim: int

    def forward(self, *arrays: Any, out: Any = None) -> Any:
        shape, dim = arrays[0].shape, self.dim
        if out is not None or dim == len(shape):
            return self.xp.stack(arrays, axis=dim, out=out)
        # joined along the dim behind the new one they lie as they should, and none needs a view of its own
        return self.xp.concatenate(arrays, axis=dim).reshape((*shape[:dim], len(arrays), *shape[dim:]))

    def backward(self, gy: Tensor) -> Any:
        return Unbind.apply(gy, dim=self.dim)


class Unbind(Pieces):
    """The entries of one dim, without it."""

    def places(self, size: int) -> range:
        return range(size)

    def backward(self, *gys: Tensor) -> Any:
        return Stack.apply(*gys, dim=self.dim)


@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors joined along an existing dim.

    Raises:
        TypeError: not a sequence of tensors.
        ValueError: no tensors.
        RuntimeError: sizes that differ in another dim, or a 0-d tensor.

    Example:
        >>> import trainctl
        >>> cat([trainctl.zeros(2, 1), trainctl.ones(2, 2)], dim=1)
        tensor([[0., 1., 1.],
                [0., 1., 1.]])
    """
    if not (isinstance(tensors, (list, tuple)) and of_one_dtype(tensors)):
        check_tensors("cat", tensors)
        if not tensors:
            raise ValueError("cat(): expected a non-empty list of Tensors")
        tensors = promote(*tensors)
    shapes = [each._array.shape for each in tensors]
    if () in shapes:
        raise RuntimeError(f"zero-dimensional tensor (at position {shapes.index(())}) cannot be concatenated")
    first = next((shape for shape in shapes if shape != (0,)), None) if (0,) in shapes else shapes[0]
    if first is None:
        return Cat.apply(*tensors, dim=0)
    dim = wrap_dim(dim, len(first))
    if (0,) in shapes:
        nothing = (*first[:dim], 0, *first[dim + 1 :])  # what PyTorch takes a tensor of shape (0,) for
        tensors = [reshape(each, nothing) if each._array.shape == (0,) else each for each in tensors]
    if shapes.count(first) != len(shapes):
        for number, each in enumerate(tensors):
            if each._array.shape != first:
                _check_joins(first, each._array.shape, dim, number)
    return Cat.apply(*tensors, dim=dim)


def check_tensors(op: str, tensors: Any) -> None:
    """Raise TypeError if an argument is no list or tuple of tensors."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{op}(): argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    for number, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            raise TypeError(f"{op}(): expected Tensor as element {number} of 'tensors', but got {type(each).__name__}")


def _check_joins(first: tuple[int, ...], shape: tuple[int, ...], dim: int, number: int) -> None:
    """Raise RuntimeError if a tensor of this shape cannot follow one of the first shape."""
    if len(shape) != len(first):
        raise RuntimeError(
            f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)} "
            f"(shapes {list(first)} and {list(shape)})"
        )
    for i, (want, got) in enumerate(zip(first, shape, strict=True)):
        if i != dim and want != got:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected size {want} but got size {got} for tensor "
                f"number {number} in the list (shapes {list(first)} and {list(shape)})."
            )


@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, joined along a new dim.

    Raises:
        TypeError: not a sequence of tensors.
        RuntimeError: no tensors, or shapes that differ.
    """
    check_tensors("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]._array.shape
    dim = wrap_dim(dim, len(first) + 1)
    for number, each in enumerate(tensors):
        if each._array.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(each.shape)} at entry {number}"
            )
    return Stack.apply(*promote(*tensors), dim=dim)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined side by side: along dim 1, vectors and scalars along dim 0.

    Raises:
        TypeError: not a sequence of tensors.
        RuntimeError: no tensors, or shapes that do not join.
    """
    tensors = [atleast_1d(each) for each in _some("hstack", tensors)]
    return cat(tensors, 0 if tensors[0]._array.ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined one below the other, along dim 0; vectors and scalars are rows.

    Raises:
        TypeError: not a sequence of tensors.
        RuntimeError: no tensors, or shapes that do not join.
    """
    return cat([atleast_2d(each) for each in _some("vstack", tensors)], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along dim 2: a vector counts as ``[1, n, 1]``, a matrix as ``[n, m, 1]``.

    Raises:
        TypeError: not a sequence of tensors.
        RuntimeError: no tensors, or shapes that do not join.
    """
    return cat([atleast_3d(each) for each in _some("dstack", tensors)], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along dim 1; vectors and scalars are columns.

    Raises:
        TypeError: not a sequence of tensors.
        RuntimeError: no tensors, or shapes that do not join.

    Example:
        >>> import trainctl
        >>> column_stack([trainctl.tensor([1, 2]), trainctl.tensor([[3, 4], [5, 6]])])
        tensor([[1, 3, 4],
                [2, 5, 6]])
    """
    tensors = _some("column_stack", tensors)
    return cat([reshape(each, (-1, 1)) if each._array.ndim < 2 else each for each in tensors], 1)


def _some(op: str, tensors: Any) -> Sequence[Tensor]:
    """Return a sequence of at least one tensor.

    Raises:
        TypeError: it is something else.
        RuntimeError: there are none.
    """
    check_tensors(op, tensors)
    if not tensors:
        raise RuntimeError(f"{op} expects a non-empty TensorList")
    return tensors


class BlockDiagonal(Op):
    """Matrices along the diagonal of a larger one, zeros elsewhere."""

    moves_elements = True

    def forward(self, *matrices: Any, out: Any = None) -> Any:
        rows, columns = ((0, *accumulate(each.shape[dim] for each in matrices)) for dim in (0, 1))
        self.places = tuple(zip(map(slice, rows, rows[1:]), map(slice, columns, columns[1:]), strict=True))
        blocks = self.xp.zeros((rows[-1], columns[-1]), matrices[0].dtype)
        for place, matrix in zip(self.places, matrices, strict=True):
            blocks[place] = matrix
        return blocks

    def backward(self, gy: Tensor) -> Any:
        return tuple(gy[place] for place in self.places)


def block_diag(*tensors: Tensor) -> Tensor:
    """Return the matrix with the given ones along its diagonal and zeros elsewhere; a vector is one row.

    Raises:
        TypeError: something is no tensor.
        RuntimeError: a tensor of more than two dims.

    Example:
        >>> import trainctl
        >>> block_diag(trainctl.tensor([[1], [2]]), trainctl.tensor([3, 4]))
        tensor([[1, 0, 0],
                [2, 0, 0],
                [0, 3, 4]])
    """
    check_tensors("block_diag", tensors)
    for number, each in enumerate(tensors):
        if each._array.ndim > 2:
            raise RuntimeError(
                "block_diag: Input tensors must have 2 or fewer dimensions. "
                f"Input {number} has {each.ndim} dimensions, shape {list(each.shape)}"
            )
    if not tensors:
        return zeros(1, 0)
    return BlockDiagonal.apply(*promote(*(atleast_2d(each) for each in tensors)))
