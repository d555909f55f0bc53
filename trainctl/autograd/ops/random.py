"""Random tensors, drawn on the host from a seeded generator."""

from __future__ import annotations

from typing import Any, Self

import numpy

from trainctl.autograd.observer import as_effect
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.cast import refuse
from trainctl.autograd.ops.creation import _finish, _kind, checked_shape
from trainctl.autograd.state import note_read
from trainctl.autograd.tensor import Tensor
from trainctl.backend.bfloat16 import BFLOAT16
from trainctl.backend.dtypes import dtype as DType
from trainctl.backend.random import Stream

METHODS = "uniform_"
FUNCTIONS = (
    "Generator default_generator manual_seed seed initial_seed get_rng_state set_rng_state rand randn "
    "rand_like randn_like dropout"
)
FUNCTIONAL = "dropout"


class Generator(Stream):
    """A seeded stream of random numbers, passed as ``generator=``.

    Example:
        >>> Generator().manual_seed(7).initial_seed()
        7
    """

    @as_effect
    def manual_seed(self, seed: int) -> Self:
        """Start the stream that belongs to ``seed``, and return the generator."""
        return super().manual_seed(seed)

    def seed(self) -> int:
        """Seed from the operating system and return the seed."""
        note_read("seed()")
        return super().seed()

    def initial_seed(self) -> int:
        """Return the seed that the stream started from."""
        note_read("initial_seed()")
        return super().initial_seed()

    def get_state(self) -> Tensor:
        """Return the stream's position as a uint8 tensor."""
        return Tensor._wrap(numpy.frombuffer(self.state_bytes(), numpy.uint8).copy())

    def set_state(self, new_state: Tensor) -> Self:
        """Continue from a position that :meth:`get_state` returned.

        Raises:
            RuntimeError: not such a position.
        """
        self.set_state_bytes(new_state.numpy().tobytes())
        return self


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Start the default generator's stream that belongs to ``seed``, and return the generator.

    Example:
        >>> import trainctl
        >>> _ = manual_seed(0)
        >>> a = trainctl.rand(2)
        >>> _ = manual_seed(0)
        >>> trainctl.equal(a, trainctl.rand(2))
        True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed that the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Return the default generator's position."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a position that :func:`get_rng_state` returned."""
    default_generator.set_state(new_state)


def stream_of(generator: Generator | None) -> numpy.random.Generator:
    """Return NumPy's generator behind the one given, by default behind the default generator."""
    return (default_generator if generator is None else generator).stream


def _host_kind(kind: Any) -> Any:
    """Return the type in which NumPy can hold values of an array dtype: float32 for bfloat16, which it lacks."""
    return numpy.dtype(numpy.float32) if kind is BFLOAT16 else numpy.dtype(kind)


def uniform(shape: tuple[int, ...], kind: Any, generator: Generator | None) -> Any:
    """Return uniform values in [0, 1) as an array; complex ones have both parts so, bfloat16 ones are float32."""
    kind = _host_kind(kind)
    if kind.kind == "c":
        parts = stream_of(generator).random((*shape, 2))
        return (parts[..., 0] + 1j * parts[..., 1]).astype(kind)
    if kind == numpy.float64:
        return stream_of(generator).random(shape)
    if kind == numpy.float32:
        return stream_of(generator).random(shape, numpy.float32)
    return stream_of(generator).random(shape, numpy.float32).astype(kind)


def gaussian(shape: tuple[int, ...], kind: Any, generator: Generator | None) -> Any:
    """Return standard normal values as an array; complex ones have unit variance in all, bfloat16 ones are float32."""
    kind = _host_kind(kind)
    if kind.kind == "c":
        parts = stream_of(generator).standard_normal((*shape, 2)) * 0.5**0.5
        return (parts[..., 0] + 1j * parts[..., 1]).astype(kind)
    if kind == numpy.float64:
        return stream_of(generator).standard_normal(shape)
    return stream_of(generator).standard_normal(shape, numpy.float32).astype(kind, copy=False)


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of a shape, uniform in [0, 1).

    Raises:
        RuntimeError: an integer dtype, or a negative size.
    """
    shape, kind = checked_shape("rand", sizes, size), _checked_kind("rand", dtype)
    return _finish(Tensor._wrap(numpy.asarray(uniform(shape, kind, generator))), device, requires_grad, dtype)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of a shape, normal with mean 0 and variance 1.

    Raises:
        RuntimeError: an integer dtype, or a negative size.
    """
    shape, kind = checked_shape("randn", sizes, size), _checked_kind("randn", dtype)
    return _finish(Tensor._wrap(numpy.asarray(gaussian(shape, kind, generator))), device, requires_grad, dtype)


