"""The ops as methods and operators of ``Tensor``."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from trainctl.autograd.inplace import apply_inplace
from trainctl.autograd.op import Op
from trainctl.autograd.ops import (
    activation,
    arithmetic,
    comparison,
    creation,
    elementwise,
    indexing,
    joining,
    linalg,
    random,
    reduction,
    shape,
    softmax,
)
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.size import as_shape
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend import devices, dtypes

# Ops that are methods under their own name: tensor.sum(...) is ops.reduction.sum(tensor, ...).
METHODS: dict[ModuleType, str] = {
    arithmetic: "add sub rsub mul div floor_divide remainder neg pow conj maximum minimum clamp",
    elementwise: "exp log sqrt abs sgn sign tanh sigmoid sin cos square reciprocal rsqrt",
    activation: "relu",
    comparison: "eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor logical_not "
    "bitwise_not isnan isinf isfinite equal isclose allclose",
    reduction: "sum mean var std amax amin argmax argmin max min all any prod logsumexp",
    shape: "clone contiguous reshape view flatten unflatten permute transpose t expand sum_to_size squeeze unsqueeze "
    "narrow",
    joining: "split chunk unbind",
    indexing: "select gather index_select masked_fill masked_select nonzero",
    linalg: "matmul mm bmm mv dot outer addmm baddbmm",
    softmax: "softmax log_softmax",
    random: "normal_ uniform_",
}

# Ops with an in-place form: x.add_(y) writes x + y into x.
IN_PLACE = [
    "add",
    "sub",
    "mul",
    "div",
    "floor_divide",
    "remainder",
    "neg",
    "pow",
    "exp",
    "log",
    "sqrt",
    "abs",
    "sgn",
    "sign",
    "tanh",
    "sigmoid",
    "relu",
    "sin",
    "cos",
    "square",
    "reciprocal",
    "rsqrt",
    "clamp",
    "masked_fill",
    "logical_not",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
]

OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": arithmetic.add, "__sub__": arithmetic.sub, "__mul__": arithmetic.mul,
    "__truediv__": arithmetic.div, "__floordiv__": arithmetic.floor_divide, "__mod__": arithmetic.remainder,
    "__pow__": arithmetic.pow, "__eq__": comparison.eq, "__ne__": comparison.ne, "__lt__": comparison.lt,
    "__le__": comparison.le, "__gt__": comparison.gt, "__ge__": comparison.ge,
    "__and__": comparison.bitwise_and, "__or__": comparison.bitwise_or, "__xor__": comparison.bitwise_xor,
}  # fmt: skip
REFLECTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")


def _is_operand(value: Any) -> bool:
    return isinstance(value, (Tensor, bool, int, float, complex))


def _operand(value: Any) -> Any:
    """Return another operand as a tensor or number, or NotImplemented."""
    if _is_operand(value):
        return value
    if hasattr(value, "__array__"):
        array = creation.as_tensor(value)
        return array.item() if array.ndim == 0 else array
    return NotImplemented


def _operator(op: Callable[..., Any], reflected: bool) -> Callable[[Tensor, Any], Any]:
    def forward(self: Tensor, other: Any) -> Any:
        if type(other) is not Tensor and (other := _operand(other)) is NotImplemented:
            return NotImplemented
        return op(self, other)

    def backward(self: Tensor, other: Any) -> Any:
        if (other := _operand(other)) is NotImplemented:
            return NotImplemented
        return op(other, self)

    return backward if reflected else forward


class _Assign(Op):
    """What an in-place form writes: the value of its op, of which ``x`` is one more input."""

    def forward(self, x: Any, value: Any, out: Any = None) -> Any:
        return self.xp.broadcast_to(value, x.shape)

    def backward(self, gy: Tensor) -> Any:
        return None, gy


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write ``src`` (broadcast and cast) into this tensor and return it."""
    if not isinstance(src, Tensor):
        src = creation.as_tensor(src)
    shape.expand(src.detach(), self.shape)  # raises where it does not broadcast
    return apply_inplace(_Assign, self, cast(src, self.dtype))


def _in_place(name: str) -> Callable[..., Tensor]:
    op = next(getattr(module, name) for module, names in METHODS.items() if name in names.split())

    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        value = op(_same_tensor(self), *args, **kwargs)
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(value.shape)}"
            )
        if value.dtype.category > self.dtype.category:
            raise RuntimeError(
                f"result type {value.dtype.name} can't be cast to the desired output type {self.dtype.name}"
            )
        return apply_inplace(_Assign, self, cast(value, self.dtype))

    change.__name__ = f"{name}_"
    change.__doc__ = f"In-place form of :func:`{name}`: the result is written into this tensor, which is returned."
    return change


