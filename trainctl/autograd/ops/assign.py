"""Writing into a tensor: copies, fills, and the in-place form of every op that has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.inplace import apply_inplace
from trainctl.autograd.op import Op
from trainctl.autograd.ops import creation
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import cast, checked
from trainctl.autograd.ops.quantization import is_quantized
from trainctl.autograd.ops.transfer import move
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.arrays import NUMPY

METHODS = "copy_ zero_ fill_"
FUNCTIONS = "fill"


class Assign(Op):
    """Write a value over ``x``. Whatever gradient the old elements have, they have through the value."""

    takes_out = True

    def forward(self, x: Any, value: Any, out: Any = None) -> Any:
        self.xp.copyto(out, value)
        return out

    def backward(self, gy: Tensor) -> Any:
        return None, gy


class Overwrite(Assign):
    """Write a value over ``x`` that does not come from it: the old elements' gradient is 0."""

    def backward(self, gy: Tensor) -> Any:
        return creation.zeros_like(gy) if self.needs(0) else None, gy


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write ``src`` (broadcast and cast) into this tensor and return it."""
    if not isinstance(src, Tensor):
        src = creation.as_tensor(src)
    expand(src.detach(), self.shape)  # raises where it does not broadcast
    if is_quantized(self) or is_quantized(src):
        return apply_inplace(Overwrite, self, _for_codes(self, src))
    return apply_inplace(Overwrite, self, move(cast(src, self.dtype), self.device))


def _for_codes(self: Tensor, src: Tensor) -> Tensor:
    """Return what is to be put on the grid of ``self``.

    Raises:
        RuntimeError: ``self`` has no grid, or ``src`` is neither quantized nor float32.
    """
    if not is_quantized(self):
        raise RuntimeError(
            "Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to get a float "
            "Tensor from a quantized Tensor"
        )
    if not is_quantized(src) and src.dtype is not dtypes.float32:
        raise RuntimeError(f"Quantized copy only works with kFloat as source Tensor, got {src.dtype.name}")
    return src


def in_place_form(name: str, op: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the method that writes the value of ``op`` into the tensor it is called on."""

    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        value = op(_kept(self, args, kwargs), *args, **kwargs)
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(value.shape)}"
            )
        if value.dtype.category > self.dtype.category:
            raise RuntimeError(
                f"result type {value.dtype.name} can't be cast to the desired output type {self.dtype.name}"
            )
        return apply_inplace(Assign, self, cast(value, self.dtype))

    change.__name__ = f"{name}_"
    change.__doc__ = f"In-place form of :func:`{name}`: the result is written into this tensor, which is returned."
    return change


def _kept(x: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Return ``x`` for an op whose value will be written into ``x``.

    Where backward may read the input, for its own gradient or another's, it must read what was there before the
    write: a copy.
    """
    if state.grad and any(isinstance(each, Tensor) and each.requires_grad for each in (x, *args, *kwargs.values())):
        return x.clone()
    return x


def in_place_view(op: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the method that makes the tensor it is called on the view that ``op`` gives."""

    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self._requires_grad and self.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        before = Tensor._wrap(self._array)
        for field in _VIEW_FIELDS:
            setattr(before, field, getattr(self, field))
        after = op(before, *args, **kwargs)
        for field in _VIEW_FIELDS:
            setattr(self, field, getattr(after, field))
        return self

    change.__name__ = f"{op.__name__}_"
    change.__doc__ = f"In-place form of :func:`{op.__name__}`: this tensor becomes the view, over the same memory."
    return change


_VIEW_FIELDS = [
    "_array",
    "_requires_grad",
    "_grad_fn",
    "_output_number",
    "_versions",
    "_base",
    "_view_version",
    "_recipe",
]


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0 and return the tensor."""
    return copy_(self, Tensor._constant(self._xp.zeros((), self._array.dtype)))


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to ``value`` (a number or a 0-d tensor) and return the tensor.

    Raises:
        RuntimeError: the value has dims, or the tensor cannot hold it.
    """
    if is_quantized(self) and not isinstance(value, Tensor):
        value = Tensor._constant(NUMPY.asarray(value, dtypes.float32.array_dtype))
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            )
        return copy_(self, value)
    return copy_(self, Tensor._constant(self._xp.asarray(checked(value, self._array.dtype), self._array.dtype)))


def fill(input: Tensor, value: Any) -> Tensor:
    """Return a tensor of the shape and dtype of ``input``, all ``value`` (a number or a 0-d tensor).

    Example:
        >>> import trainctl
        >>> fill(trainctl.zeros(2), 7)
        tensor([7., 7.])
    """
    return fill_(input.clone(), value)