def _checked_kind(op: str, dtype: DType | None) -> Any:
    """Return the array dtype for real or complex random numbers."""
    kind = _kind(dtype)
    if kind.kind not in "fc":
        raise NotImplementedError(f'"{op}" not implemented for {kind.name}')
    return kind


def rand_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    layout: Any = None,
    memory_format: Any = None,
) -> Tensor:
    """Return :func:`rand` of the shape and dtype of ``input``."""
    kind = dtype or input.dtype
    where = input.device if device is None else device
    return rand(input.shape, dtype=kind, generator=generator, device=where, requires_grad=requires_grad)


def randn_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    layout: Any = None,
    memory_format: Any = None,
) -> Tensor:
    """Return :func:`randn` of the shape and dtype of ``input``."""
    kind = dtype or input.dtype
    where = input.device if device is None else device
    return randn(input.shape, dtype=kind, generator=generator, device=where, requires_grad=requires_grad)


def uniform_(x: Tensor, *ends: float, generator: Generator | None = None, **named: float) -> Tensor:
    """Fill ``x`` in place with uniform values in [from, to), by default [0, 1), and return it.

    The ends go by PyTorch's names, of which Python lets ``from`` be given only by position or as ``**{"from": -1}``.

    Raises:
        RuntimeError: ``from`` is larger than ``to``, or an integer tensor.
        TypeError: more than two ends, or another name.
    """
    refuse("bui", "uniform_", x)
    if len(ends) + len(named) > 2 or not named.keys() <= set(("from", "to")[len(ends) :]):
        raise TypeError(f"uniform_() takes the ends 'from' and 'to', got {len(ends)} by position and {sorted(named)}")
    given = {"from": 0.0, "to": 1.0} | dict(zip(("from", "to"), ends, strict=False)) | named
    low, high = given["from"], given["to"]
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    kind = x._array.dtype.type
    return fill_from_host(x, uniform(x._array.shape, x._array.dtype, generator) * kind(high - low) + kind(low))


def fill_from_host(x: Tensor, values: Any) -> Tensor:
    """Write a NumPy array into ``x`` and return ``x``."""
    return x.copy_(Tensor._wrap(numpy.asarray(values)))


class Dropout(Op):
    """Multiply by a mask that was drawn before; the mask is 0 or ``1 / (1 - p)``."""

    saves = (1,)

    def forward(self, x: Any, mask: Any, out: Any = None) -> Any:
        return self.xp.multiply(x, mask, out=out)

    def backward(self, gy: Tensor) -> Any:
        (mask,) = self.saved
        return mul(gy, mask), None


class Kept(Op):
    """``value`` with probability ``1 - p``, else 0, drawn on the host; only the dtype and place of ``like`` count."""

    differentiable = False
    draws = True
    p: float
    shape: tuple[int, ...]
    value: float

    def forward(self, like: Any, out: Any = None) -> Any:
        kind = like.dtype.type
        if isinstance(out, numpy.ndarray) and kind is numpy.float32 and out.flags.c_contiguous:
            stream_of(None).random(out=out, dtype=kind)  # the draw, its comparison and the mask in one place
            return numpy.multiply(numpy.greater_equal(out, kind(self.p), out=out), kind(self.value), out=out)
        kept = stream_of(None).random(self.shape, numpy.float32) >= self.p
        return self.xp.from_host(numpy.multiply(kept, kind(self.value), dtype=like.dtype))


def check_probability(p: float) -> None:
    """Raise ValueError if dropout cannot drop with such a probability."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return ``input`` with each element zeroed with probability ``p`` and the others scaled by ``1 / (1 - p)``.

    Raises:
        ValueError: ``p`` is not a probability.
        RuntimeError: an integer tensor.
    """
    check_probability(p)
    if not training or p == 0.0:
        return input
    kind = input._array.dtype
    if kind.kind in "bui":
        raise RuntimeError(f"result type Float can't be cast to the desired output type {input.dtype.name}")
    if p == 1.0:
        return input.mul_(0.0) if inplace else mul(input, 0.0)
    mask = Kept.apply(input, p=p, shape=input._array.shape, value=1.0 / (1.0 - p))
    return input.mul_(mask) if inplace else Dropout.apply(input, mask)