def _same_tensor(x: Tensor) -> Tensor:
    """Return ``x`` for an op whose value will be written into ``x``.

    Where backward may read the input, it must read what was there before the write: a copy.
    """
    if not (state.grad and x.requires_grad):
        return x
    return x.clone()


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0 and return the tensor."""
    return copy_(self, Tensor._wrap(self._xp.zeros((), self._array.dtype)))


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to ``value`` (a number or a 0-d tensor) and return the tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            )
        return copy_(self, value)
    return copy_(self, Tensor._wrap(self._xp.asarray(value).astype(self._array.dtype)))


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
    if device is not None:
        devices.check(device)
    result = self if dtype is None else cast(self, dtypes.as_dtype(dtype))
    return result.clone() if copy and result is self else result


def _cast_method(name: str) -> Callable[[Tensor], Tensor]:
    kind = dtypes.ALIASES[name]

    def convert(self: Tensor) -> Tensor:
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
    def make(self: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        return function(*size, dtype=dtype or self.dtype, **options)

    make.__name__ = f"new_{function.__name__}"
    make.__doc__ = f"Return ``{function.__name__}(...)`` in this tensor's dtype."
    return make


def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """Return a new tensor of ``data`` in this tensor's dtype."""
    return creation.tensor(data, dtype=dtype or self.dtype, **options)


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """Return a view in the shape of ``other``."""
    return shape.view(self, other.shape)


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor expanded to the shape of ``other``."""
    return shape.expand(self, other.shape)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in the shape of ``other``."""
    return shape.reshape(self, other.shape)


def _matmul(self: Tensor, other: Any) -> Any:
    return linalg.matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _repeat(self: Tensor, *sizes: Any) -> Tensor:
    """Return the tensor repeated along each dim; extra leading sizes add dims."""
    counts = as_shape(sizes)
    if len(counts) < self.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    source = (1,) * (len(counts) - self.ndim) + tuple(self.shape)
    wide = shape.reshape(self, [each for size in source for each in (1, size)])
    wide = shape.expand(wide, [each for count, size in zip(counts, source, strict=True) for each in (count, size)])
    return shape.reshape(wide, [count * size for count, size in zip(counts, source, strict=True)])


def _transposed(self: Tensor) -> Tensor:
    """The tensor with its dims reversed."""
    return shape.permute(self, tuple(reversed(range(self.ndim))))


def _bind() -> None:
    """Put everything above on the class."""
    for module, names in METHODS.items():
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    for name in IN_PLACE:
        setattr(Tensor, f"{name}_", _in_place(name))
    for name, op in OPERATORS.items():
        setattr(Tensor, name, _operator(op, reflected=False))
    for name in REFLECTED:
        setattr(Tensor, f"__r{name}__", _operator(OPERATORS[f"__{name}__"], reflected=True))
    for name, short in (("add", "add"), ("sub", "sub"), ("mul", "mul"), ("div", "truediv"), ("pow", "pow")):
        setattr(Tensor, f"__i{short}__", getattr(Tensor, f"{name}_"))
    for name in dtypes.ALIASES:
        setattr(Tensor, name, _cast_method(name))
    for function in (creation.zeros, creation.ones, creation.empty, creation.full):
        setattr(Tensor, f"new_{function.__name__}", _new(function))
    for function in (copy_, zero_, fill_, to, type_as, cpu, cuda, new_tensor, view_as, expand_as, reshape_as):
        setattr(Tensor, function.__name__, function)
    others: dict[str, Any] = {
        "__matmul__": _matmul, "__rmatmul__": lambda self, other: NotImplemented, "__neg__": arithmetic.neg,
        "__pos__": lambda self: self, "__abs__": elementwise.abs, "__invert__": comparison.bitwise_not,
        "__getitem__": indexing.getitem, "__setitem__": indexing.setitem, "repeat": _repeat,
        "multiply": arithmetic.mul, "divide": arithmetic.div, "subtract": arithmetic.sub, "absolute": elementwise.abs,
        "where": lambda self, condition, other: comparison.where(condition, self, other),
        "T": property(_transposed), "mT": property(lambda self: shape.transpose(self, -2, -1)),
    }  # fmt: skip
    for name, value in others.items():
        setattr(Tensor, name, value)


_bind()
