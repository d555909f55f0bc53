"""Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import Array
from trainctl.optim.optimizer import Optimizer, check_single
from trainctl.optim.updates import move_towards


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal (Jordan et al., 2024), as PyTorch defines it: for matrices alone.

    Give the other parameters (biases, embeddings, the last layer) to AdamW.

    Args:
        params: matrices or groups of them.
        lr: learning rate.
        weight_decay: share of the weights that a step of learning rate 1 would take away.
        momentum: decay of the running mean of the gradient.
        nesterov: look ahead along the momentum.
        ns_coefficients: the three coefficients of the Newton-Schulz iteration.
        eps: smallest norm that a step is divided by.
        ns_steps: iterations, fewer than 100.
        adjust_lr_fn: how the learning rate follows a matrix's shape ``[A, B]``: ``"original"`` (also None) times
            ``sqrt(max(1, A / B))``, ``"match_rms_adamw"`` times ``0.2 * sqrt(max(A, B))``.

    Raises:
        ValueError: a negative option, an unknown ``adjust_lr_fn``, or a parameter that is no matrix.

    Example:
        >>> import trainctl
        >>> w = trainctl.zeros(2, 2, requires_grad=True)
        >>> (w * trainctl.eye(2)).sum().backward()
        >>> Muon([w], lr=0.1).step()
        >>> w[0, 1].item(), -0.15 < w[0, 0].item() < -0.05
        (0.0, True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_single(lr)
        for name, value in (("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)):
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported; expected original or match_rms_adamw"
            )
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {parameter.shape}"
                    )

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step.

        Raises:
            RuntimeError: complex parameters.
            ValueError: options of the iteration that do not fit.
        """
        if parameter.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        xp, w, g = parameter._xp, parameter._array, grad._array
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = Tensor._wrap(xp.zeros_like(g))
        mean, lr = state["momentum_buffer"]._array, float(group["lr"])
        move_towards(mean, g, 1 - group["momentum"])
        step = mean
        if group["nesterov"]:
            step = g.copy()
            move_towards(step, mean, group["momentum"])
        wide = Tensor._wrap(step).float()
        step = orthogonal(wide._xp, wide._array, group["ns_coefficients"], group["ns_steps"], group["eps"])
        w *= 1 - lr * group["weight_decay"]
        w -= Tensor._wrap(step).to(parameter.dtype)._array * (lr * _shape_factor(w.shape, group["adjust_lr_fn"]))
        parameter._bump_version()


def orthogonal(xp: Any, x: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """Return a matrix with singular vectors near those of ``x`` and singular values near 1, by Newton-Schulz.

    All products are rounded to bfloat16, as PyTorch's are.

    Raises:
        ValueError: 100 steps or more, or not three coefficients.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = _bfloat16(xp, x.T if tall else x)
    norm = _bfloat16(xp, xp.sqrt(xp.sum(x * x, dtype=xp.float32)))
    x = _bfloat16(xp, x / xp.maximum(norm, _bfloat16(xp, xp.full((), eps, xp.float32))))
    for _ in range(steps):
        gram = _bfloat16(xp, x @ x.T)
        polynomial = _bfloat16(xp, b * gram + c * (gram @ gram))
        x = _bfloat16(xp, a * x + polynomial @ x)
    return x.T if tall else x


def _bfloat16(xp: Any, x: Array) -> Array:
    """Return float32 values rounded to bfloat16's 8 bits of precision, to the nearest, ties to even."""
    bits = xp.ascontiguousarray(x, dtype=xp.float32).view(xp.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(xp.float32)


def _shape_factor(shape: tuple[int, ...], rule: str | None) -> float:
    rows, columns = shape
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
