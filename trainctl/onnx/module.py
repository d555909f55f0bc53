"""A model on ONNX Runtime, in the place of the module that it was exported from."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.module import Module
from trainctl.onnx.runtime import Session


class RuntimeModule(Module):
    """Runs an ONNX model on ONNX Runtime; there are no gradients.

    Args:
        model: a file, or the bytes of one.
        threads: how many it computes on.
        output_names: the outputs' names, where they are to come as a dict.

    Raises:
        OnnxExporterError: ONNX Runtime cannot load it.
        UsageError: ONNX Runtime is not installed.
    """

    def __init__(self, model: Any, threads: int = 1, output_names: list[str] | None = None) -> None:
        super().__init__()
        self.session = Session(model, threads)
        self.output_names = output_names

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """Return the output, or the outputs by name."""
        given = {**dict(zip(self.session.inputs, inputs, strict=False)), **named}
        arrays = {name: numpy.ascontiguousarray(each.detach().cpu().numpy()) for name, each in given.items()}
        found = {name: from_numpy(array) for name, array in self.session.run(arrays).items()}
        if self.output_names is not None:
            return {name: found[name] for name in self.output_names}
        return next(iter(found.values()))
