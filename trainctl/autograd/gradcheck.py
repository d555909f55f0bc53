"""Gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from trainctl.autograd.engine import grad
from trainctl.autograd.grad_mode import no_grad
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
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.")
    for number, output in enumerate(_outputs(func, values)):
        if not output.requires_grad:
            continue
        for place in checked:
            wanted = _numerical(func, values, number, place, eps)
            got = _analytical(func, values, number, place)
            if not numpy.allclose(got, wanted, rtol=rtol, atol=atol):
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
        results = _outputs(func, inner)
        pairs = [(result, weight) for result, weight in zip(results, weights, strict=True) if result.requires_grad]
        found = grad([p[0] for p in pairs], wanted, [p[1] for p in pairs], create_graph=True, allow_unused=True)
        return tuple(each for each in found if each is not None)

    return gradcheck(
        first_gradients, (*values, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )


def _outputs(func: Callable[..., Any], values: tuple[Any, ...]) -> tuple[Tensor, ...]:
    result = func(*values)
    return (result,) if isinstance(result, Tensor) else tuple(result)


def _numerical(func: Callable[..., Any], values: tuple[Any, ...], number: int, place: int, eps: float) -> Any:
    """Return the Jacobian [inputs, outputs] by central differences; for complex inputs, the conjugate form."""
    source = values[place]._array
    work = source.copy()
    arguments = tuple(Tensor._wrap(work) if i == place else each for i, each in enumerate(values))
    columns = []
    with no_grad():
        for index in numpy.ndindex(source.shape):
            column = _slope(func, arguments, number, work, index, eps)
            if source.dtype.kind == "c":
                column = column + 1j * _slope(func, arguments, number, work, index, eps * 1j)
            columns.append(column)
    return numpy.array(columns)


def _slope(func: Callable[..., Any], arguments: Any, number: int, work: Any, index: Any, step: Any) -> Any:
    here = work[index]
    sides = []
    for sign in (1, -1):
        work[index] = here + sign * step
        sides.append(_outputs(func, arguments)[number]._array.astype(complex).ravel())
    work[index] = here
    slope = (sides[0] - sides[1]) / (2 * abs(step))
    return slope if work.dtype.kind == "c" else slope.real


def _analytical(func: Callable[..., Any], values: tuple[Any, ...], number: int, place: int) -> Any:
    """Return the Jacobian [inputs, outputs] by one backward pass for each output element."""
    output = _outputs(func, values)[number]
    rows = []
    for index in numpy.ndindex(tuple(output.shape)):
        seed = numpy.zeros(tuple(output.shape), output._array.dtype)
        seed[index] = 1
        (row,) = grad(output, values[place], Tensor._wrap(seed), retain_graph=True, materialize_grads=True)
        rows.append(row._array.ravel())
    size = values[place]._array.size
    return numpy.array(rows).reshape(-1, size).T
