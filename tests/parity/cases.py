"""What is compared with PyTorch: functions of a module `torch` that may be PyTorch or trainctl.

Inputs come from NumPy's legacy `RandomState`, whose stream NumPy does not change, so a golden file needs
to hold results only. They are float64: what differs is then the formula, not the rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Op(NamedTuple):
    """A differentiable function and the shapes of its float64 inputs, drawn from [0.1, 1.1)."""

    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]


def labels(torch: Any, *values: int) -> Any:
    return torch.tensor(values, dtype=torch.int64)


OPS: dict[str, Op] = {
    "add_broadcast": Op(lambda torch, x, y: x + y, ((3, 1, 4), (2, 1))),
    "sub_broadcast": Op(lambda torch, x, y: x - y, ((4,), (3, 4))),
    "mul_scalar_tensor": Op(lambda torch, x, y: x * y, ((), (2, 3))),
    "div": Op(lambda torch, x, y: x / y, ((2, 3), (2, 3))),
    "pow": Op(lambda torch, x: x**2.5, ((2, 3),)),
    "exp": Op(lambda torch, x: torch.exp(x), ((5,),)),
    "log": Op(lambda torch, x: torch.log(x), ((5,),)),
    "relu": Op(lambda torch, x: torch.relu(x - 0.5), ((4, 5),)),
    "matmul": Op(lambda torch, x, y: x @ y, ((3, 4), (4, 5))),
    "matmul_batched": Op(lambda torch, x, y: x @ y, ((2, 1, 3, 4), (5, 4, 2))),
    "matmul_vector": Op(lambda torch, x, y: x @ y, ((4,), (2, 4, 3))),
    "sum_dim": Op(lambda torch, x: x.sum(dim=(0, 2), keepdim=True), ((2, 3, 4),)),
    "mean": Op(lambda torch, x: x.mean(), ((2, 3),)),
    "reshape_transpose": Op(lambda torch, x: x.reshape(3, 4).transpose(0, 1), ((2, 6),)),
    "slice_steps": Op(lambda torch, x: x[1:, ::2], ((3, 5),)),
    "index_repeated": Op(lambda torch, x: x[labels(torch, 2, 0, 2)], ((3, 2),)),
    "flatten": Op(lambda torch, x: torch.flatten(x, 1), ((2, 3, 4),)),
    "log_softmax": Op(lambda torch, x: torch.nn.functional.log_softmax(x, dim=1), ((3, 4),)),
    "linear": Op(lambda torch, x, w, b: torch.nn.functional.linear(x, w, b), ((2, 3, 4), (5, 4), (5,))),
    "conv2d": Op(
        lambda torch, x, w, b: torch.nn.functional.conv2d(x, w, b, stride=2, padding=1),
        ((2, 3, 5, 6), (4, 3, 3, 2), (4,)),
    ),
    "cross_entropy": Op(lambda torch, x: torch.nn.functional.cross_entropy(x, labels(torch, 1, 0, 3)), ((3, 4),)),
    "cross_entropy_sum_ignore": Op(
        lambda torch, x: torch.nn.functional.cross_entropy(
            x, labels(torch, 1, -100, 3), reduction="sum", label_smoothing=0.1
        ),
        ((3, 4),),
    ),
    "mse_loss": Op(lambda torch, x, y: torch.nn.functional.mse_loss(x, y), ((3, 2), (3, 2))),
}

OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda optim, parameters: optim.SGD(parameters, lr=0.1),
    "sgd_momentum": lambda optim, parameters: optim.SGD(
        parameters, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01
    ),
    "sgd_nesterov": lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda optim, parameters: optim.Adam(parameters, lr=0.1, betas=(0.8, 0.99), weight_decay=0.01),
}


def run_op(torch: Any, name: str) -> Arrays:
    """The op's output, and the gradient of each input for a random upstream gradient."""
    op, random = OPS[name], np.random.RandomState(0)
    inputs = [torch.tensor(random.rand(*shape) + 0.1, dtype=torch.float64) for shape in op.shapes]
    for tensor in inputs:
        tensor.requires_grad_()
    output = op.function(torch, *inputs)
    output.backward(torch.tensor(random.rand(*output.shape), dtype=torch.float64))
    gradients = {f"{name}.grad{i}": tensor.grad.numpy() for i, tensor in enumerate(inputs)}
    return {f"{name}.output": output.detach().numpy(), **gradients}


def run_optimizer(torch: Any, name: str) -> Arrays:
    """A weight after each of five steps down a quadratic bowl."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
    optimizer = OPTIMIZERS[name](torch.optim, [weight])
    path = []
    for _ in range(5):
        optimizer.zero_grad()
        (weight * weight).sum().backward()
        optimizer.step()
        path.append(weight.detach().numpy().copy())
    return {f"{name}.path": np.stack(path)}


def run_all(torch: Any) -> Arrays:
    """Every case's arrays, by name."""
    results: Arrays = {}
    for name in OPS:
        results |= run_op(torch, name)
    for name in OPTIMIZERS:
        results |= run_optimizer(torch, name)
    return results
