"""The workloads' steps in JAX, jitted whole, where it is installed and the workload is written in it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from benchmarks.workloads import ConvNet, Dense, Weights, Workload


def step_of(workload: Workload, weights: Weights) -> Callable[[], Any] | None:
    """A call that trains one step and returns the loss; None without JAX and for workloads not written in it."""
    forward = FORWARD.get(type(workload))
    if forward is None or importlib.util.find_spec("jax") is None:
        return None
    import jax
    import jax.numpy as jnp

    _, numbers = workload.optimizer
    lr, momentum = numbers["lr"], numbers.get("momentum", 0.0)

    def loss_of(params: Any, x: Any, target: Any) -> Any:
        scores = jax.nn.log_softmax(forward(params, x))
        return -jnp.take_along_axis(scores, target[:, None], axis=1).mean()

    def update(params: Any, moments: Any, x: Any, target: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x, target)
        if momentum:
            grads = moments = jax.tree.map(lambda m, g: momentum * m + g, moments, grads)
        return loss, jax.tree.map(lambda p, g: p - lr * g, params, grads), moments

    jitted = jax.jit(update, donate_argnums=(0, 1))
    params = {name: jnp.array(array) for name, array in weights.items()}
    moments = jax.tree.map(jnp.zeros_like, params) if momentum else None
    batch = [jnp.asarray(array) for array in workload.batch()]

    def step() -> Any:
        nonlocal params, moments
        loss, params, moments = jitted(params, moments, *batch)
        return loss

    return step


def _dense(params: Any, x: Any) -> Any:
    import jax

    *hidden, last = sorted({name.partition(".")[0] for name in params}, key=int)
    for layer in hidden:
        x = jax.nn.relu(x @ params[f"{layer}.weight"].T + params[f"{layer}.bias"])
    return x @ params[f"{last}.weight"].T + params[f"{last}.bias"]


def _cnn(params: Any, x: Any) -> Any:
    import jax

    x = x.transpose(0, 2, 3, 1)  # channels last is XLA's faster order on a CPU
    for layer in "03":
        x = jax.lax.conv_general_dilated(
            x, params[f"{layer}.weight"], (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")
        )
        x = jax.nn.relu(x + params[f"{layer}.bias"])
        x = jax.lax.reduce_window(x, -float("inf"), jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    return _dense({name: each for name, each in params.items() if name[0] in "79"}, x)


FORWARD: dict[type[Workload], Callable[[Any, Any], Any]] = {Dense: _dense, ConvNet: _cnn}
