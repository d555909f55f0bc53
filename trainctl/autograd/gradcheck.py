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
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Check the gradients of ``func`` at ``inputs`` against central differences, element by element.

    Args:
        func: takes the inputs, returns a tensor or a tuple of them.
        inputs: float64 tensors; those that require a gradient are checked.
        eps: the step of the difference.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise on a difference instead of returning False.
        nondet_tol: by how much two backward passes with the same gradient may differ.
        check_undefined_grad: also that an output without a gradient is taken for one whose gradient is 0.
        check_grad_dtypes: also that a gradient has its input's dtype.
        check_batched_grad: not supported.
        check_batched_forward_grad: not supported.
        check_forward_ad: not supported.
        check_backward_ad: nothing else can be checked.
        fast_mode: accepted; every element is checked all the same.
        masked: accepted; only sparse tensors would tell the difference.

    Raises:
        GradcheckError: a gradient differs; says which output, input and elements.
        ValueError: no input requires a gradient.
        RuntimeError: elements of an input share memory.
        NotImplementedError: a check that is not supported.

    Example:
        >>> import trainctl
        >>> x = trainctl.rand(3, dtype=trainctl.float64, requires_grad=True)
        >>> gradcheck(lambda x: x.exp().sum(), (x,))
        True
    """
    _refuse(
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad,
    )
    if not check_backward_ad:
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    values = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = _checked_places(values)
    try:
        _check_jacobians(func, values, checked, eps, atol, rtol, nondet_tol)
        if check_grad_dtypes:
            _check_dtypes(func, values, checked)
        if check_undefined_grad:
            _check_undefined(func, values, checked)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _refuse(**options: bool) -> None:
    """Raise NotImplementedError for a check that needs what this engine does not have."""
    for name, value in options.items():
        if value:
            raise NotImplementedError(f"{name}=True is not supported: there is neither forward mode nor vmap")


def _checked_places(values: tuple[Any, ...]) -> list[int]:
    """Return which inputs require a gradient.

    Raises:
        ValueError: none does.
        RuntimeError: elements of one share memory, so that they cannot be moved one by one.
    """
    checked = [i for i, each in enumerate(values) if isinstance(each, Tensor) and each.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for place in checked:
        array = values[place]._array
        if array.real.dtype != numpy.float64:
            warnings.warn(
                f"Input #{place} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail: differences of single precision are too coarse.",
                stacklevel=3,
            )
        if array.size and any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True)):
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
    return checked


def _check_jacobians(
    func: Callable[..., Any],
    values: tuple[Any, ...],
    checked: list[int],
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
) -> None:
    """Compare the gradients with differences, and with themselves a second time.

    Outputs without a gradient are passed over, but if there is no other nothing may depend on the inputs.
    """
    outputs = _outputs(func, values)
    pairs = [(number, place) for number, each in enumerate(outputs) if each.requires_grad for place in checked]
    for number, place in pairs:
        wanted = _numerical(func, values, number, place, eps)
        got, again = (_analytical(func, values, number, place) for _ in range(2))
        where = f"for output {number} with respect to input {place}"
        if wanted.size and not numpy.allclose(got, wanted, rtol=rtol, atol=atol):
            raise GradcheckError(
                f"Jacobian mismatch {where},\n"
                f"numerical:\n{wanted}\nanalytical:\n{got}\n"
                f"largest difference: {numpy.abs(got - wanted).max()}"
            )
        if got.size and numpy.abs(got - again).max() > nondet_tol:
            raise GradcheckError(
                f"Backward is not reentrant {where}: two passes with the same gradient differ by "
                f"{numpy.abs(got - again).max()}, more than nondet_tol={nondet_tol}"
            )
    floating = [number for number, each in enumerate(outputs) if each._array.dtype.kind in "fc"]
    for number, place in [(number, place) for number in floating if not pairs for place in checked]:
        if not numpy.allclose(_numerical(func, values, number, place, eps), 0, atol=1e-12):
            raise GradcheckError(
                f"Numerical gradient for function expected to be zero: output {number} requires no gradient, "
                f"but changes with input {place}"
            )


def _gradients(outputs: Sequence[Tensor], values: tuple[Any, ...], checked: list[int]) -> tuple[Any, ...]:
    """Return the gradients of the inputs where those of the outputs are 0."""
    zeros = [Tensor._wrap(numpy.zeros(tuple(each.shape), each._array.dtype)) for each in outputs]
    return grad(outputs, [values[place] for place in checked], zeros, allow_unused=True)


def _check_dtypes(func: Callable[..., Any], values: tuple[Any, ...], checked: list[int]) -> None:
    outputs = _differentiable(func, values)
    for place, found in zip(checked, _gradients(outputs, values, checked) if outputs else (), strict=False):
        if found is not None and found.dtype is not values[place].dtype:
            raise GradcheckError(
                f"Gradient of input {place} has dtype {found.dtype}, the input itself {values[place].dtype}"
            )


def _check_undefined(func: Callable[..., Any], values: tuple[Any, ...], checked: list[int]) -> None:
    """Leave out one output after the other; with gradients of 0 for the rest all that comes back has to be 0."""
    count = len(_differentiable(func, values))
    for left_out in range(count if count > 1 else 0):
        outputs = _differentiable(func, values)
        del outputs[left_out]
        found = _gradients(outputs, values, checked)
        if any(each is not None and each._array.any() for each in found):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero, "
                f"which they are not without the gradient of output {left_out}"
            )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Check the gradients of the gradients of ``func``; what is not said here is as for :func:`gradcheck`.

    Args:
        func: takes the inputs, returns a tensor or a tuple of them.
        inputs: float64 tensors; those that require a gradient are checked.
        grad_outputs: the gradients of the outputs that have one; by default random ones.
        eps: the step of the difference.
        atol: absolute tolerance.
        rtol: relative tolerance.
        gen_non_contig_grad_outputs: draw gradients that are not contiguous.
        raise_exception: raise on a difference instead of returning False.
        nondet_tol: by how much two backward passes with the same gradient may differ.
        check_undefined_grad: also that an output without a gradient is taken for one whose gradient is 0.
        check_grad_dtypes: also that a gradient has its input's dtype.
        check_batched_grad: not supported.
        check_fwd_over_rev: not supported.
        check_rev_over_rev: nothing else can be checked.
        fast_mode: accepted; every element is checked all the same.
        masked: accepted; only sparse tensors would tell the difference.

    Example:
        >>> import trainctl
        >>> x = trainctl.rand(3, dtype=trainctl.float64, requires_grad=True)
        >>> gradgradcheck(lambda x: x.exp(), (x,))
        True
    """
    _refuse(check_batched_grad=check_batched_grad, check_fwd_over_rev=check_fwd_over_rev)
    if not check_rev_over_rev:
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    values = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    seeds = _seeds_for(_differentiable(func, values), grad_outputs, gen_non_contig_grad_outputs)
    count = len(values)

    def first_gradients(*arguments: Any) -> tuple[Tensor, ...]:
        inner, weights = arguments[:count], arguments[count:]
        wanted = [each for each in inner if isinstance(each, Tensor) and each.requires_grad]
        with enable_grad():  # the differences are taken without recording
            found = grad(_differentiable(func, inner), wanted, weights, create_graph=True, allow_unused=True)
        return tuple(each for each in found if each is not None)

    return gradcheck(
        first_gradients,
        (*values, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
    )


def _seeds_for(outputs: Sequence[Tensor], given: Any, apart: bool) -> list[Tensor]:
    """Return the gradients of the outputs, which require gradients themselves; ``apart``: not contiguous."""
    if given is not None:
        return [given] if isinstance(given, Tensor) else list(given)
    stream, seeds = numpy.random.default_rng(0), []
    for each in outputs:
        shape, kind = tuple(each.shape), each._array.dtype
        drawn = stream.standard_normal((*shape, 2)) @ ([1, 1j] if kind.kind == "c" else [1, 0])
        array = numpy.asarray(drawn).astype(kind)
        seeds.append(Tensor._wrap(numpy.stack([array, array], axis=-1)[..., 0] if apart else array).requires_grad_())
    return seeds


def _differentiable(func: Callable[..., Any], values: tuple[Any, ...]) -> list[Tensor]:
    return [each for each in _outputs(func, values) if each.requires_grad]


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
