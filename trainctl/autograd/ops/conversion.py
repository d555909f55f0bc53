"""Tensors in another dtype, on another device, and new ones after a tensor's pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.ops import creation
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.transfer import move
from trainctl.autograd.tensor import Tensor
from trainctl.backend import devices, dtypes

CASTS = {**dtypes.ALIASES, "byte": dtypes.uint8, "char": dtypes.int8}
METHODS = f"to type_as cpu cuda new_tensor new_zeros new_ones new_empty new_full {' '.join(f'{name}=to_{name}' for name in CASTS)}"


def to(
    self: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    **_: Any,
) -> Tensor:
    """Return the tensor in another dtype and on another device; itself where nothing changes.

    ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other_tensor)``, or by keyword.
    """
    for each in args:
        if isinstance(each, Tensor):
            dtype, device = each.dtype, each.device
        elif isinstance(each, (dtypes.dtype, type)):
            dtype = dtypes.as_dtype(each)
        elif isinstance(each, (str, int, devices.device)) and not isinstance(each, bool):
            device = each
    result = self if dtype is None else cast(self, dtypes.as_dtype(dtype))
    result = result if device is None else move(result, device)
    return result.clone() if copy and result is self else result


def _cast_method(name: str, kind: dtypes.dtype) -> Callable[..., Tensor]:
    def convert(self: Tensor, memory_format: Any = None) -> Tensor:
        return cast(self, kind)

    convert.__name__ = name
    convert.__doc__ = f"Return the tensor as {kind.name}."
    return convert


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in the dtype of ``other``."""
    return cast(self, other.dtype)


def cpu(self: Tensor) -> Tensor:
    """Return the tensor on the CPU."""
    return to(self, "cpu")


def cuda(self: Tensor, device: Any = None) -> Tensor:
    """Return the tensor on a GPU.

    Raises:
        RuntimeError: there is none.
    """
    return to(self, "cuda" if device is None else device)


def _new(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def make(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, **options: Any) -> Tensor:
        return function(*size, dtype=dtype or self.dtype, device=device or self.device, **options)

    make.__name__ = f"new_{function.__name__}"
    make.__doc__ = f"Return ``{function.__name__}(...)`` in this tensor's dtype."
    return make


new_zeros, new_ones, new_empty, new_full = map(_new, (creation.zeros, creation.ones, creation.empty, creation.full))


def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """Return a new tensor of ``data`` in this tensor's dtype."""
    return creation.tensor(data, dtype=dtype or self.dtype, **{"device": self.device, **options})


globals().update({f"to_{name}": _cast_method(name, kind) for name, kind in CASTS.items()})
