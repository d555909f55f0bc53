"""bfloat16, which NumPy does not have: float32's upper 16 bits, kept as uint16.

An array of it is a small class of its own. Ops run on float32 copies and their results are rounded once, as
PyTorch does (:meth:`trainctl.autograd.op.Op.apply`); whatever else reaches such an array through its backend
is converted on the way in and rounded on the way out.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy

from trainctl.backend.arrays import Array, Backend, register


class _Descriptor:
    """The element type of a :class:`BFloat16Array`, as an array's ``dtype``."""

    name = "bfloat16"
    kind = "f"
    itemsize = 2
    type = float

    def __repr__(self) -> str:
        return "dtype(bfloat16)"

    def newbyteorder(self, _: str) -> _Descriptor:
        """Return itself: there is one order."""
        return self


BFLOAT16 = _Descriptor()

# As numpy.finfo gives them: 8 exponent bits as float32 has, 7 of fraction.
_MAX, _TINY = (2.0 - 2.0**-7) * 2.0**127, 2.0**-126
BFLOAT16_LIMITS = SimpleNamespace(
    eps=2.0**-7, max=_MAX, min=-_MAX, tiny=_TINY, smallest_normal=_TINY, resolution=1e-2, precision=2
)


def rounded(values: Any) -> Any:
    """Return float32 values as bfloat16 bits, rounded to the nearest, ties to even.

    Example:
        >>> hex(rounded(numpy.float32(1.0)))
        '0x3f80'
    """
    bits = numpy.asarray(values, numpy.float32).view(numpy.uint32)
    up = (bits >> 16) & 1
    nearest = ((bits + numpy.uint32(0x7FFF) + up) >> 16).astype(numpy.uint16)
    return numpy.where(numpy.isnan(values), numpy.uint16(0x7FC0), nearest).astype(numpy.uint16)


def widened(bits: Any) -> Any:
    """Return bfloat16 bits as float32 values, exactly."""
    return (bits.astype(numpy.uint32) << 16).view(numpy.float32)


class BFloat16Array:
    """An array of bfloat16; ``bits`` holds the elements as uint16."""

    __array_ufunc__ = None
    dtype = BFLOAT16
    itemsize = 2

    def __init__(self, bits: Any) -> None:
        self.bits = bits

    @classmethod
    def of(cls, values: Any) -> BFloat16Array:
        """Return float values, rounded."""
        return cls(rounded(numpy.asarray(values, numpy.float32)))

    @property
    def values(self) -> Any:
        """The elements as float32."""
        return widened(self.bits)

    @property
    def base(self) -> Any:
        """What the memory belongs to, None for itself."""
        return self.bits.base

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "size", "strides", "nbytes", "flags", "__array_interface__"):
            return getattr(self.bits, name)
        if name.startswith("__"):
            raise AttributeError(name)
        return _through(getattr(self.values, name))

    def __getitem__(self, index: Any) -> BFloat16Array:
        return BFloat16Array(numpy.asarray(self.bits[index]))

    def __setitem__(self, index: Any, value: Any) -> None:
        self.bits[index] = value.bits if isinstance(value, BFloat16Array) else rounded(value)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Return the elements in another type."""
        return BFloat16Array(self.bits.copy()) if dtype is BFLOAT16 else self.values.astype(dtype)

    def copy(self, order: str = "C") -> BFloat16Array:
        """Return a copy."""
        return BFloat16Array(self.bits.copy(order))

    def reshape(self, *shape: Any) -> BFloat16Array:
        """Return the elements in another shape."""
        return BFloat16Array(self.bits.reshape(*shape))

    def transpose(self, *dims: Any) -> BFloat16Array:
        """Return a view with the dims in another order."""
        return BFloat16Array(self.bits.transpose(*dims))

    def item(self) -> float:
        """Return the one element."""
        return float(self.values.item())

    def tolist(self) -> Any:
        """Return the elements as nested lists."""
        return self.values.tolist()

    def __len__(self) -> int:
        return len(self.bits)


def _operator(name: str) -> Any:
    def apply(self: BFloat16Array, *others: Any) -> Any:
        return narrow_result(getattr(self.values, name)(*map(wide_argument, others)))

    return apply


def _in_place(name: str) -> Any:
    def apply(self: BFloat16Array, other: Any) -> BFloat16Array:
        self.bits[...] = rounded(getattr(self.values, name)(wide_argument(other)))
        return self

    return apply


for _name in ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"]:
    setattr(BFloat16Array, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(BFloat16Array, f"__r{_name}__", _operator(f"__r{_name}__"))
    setattr(BFloat16Array, f"__i{_name}__", _in_place(f"__{_name}__"))
for _name in ["lt", "le", "gt", "ge", "eq", "ne", "neg", "abs", "pos"]:
    setattr(BFloat16Array, f"__{_name}__", _operator(f"__{_name}__"))


def wide_argument(value: Any) -> Any:
    """Return an argument with bfloat16 arrays as float32, inside tuples and lists too."""
    if isinstance(value, BFloat16Array):
        return value.values
    return type(value)(map(wide_argument, value)) if type(value) in (tuple, list) else value


def narrow_result(value: Any) -> Any:
    """Return a result with float32 rounded to bfloat16, inside tuples and lists too."""
    if isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype == numpy.float32:
        return BFloat16Array.of(value)
    return type(value)(map(narrow_result, value)) if type(value) in (tuple, list) else value


def _through(function: Any) -> Any:
    """Return a NumPy function for bfloat16 arrays: computed in float32, rounded once."""

    def call(*args: Any, out: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        if dtype is not None and dtype is not BFLOAT16:
            kwargs["dtype"] = dtype
        args = tuple(numpy.float32 if each is BFLOAT16 else wide_argument(each) for each in args)
        result = function(*args, **{key: wide_argument(each) for key, each in kwargs.items()})
        if isinstance(out, BFloat16Array):
            out.bits[...] = rounded(result)
            return out
        return narrow_result(result)

    return call


class BFloat16Backend(Backend):
    """NumPy for bfloat16 arrays."""

    def __init__(self) -> None:
        super().__init__(numpy, BFloat16Array, "cpu")

    def __getattr__(self, name: str) -> Any:
        found = getattr(numpy, name)
        if not callable(found) or isinstance(found, type):
            return found
        function = _through(found)
        setattr(self, name, function)
        return function

    def to_host(self, array: Array) -> Any:
        """Return the elements as float32."""
        return array.values

    def copyto(self, target: Array, source: Any, casting: str = "same_kind") -> None:
        """Write ``source`` into ``target``."""
        target[...] = source if isinstance(source, BFloat16Array) else numpy.asarray(source, numpy.float32)

    def may_share_memory(self, one: Array, other: Array) -> bool:
        """Return whether two arrays' memory overlaps."""
        return bool(numpy.may_share_memory(one.bits, other.bits))

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        """Add ``source`` into ``target[index]``; an element named twice gets both."""
        values = target.values
        numpy.add.at(values, index, wide_argument(source))
        target.bits[...] = rounded(values)


BFLOAT16_BACKEND = BFloat16Backend()
register(BFLOAT16_BACKEND, for_device=False)
