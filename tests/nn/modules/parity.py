"""The same module of both libraries, with the same parameters, on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def filled(module: Any, lib: Any) -> Any:
    """Return a module of float64 whose parameters are fixed, in their order."""
    module, draw = module.to(lib.float64), np.random.RandomState(0)
    for parameter in module.parameters():
        parameter.data = lib.from_numpy(draw.uniform(-0.5, 0.5, tuple(parameter.shape)))
    return module


def drawn(lib: Any, *shape: int, seed: int = 1) -> Any:
    """Return a float64 leaf."""
    return lib.from_numpy(np.random.RandomState(seed).standard_normal(shape)).requires_grad_()


def tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors of a module's output, in order."""
    if isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors(each)
    elif value is not None:
        yield value


def outcome(module: Any, inputs: list[Any], **options: Any) -> list[Any]:
    """Return a call's outputs, the gradients of inputs and parameters, the state after it, and the module's text."""
    outputs = list(tensors(module(*inputs, **options)))
    sum((each * each).sum() for each in outputs if each.requires_grad).backward()
    leaves = [each for each in (*inputs, *module.parameters()) if each.requires_grad]
    text = repr(module).replace("NonDynamicallyQuantizableLinear", "Linear")
    return [outputs, [each.grad for each in leaves], dict(module.state_dict()), text]
