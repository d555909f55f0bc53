"""Draws from given probabilities: of 0 or 1, and of indices."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import zeros_as
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import refuse
from trainctl.autograd.ops.random import Generator, uniform
from trainctl.autograd.tensor import Tensor

METHODS = "bernoulli bernoulli_ multinomial"
FUNCTIONS = "bernoulli multinomial"


class Bernoulli(Op):
    """1 where a number drawn from [0, 1) is below the probability; no slope."""

    def forward(self, p: Any, drawn: Any) -> Any:
        return (drawn < p).astype(p.dtype)

    def backward(self, gy: Tensor) -> Any:
        return zeros_as(gy), None


def _drawn(shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    """Return numbers uniform in [0, 1), of a precision that probabilities deserve."""
    return Tensor._wrap(like._xp.from_host(uniform(shape, like._xp.float64, generator)))


def bernoulli(input: Tensor, p: Any = None, *, generator: Generator | None = None, out: Tensor | None = None) -> Tensor:
    """Return 1 with a probability, else 0, in the dtype of ``input``.

    Args:
        input: the probabilities; with ``p``, only shape and dtype count.
        p: the probability of all elements, or a tensor of probabilities.
        generator: what to draw from.
        out: where to write the result.

    Raises:
        NotImplementedError: probabilities that are not floating point.
        RuntimeError: one outside [0, 1].

    Example:
        >>> import trainctl
        >>> bernoulli(trainctl.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    if p is not None:
        result = bernoulli_(input.detach().clone(), p, generator=generator)
    else:
        _check_probabilities(input)
        result = Bernoulli.apply(input, _drawn(input._array.shape, input, generator))
    return result if out is None else out.copy_(result)


def bernoulli_(x: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill ``x`` in place with 1 with probability ``p`` (a number or a tensor that broadcasts), else 0, and return it.

    Raises:
        NotImplementedError: probabilities that are not floating point.
        RuntimeError: one outside [0, 1].
    """
    drawn = _drawn(x._array.shape, x, generator)
    if not isinstance(p, Tensor):
        if not 0.0 <= p <= 1.0:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        return x.copy_(drawn < p)
    _check_probabilities(p)
    return x.copy_(drawn < expand(p.detach(), x.shape))


def _check_probabilities(p: Tensor) -> None:
    refuse("buic", "bernoulli", p)
    if p._array.size and not bool(((p._array >= 0) & (p._array <= 1)).all()):
        raise RuntimeError("Expected all probabilities of bernoulli to be in [0, 1]")


class DrawIndices(Op):
    """``[n, k]`` weights and numbers drawn from [0, 1) -> for each row indices with chances as their weights.

    With replacement one index for each drawn number, by the inverse of the cumulative sum; without, the first
    ``count`` to arrive in a race of exponential times.
    """

    differentiable = False
    count: int
    replacement: bool

    def forward(self, weights: Any, drawn: Any) -> Any:
        xp = self.xp
        if not self.replacement:
            times = -xp.log1p(-drawn) / weights  # a weight of 0 arrives at infinity
            return xp.argsort(times, axis=1)[:, : self.count]
        sums = xp.cumsum(weights, axis=1)
        rows, size = xp.arange(len(weights))[:, None], weights.shape[1]
        edges = (sums / sums[:, -1:] + rows).reshape(-1)  # row after row, so that one search serves all
        return xp.searchsorted(edges, (drawn + rows).reshape(-1), side="right").reshape(drawn.shape) - size * rows


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Return indices drawn with chances in the ratio of weights.

    Args:
        input: weights, ``[k]`` or ``[n, k]``, floating point; rows need not add up to 1.
        num_samples: how many indices to draw a row.
        replacement: an index may be drawn again.
        generator: what to draw from.
        out: where to write the result.

    Returns:
        int64, ``[num_samples]`` or ``[n, num_samples]``.

    Raises:
        RuntimeError: weights that are negative, not finite or all 0, other dims, or too many samples.
        TypeError: ``num_samples`` is no integer.

    Example:
        >>> import trainctl
        >>> multinomial(trainctl.tensor([0.0, 2.0]), 3, replacement=True)
        tensor([1, 1, 1])
    """
    weights = _check_weights(input, num_samples, replacement)
    xp, table = input._xp, Tensor._wrap(weights if weights.ndim == 2 else weights[None])
    shape = (table.shape[0], num_samples if replacement else table.shape[1])
    # as float32: with the number of a row added to it a float64 then stays below the next one
    drawn = Tensor._wrap(xp.from_host(uniform(shape, xp.float32, generator).astype(xp.float64)))
    indices = DrawIndices.apply(table, drawn, count=num_samples, replacement=replacement)
    result = indices.reshape((*weights.shape[:-1], num_samples))
    return result if out is None else out.copy_(result)


def _check_weights(input: Tensor, num_samples: int, replacement: bool) -> Any:
    """Return the weights as a float64 array.

    Raises:
        RuntimeError: no such draw can be made.
        TypeError: ``num_samples`` is no integer.
    """
    if not isinstance(num_samples, int):
        raise TypeError(f"multinomial(): argument 'num_samples' must be int, not {type(num_samples).__name__}")
    if input._array.dtype.kind != "f":
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {input.dtype.name}")
    if input._array.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, got shape {list(input.shape)}")
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > input._array.shape[-1]:
        raise RuntimeError(
            f"cannot sample n_sample > prob_dist.size(-1) samples without replacement: {num_samples} of {input.shape[-1]}"
        )
    weights = input._array.astype(input._xp.float64)
    if not bool(((weights >= 0) & (weights < float("inf"))).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not bool((weights.sum(axis=-1) > 0).all()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    return weights
