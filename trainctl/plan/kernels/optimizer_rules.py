"""What SGD, Adam and AdamW do with one parameter, for :mod:`trainctl.plan.kernels.optimizers`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.backend import jit
from trainctl.optim.adam import Adam
from trainctl.optim.adamw import AdamW
from trainctl.optim.optimizer import Optimizer
from trainctl.optim.sgd import SGD
from trainctl.plan.kernels import optimizer_loops as loops


@dataclass(frozen=True)
class Rule:
    """How an optimizer changes a parameter.

    Attributes:
        loop: the compiled form.
        row_loop: the same for a gradient of rows.
        blocks: the same as NumPy calls on a block, with two more blocks of scratch.
        state_of: from a group's options and a parameter's state to what is changed with the parameter; None where the
            rule does not hold.
        numbers: from a group's options and which step it is to the numbers that the loops unpack.
        counts: whether they depend on the latter, so that a state has a count.
    """

    loop: jit.Kernel
    row_loop: jit.Kernel
    blocks: Callable[..., None]
    state_of: Callable[[dict[str, Any], dict[str, Any]], list[Tensor] | None]
    numbers: Callable[[dict[str, Any], float], tuple[float, ...]]
    counts: bool = False


def _nothing(group: dict[str, Any], state: dict[str, Any]) -> list[Tensor] | None:
    return [] if group["momentum"] == 0 else None


def _descent(group: dict[str, Any], step: float) -> tuple[float, ...]:
    return float(group["lr"]), -1 if group["maximize"] else 1, group["weight_decay"]


def _velocity(group: dict[str, Any], state: dict[str, Any]) -> list[Tensor] | None:
    buffer = state.get("momentum_buffer")
    return None if buffer is None or group["momentum"] == 0 else [buffer]


def _accelerated(group: dict[str, Any], step: float) -> tuple[float, ...]:
    return *_descent(group, step), group["momentum"], 1 - group["dampening"], group["nesterov"]


def _means(group: dict[str, Any], state: dict[str, Any]) -> list[Tensor] | None:
    if group["amsgrad"] or not state or float(group["betas"][0]) <= 0.5:  # a mean moves by another formula then
        return None
    return [state["exp_avg"], state["exp_avg_sq"]]


def _adaptive(group: dict[str, Any], step: float) -> tuple[float, ...]:
    lr, (beta1, beta2) = float(group["lr"]), map(float, group["betas"])
    decay, apart = group["weight_decay"], group["decoupled_weight_decay"]
    return (
        lr / (1 - beta1**step), -1 if group["maximize"] else 1, 0 if apart else decay, 1 - lr * decay if apart else 1,
        math.sqrt(1 - beta2**step), group["eps"], 1 - beta1, beta2, 1 - beta2,
    )  # fmt: skip


_DESCEND = Rule(loops.descend, loops.descend_rows, loops.descend_blocks, _nothing, _descent)
_ACCELERATE = Rule(loops.accelerate, loops.accelerate_rows, loops.accelerate_blocks, _velocity, _accelerated)
_ADAPT = Rule(loops.adapt, loops.adapt_rows, loops.adapt_blocks, _means, _adaptive, counts=True)

RULES: dict[type[Optimizer], tuple[Rule, ...]] = {SGD: (_ACCELERATE, _DESCEND), Adam: (_ADAPT,), AdamW: (_ADAPT,)}
