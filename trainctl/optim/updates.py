"""What the updates of several optimizers share: array code, in place, without a graph."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import NUMPY, Array
from trainctl.backend.dtypes import float64, get_default_dtype


def check_betas(betas: Any) -> None:
    """Raise ValueError if ``betas`` are not two numbers in [0, 1).

    Example:
        >>> check_betas((0.9, 0.999))
    """
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas must be two numbers, got {betas!r}")
    for number, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {number}: {beta}")


def scalar(value: float) -> Tensor:
    """Return a number of an optimizer's state, kept on the host, for it is read at every step."""
    kind = "float64" if get_default_dtype() is float64 else "float32"
    return Tensor._wrap(NUMPY.full((), value, kind))


def start(state: dict[str, Any], parameter: Tensor, *names: str) -> None:
    """Put a first state: the step 0, and zeros like the parameter under each name."""
    state["step"] = scalar(0.0)
    for name in names:
        state[name] = Tensor._wrap(parameter._xp.zeros_like(parameter._array))


def count_step(state: dict[str, Any]) -> float:
    """Count one step, and return its number, from 1."""
    state["step"]._array += 1
    return state["step"].item()


def descent(parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> Array:
    """Return the gradient to go against: negated for ``maximize``, with ``weight_decay`` times the weights added."""
    g = parameter._xp.negative(grad._array) if group["maximize"] else grad._array
    decay = group.get("weight_decay", 0)
    if decay == 0:
        return g
    if group.get("decoupled_weight_decay"):
        parameter._array *= 1 - float(group["lr"]) * decay
        return g
    return g + parameter._array * decay


def move_towards(average: Array, value: Array, share: float) -> None:
    """Move a running average by a share of its distance from a value, in place; a share of 1 is the value exactly."""
    if share < 0.5:
        average += (value - average) * share
    else:
        average[...] = value - (value - average) * (1 - share)


def real_parts(*arrays: Array) -> tuple[tuple[Array, ...], ...]:
    """Return the arrays once, or, of complex ones, all real parts and then all imaginary parts, as views.

    To an optimizer a complex number is two real ones.
    """
    if arrays[0].dtype.kind != "c":
        return (arrays,)
    return tuple(each.real for each in arrays), tuple(each.imag for each in arrays)
