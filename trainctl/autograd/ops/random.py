"""Random tensors, drawn on the host from a seeded generator."""

from __future__ import annotations

from typing import Any, Self

import numpy

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.creation import _checked, _finish, _kind
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType
from trainctl.backend.random import Stream


class Generator(Stream):
    """A seeded stream of random numbers, passed as ``generator=``.

    Example:
        >>> Generator().manual_seed(7).initial_seed()
        7
    """

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


def _stream(generator: Generator | None) -> numpy.random.Generator:
    return (default_generator if generator is None else generator).stream


def uniform(shape: tuple[int, ...], kind: Any, generator: Generator | None) -> Any:
    """Return uniform values in [0, 1) as an array."""
    if kind == numpy.float64:
        return _stream(generator).random(shape)
    if kind == numpy.float32:
        return _stream(generator).random(shape, numpy.float32)
    return _stream(generator).random(shape, numpy.float32).astype(kind)


def gaussian(shape: tuple[int, ...], kind: Any, generator: Generator | None) -> Any:
    """Return standard normal values as an array; complex ones have unit variance in all."""
    if numpy.dtype(kind).kind == "c":
        parts = _stream(generator).standard_normal((*shape, 2)) * 0.5**0.5
        return (parts[..., 0] + 1j * parts[..., 1]).astype(kind)
    if kind == numpy.float64:
        return _stream(generator).standard_normal(shape)
    return _stream(generator).standard_normal(shape, numpy.float32).astype(kind, copy=False)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: None = None,
) -> Tensor:
    """Return a tensor of a shape, uniform in [0, 1)."""
    return _finish(Tensor._wrap(numpy.asarray(uniform(_checked(size), _kind(dtype), generator))), device, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: None = None,
) -> Tensor:
    """Return a tensor of a shape, normal with mean 0 and variance 1."""
    return _finish(
        Tensor._wrap(numpy.asarray(gaussian(_checked(size), _kind(dtype), generator))), device, requires_grad
    )


def randint(
    *args: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
) -> Tensor:
    """Return a tensor of integers, uniform in [low, high): ``randint(high, size)`` or ``randint(low, high, size)``.

    Raises:
        RuntimeError: an empty range.
    """
    given = list(args)
    if size is None:
        size = given.pop()
    if high is None:
        high = given.pop()
    if low is None:
        low = given.pop() if given else 0
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    drawn = _stream(generator).integers(low, high, _checked((size,)))
    return _finish(Tensor._wrap(numpy.asarray(drawn).astype(_kind(dtype or dtypes.int64))), device, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: None = None,
) -> Tensor:
    """Return the integers ``0 .. n - 1`` in random order.

    Raises:
        RuntimeError: a negative ``n``.
    """
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    drawn = _stream(generator).permutation(n)
    return _finish(Tensor._wrap(drawn.astype(_kind(dtype or dtypes.int64))), device, requires_grad)


def rand_like(input: Tensor, *, dtype: DType | None = None, generator: Generator | None = None, **_: Any) -> Tensor:
    """Return :func:`rand` of the shape and dtype of ``input``."""
    return rand(input.shape, dtype=dtype or input.dtype, generator=generator)


def randn_like(input: Tensor, *, dtype: DType | None = None, generator: Generator | None = None, **_: Any) -> Tensor:
    """Return :func:`randn` of the shape and dtype of ``input``."""
    return randn(input.shape, dtype=dtype or input.dtype, generator=generator)


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill ``x`` in place with normal values and return it."""
    return _fill(
        x,
        gaussian(x._array.shape, x._array.dtype, generator) * x._array.dtype.type(std) + x._array.dtype.type(mean),
    )


def uniform_(
    x: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None, **named: float
) -> Tensor:
    """Fill ``x`` in place with uniform values in [a, b) and return it (PyTorch's names: ``from``, ``to``)."""
    a, b = named.get("from", a), named.get("to", b)
    return _fill(
        x,
        uniform(x._array.shape, x._array.dtype, generator) * x._array.dtype.type(b - a) + x._array.dtype.type(a),
    )


def _fill(x: Tensor, values: Any) -> Tensor:
    return x.copy_(Tensor._wrap(numpy.asarray(values)))


class Dropout(Op):
    """Multiply by a mask that was drawn before; the mask is 0 or ``1 / (1 - p)``."""

    saves = (1,)

    def forward(self, x: Any, mask: Any, out: Any = None) -> Any:
        return self.xp.multiply(x, mask, out=out)

    def backward(self, gy: Tensor) -> Any:
        (mask,) = self.saved
        return mul(gy, mask), None


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return ``input`` with each element zeroed with probability ``p`` and the others scaled by ``1 / (1 - p)``.

    Raises:
        ValueError: ``p`` is not a probability.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0.0:
        return input
    kind = input._array.dtype
    if p == 1.0:
        return mul(input, 0.0)
    kept = _stream(None).random(input._array.shape, numpy.float32) >= p
    mask = Tensor._wrap(input._xp.from_host(numpy.multiply(kept, kind.type(1.0 / (1.0 - p)), dtype=kind)))
    if inplace:
        return input.mul_(mask)
    return Dropout.apply(input, mask)
