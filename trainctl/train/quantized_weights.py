"""The weights of a quantized model in a checkpoint: what its record says already is not written again.

Of an integer layer ``model.safetensors`` holds ``weight_codes``, ``weight_scale`` and ``bias_float``. The grids of its
input and output are in the record, and the zero points of weights are 0: a small model is not to be half headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from trainctl.quantization.post_training import rebuild
from trainctl.storage.packing import Arrays, to_array
from trainctl.storage.quantization_record import QuantizedLayer
from trainctl.train.checkpoint import Checkpoint

_RECORDED = ("scale", "zero_point", "input_scale", "input_zero_point", "weight_zero_point")


def stored_weights(model: Any, layers: Sequence[QuantizedLayer]) -> Arrays:
    """Return what a checkpoint holds of a quantized model's ``state_dict``."""
    recorded = _recorded_names(layers)
    return {name: to_array(tensor) for name, tensor in model.state_dict().items() if name not in recorded}


def restored(checkpoint: Checkpoint, model: Any) -> Checkpoint:
    """Make a float model the quantized one that a checkpoint is of, and return the checkpoint with whole weights.

    Raises:
        CheckpointError: the model has no such layers.
    """
    assert checkpoint.quantization is not None
    layers = checkpoint.quantization.layers
    rebuild(model, layers)
    recorded = _recorded_names(layers)
    known = {name: to_array(tensor) for name, tensor in model.state_dict().items() if name in recorded}
    return replace(checkpoint, model={**checkpoint.model, **known})


def _recorded_names(layers: Sequence[QuantizedLayer]) -> set[str]:
    return {f"{layer.name}.{part}" for layer in layers if layer.scheme != "weights" for part in _RECORDED}
