"""What a model is made of, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerSummary:
    """One layer of a model.

    Attributes:
        path: its key path, such as ``model.1``.
        layer: its class and arguments, inferred sizes included.
        output_shape: of one sample, without the batch.
        parameters: how many numbers it learns.
    """

    path: str
    layer: str
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class ModelSummary:
    """What a model is made of.

    Attributes:
        input_shape: of one sample, without the batch; with several inputs, the first one's.
        layers: in their order.
        inputs: the shapes of all inputs, by name.
    """

    input_shape: tuple[int, ...]
    layers: tuple[LayerSummary, ...]
    inputs: Mapping[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        """How many numbers the model learns."""
        return sum(layer.parameters for layer in self.layers)
