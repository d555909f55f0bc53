"""Statistics put together from sums: sums and means without NaN, covariances."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from trainctl.autograd.dims import numpy_names
from trainctl.autograd.ops.arithmetic import clamp, conj, div, mul, sub
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.diagonal import diagonal
from trainctl.autograd.ops.elementwise import sqrt
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.reduction import amax, amin, sum
from trainctl.autograd.ops.shape import reshape, squeeze, t, unsqueeze
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType

METHODS = "aminmax nansum nanmean cov corrcoef"
FUNCTIONS = "aminmax nansum nanmean cov corrcoef"


class MinMax(NamedTuple):
    """The smallest and the largest element."""

    min: Tensor
    max: Tensor


@numpy_names
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Return (min, max) along ``dim``, or of all elements; equal ones share the gradient.

    Raises:
        IndexError: no such dim, or it is empty.
        NotImplementedError: complex elements.
        RuntimeError: no elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3, 1, 2]).aminmax().max
        tensor(3)
    """
    check_tensor("aminmax", input, "input")
    refuse("c", "aminmax", input)
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


@numpy_names
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Return the sum over ``dim`` of the elements that are not NaN; integers are summed in int64.

    Raises:
        IndexError: no such dim.
        RuntimeError: complex elements.
        NotImplementedError: a complex ``dtype``.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1.0, float("nan"), 2.0]).nansum()
        tensor(3.)
    """
    check_tensor("nansum", input, "input")
    if input.is_complex():
        raise RuntimeError(f"nansum does not support complex inputs, got {input.dtype.name}")
    if not input.is_floating_point():
        return sum(input, dim, keepdim, dtype=dtype)
    if dtype is not None and dtype.is_complex:
        raise NotImplementedError(f'"nansum" not implemented for {dtype.name}')
    return sum(where(input.isnan(), 0, input), dim, keepdim, dtype=dtype)


@numpy_names
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Return the mean over ``dim`` of the elements that are not NaN; NaN where there are none.

    Raises:
        IndexError: no such dim.
        RuntimeError: not floating-point elements, or not a floating-point ``dtype``.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1.0, float("nan"), 2.0]).nanmean()
        tensor(1.5000)
    """
    check_tensor("nanmean", input, "input")
    for kind in (input.dtype, dtype or input.dtype):
        if kind.category < 2:
            raise RuntimeError(f"nanmean(): expected a floating point or complex dtype but got {kind.name}")
    return div(nansum(input, dim, keepdim, dtype=dtype), sum(~input.isnan(), dim, keepdim))


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Return the covariances of variables over observations: ``[variables, observations]`` to a square matrix.

    Args:
        input: ``[variables, observations]``, or observations of one variable, whose variance is returned.
        correction: what is taken off the number of observations.
        fweights: integers ``[observations]``: how often each counts.
        aweights: numbers ``[observations]``: how much each counts.

    Raises:
        RuntimeError: bools, more than two dims, or weights of a wrong shape, dtype or sign.

    Example:
        >>> import trainctl
        >>> trainctl.cov(trainctl.tensor([[0.0, 2.0], [0.0, 4.0]]))
        tensor([[2., 4.],
                [4., 8.]])
    """
    check_tensor("cov", input, "input")
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim}")
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = reshape(input, 1, -1) if input.ndim < 2 else input
    weights = _observation_weights(x._array.shape[1], fweights, aweights)
    count: Any = x._array.shape[1] if weights is None else sum(weights)
    centred = sub(x, unsqueeze(div(sum(_weighted(x, weights), 1), count), 1))
    norm = _normalisation(count, weights, aweights, correction)
    return squeeze(div(matmul(centred, conj(t(_weighted(centred, weights)))), norm))


def _weighted(x: Tensor, weights: Tensor | None) -> Tensor:
    return x if weights is None else mul(x, weights)


def _observation_weights(count: int, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    """Return the product of the weights of each observation, checked.

    Raises:
        RuntimeError: a wrong shape, dtype or sign, or a sum of 0.
    """
    for name, weights, kinds in (("fweights", fweights, "ui"), ("aweights", aweights, "f")):
        if weights is None:
            continue
        if weights._array.shape != (count,):
            raise RuntimeError(f"cov(): expected {name} of shape [{count}] but got {list(weights.shape)}")
        if weights._array.dtype.kind not in kinds:
            wanted = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(f"cov(): expected {name} to have {wanted} dtype but got {weights.dtype.name}")
        if weights._xp.on_host and (weights < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
    given = [each for each in (fweights, aweights) if each is not None]
    if not given:
        return None
    product = given[0] if len(given) == 1 else mul(*given)
    if product._xp.on_host and sum(product) == 0:
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    return product


def _normalisation(count: Any, weights: Tensor | None, aweights: Tensor | None, correction: int) -> Any:
    """Return what the sums of products are divided by, not less than 0."""
    if weights is not None and aweights is not None and correction:
        norm = sub(count, mul(div(sum(mul(weights, aweights)), count), correction))
    else:
        norm = count - correction
    on_host = not isinstance(norm, Tensor) or norm._xp.on_host
    if on_host and norm <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
            stacklevel=3,
        )
    return clamp(norm, min=0) if isinstance(norm, Tensor) else norm if norm > 0 else 0


def corrcoef(input: Tensor) -> Tensor:
    """Return the correlations of variables over observations: ``[variables, observations]`` to a square matrix.

    Raises:
        RuntimeError: bools, or more than two dims.

    Example:
        >>> import trainctl
        >>> trainctl.corrcoef(trainctl.tensor([[0.0, 2.0, 1.0], [0.0, 4.0, 2.0]]))
        tensor([[1., 1.],
                [1., 1.]])
    """
    check_tensor("corrcoef", input, "input")
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim}"
        )
    covariances = cov(input)
    if covariances.ndim == 0:
        return div(covariances, covariances)
    variances = diagonal(covariances)
    deviations = sqrt(cast(variances, variances.dtype.to_real()))
    correlations = div(div(covariances, unsqueeze(deviations, 1)), unsqueeze(deviations, 0))
    return correlations if correlations.is_complex() else clamp(correlations, -1, 1)
