"""Gradients against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from trainctl.autograd.engine import grad
from trainctl.autograd.grad_mode import enable_grad, no_grad
from trainctl.autograd.tensor import Tensor


class GradcheckError(RuntimeError):
    """A gradient differs from the finite difference."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Check the gradients of ``func`` at ``inputs`` against central differences, element by element.

    Args:
        func: takes the inputs, returns a tensor or a tuple of them.
        inputs: float64 tensors; those that require a gradient are checked.
        eps: the step of the difference.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise on a difference instead of returning False.

    Raises:
        GradcheckError: a gradient differs; says which output, input and elements.
        ValueError: no input requires a gradient.

    Example:
        >>> import trainctl
        >>> x = trainctl.rand(3, dtype=trainctl.float64, requires_grad=True)
        >>> gradcheck(lambda x: x.exp().sum(), (x,))
        True
    """
    values = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, each in enumerate(values) if isinstance(each, Tensor) and each.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for place in checked:
        if values[place]._array.real.dtype != numpy.float64:
            warnings.warn(
                f"Input #{place} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail: differences of single precision are too coarse.",
                stacklevel=2,
            )
    for number, output in enumerate(_outputs(func, values)):
        if not output.requires_grad:
            continue
        for place in checked:
            wanted = _numerical(func, values, number, place, eps)
            got = _analytical(func, values, number, place)
            if wanted.size and not numpy.allclose(got, wanted, rtol=rtol, atol=atol):
                if not raise_exception:
                    return False
                raise GradcheckError(
                    f"Jacobian mismatch for output {number} with respect to input {place},\n"
                    f"numerical:\n{wanted}\nanalytical:\n{got}\n"
                    f"largest difference: {numpy.abs(got - wanted).max()}"
                )
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Check the gradients of the gradients of ``func``; arguments and errors as for :func:`gradcheck`.

    Example:
        >>> import trainctl
        >>> x = trainctl.rand(3, dtype=trainctl.float64, requires_grad=True)
        >>> gradgradcheck(lambda x: x.exp(), (x,))
        True
    """
    values = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = _outputs(func, values)
    if grad_outputs is None:
        stream = numpy.random.default_rng(0)
        seeds = [Tensor._wrap(stream.standard_normal(tuple(each.shape)).astype(each._array.dtype)) for each in outputs]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    seeds = [each.requires_grad_() for each in seeds]
    count = len(values)

    def first_gradients(*arguments: Any) -> tuple[Tensor, ...]:
        inner, weights = arguments[:count], arguments[count:]
        wanted = [each for each in inner if isinstance(each, Tensor) and each.requires_grad]
        with enable_grad():
            results = _outputs(func, inner)
            pairs = [(result, weight) for result, weight in zip(results, weights, strict=True) if result.requires_grad]
            found = grad([p[0] for p in pairs], wanted, [p[1] for p in pairs], create_graph=True, allow_unused=True)
        return tuple(each for each in found if each is not None)

    return gradcheck(first_gradients, (*values, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _outputs(func: Callable[..., Any], values: tuple[Any, ...]) -> tuple[Tensor, ...]:
    result = func(*values)
    return (result,) if isinstance(result, Tensor) else tuple(result)


def _numerical(func: Callable[..., Any], values: tuple[Any, ...], number: int, place: int, eps: float) -> Any:
    """Return the Jacobian [inputs, outputs] by central differences, complex numbers as two reals each."""
    source = values[place]._array
    work = source.copy()
    moved = Tensor._wrap(work).requires_grad_()  # a function that differentiates inside needs it to
    arguments = tuple(moved if i == place else each for i, each in enumerate(values))
    rows = []
    with no_grad():
        for index in numpy.ndindex(source.shape):
            for unit in _units(source):
                sides = []
                for sign in (1, -1):
                    work[index] = source[index] + sign * eps * unit
                    sides.append(_reals(_outputs(func, arguments)[number]._array))
                work[index] = source[index]
                rows.append((sides[0] - sides[1]) / (2 * eps))
    return numpy.array(rows)


def _analytical(func: Callable[..., Any], values: tuple[Any, ...], number: int, place: int) -> Any:
    """Return the Jacobian [inputs, outputs] by one backward pass for each output element.

    A complex gradient is that of the real part of ``conj(seed) * output``, as PyTorch defines it.
    """
    output = _outputs(func, values)[number]
    columns = []
    for index in numpy.ndindex(tuple(output.shape)):
        for unit in _units(output._array):
            seed = numpy.zeros(tuple(output.shape), output._array.dtype)
            seed[index] = unit
            (found,) = grad(output, values[place], Tensor._wrap(seed), retain_graph=True, materialize_grads=True)
            columns.append(_reals(found._array))
    count = len(_reals(values[place]._array))
    return numpy.array(columns).T if columns else numpy.empty((count, 0))


def _units(array: Any) -> tuple[complex, ...]:
    return (1, 1j) if array.dtype.kind == "c" else (1,)


def _reals(array: Any) -> Any:
    """Return the elements as one row of reals, a complex one as its two parts."""
    parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
    return numpy.stack(parts, axis=-1).ravel()
