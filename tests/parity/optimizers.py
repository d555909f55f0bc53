"""Optimizers down a quadratic bowl: functions of a module `torch` that may be PyTorch or trainctl."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

STEPS = 5
OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda optim, parameters: optim.SGD(parameters, lr=0.1),
    "sgd_momentum": lambda optim, parameters: optim.SGD(
        parameters, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01
    ),
    "sgd_nesterov": lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda optim, parameters: optim.Adam(parameters, lr=0.1, betas=(0.8, 0.99), weight_decay=0.01),
    "adamw": lambda optim, parameters: optim.AdamW(parameters, lr=0.1, weight_decay=0.1, amsgrad=True),
    "adamax": lambda optim, parameters: optim.Adamax(parameters, lr=0.1, betas=(0.8, 0.99), weight_decay=0.01),
    "nadam": lambda optim, parameters: optim.NAdam(parameters, lr=0.1, weight_decay=0.1, momentum_decay=0.1),
    "radam": lambda optim, parameters: optim.RAdam(parameters, lr=0.1, betas=(0.5, 0.8), weight_decay=0.01),
    "adadelta": lambda optim, parameters: optim.Adadelta(parameters, rho=0.8, eps=1e-3, weight_decay=0.01),
    "adagrad": lambda optim, parameters: optim.Adagrad(parameters, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5),
    "asgd": lambda optim, parameters: optim.ASGD(parameters, lr=0.1, lambd=0.01, t0=1),
    "rmsprop": lambda optim, parameters: optim.RMSprop(parameters, lr=0.1, momentum=0.9, centered=True, eps=1e-2),
    "rprop": lambda optim, parameters: optim.Rprop(parameters, lr=0.5),
    "muon": lambda optim, parameters: optim.Muon(parameters, lr=0.1),
    "lbfgs": lambda optim, parameters: optim.LBFGS(parameters, lr=0.1, max_iter=2),
    "lbfgs_wolfe": lambda optim, parameters: optim.LBFGS(parameters, lr=0.2, max_iter=1, line_search_fn="strong_wolfe"),
}


def path(torch: Any, name: str) -> np.ndarray:
    """Return the weights, a column, after each step."""
    weight = torch.nn.Parameter(torch.tensor([[1.0], [-2.0], [3.0]], dtype=torch.float64))
    optimizer = OPTIMIZERS[name](torch.optim, [weight])
    scale = torch.tensor([[1.0], [0.5], [1.0]], dtype=torch.float64)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (weight * weight * scale).sum()
        loss.backward()
        return loss

    found = []
    for _ in range(STEPS):
        optimizer.step(closure)
        found.append(weight.detach().numpy().ravel().copy())
    return np.stack(found)


def paths(torch: Any) -> dict[str, np.ndarray]:
    """Return the path of every optimizer."""
    return {name: path(torch, name) for name in OPTIMIZERS}
