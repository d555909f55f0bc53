"""What a checkpoint says of how its weights became codes: all that rebuilds the model, and what was measured then.

It holds no times, so that the same model, data and settings give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1

Method = Literal["static", "dynamic", "qat"]
Scheme = Literal["static", "dynamic", "weights"]
"""Static: activations on calibrated grids, integer products. Dynamic: on grids of their own, found as they come, integer
products. Weights: integers are what is kept; they are computed with as float32."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(max_length=1000)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Reason = Annotated[str, Field(max_length=1000)]
Layers = Field(max_length=100_000)


class _Part(BaseModel):
    """An object of the record: nothing unknown in it, and no value converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Settings(_Part):
    """What decides the result, beside the float model and the data.

    Attributes:
        method: how activations get their grids.
        bits: of a weight.
        per_channel: whether each output of a layer has a scale of its own.
        observer: what finds the range of activations.
        exclude: patterns of layers that stay in float.
        calibration_batches: how many batches are looked at.
        calibration_batch_size: samples in each.
        seed: of which samples these are.
        equalize: whether the ranges of neighbours are brought together first.
        bias_correction: whether biases make up for the mean error of a layer's outputs.
        group_size: of 4-bit weights that share a scale.
        rounding: how 4-bit weights are rounded.
        epochs: of fine-tuning.
        max_drop: how much worse than the float model it may be, in the metric's own unit; None: any.
        metric: what decides; None: the first of the config's metrics, the loss where there are none.
        split: the samples that decide, ``train``, ``val`` or ``test``; None: the last that there is.
        no_fallback: whether every layer with weights has to be quantized.
        overrides: what replaced values of the config.
    """

    method: Method = "static"
    bits: Literal[4, 8] = 8
    per_channel: bool = True
    observer: Annotated[str, Field(max_length=100)] = "histogram"
    exclude: Annotated[list[Name], Field(max_length=1000)] = []
    calibration_batches: Annotated[int, Field(ge=1, lt=2**31)] = 32
    calibration_batch_size: Annotated[int, Field(ge=1, lt=2**31)] = 64
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    equalize: bool = False
    bias_correction: bool = True
    group_size: Annotated[int, Field(ge=1, lt=2**31)] = 32
    rounding: Literal["nearest", "adaround"] = "adaround"
    epochs: Annotated[int, Field(ge=0, lt=2**31)] = 0
    max_drop: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    metric: Name | None = None
    split: Literal["train", "val", "test"] | None = None
    no_fallback: bool = False
    overrides: Annotated[list[Name], Field(max_length=1000)] = []

    @property
    def sha256(self) -> str:
        """Of all of them, as JSON with sorted keys.

        Example:
            >>> Settings().sha256 == Settings(bits=8).sha256, Settings().sha256 == Settings(bits=4).sha256
            (True, False)
        """
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


class Grid(_Part):
    """The grid that activations are put on, in uint8: ``real = (code - zero_point) * scale``."""

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    zero_point: Annotated[int, Field(ge=0, le=255)]


class QuantizedLayer(_Part):
    """A layer whose weights are codes.

    Attributes:
        name: of the layer in the model.
        kind: its class in the float model.
        scheme: what is computed in integers.
        bits: of a weight.
        per_channel: whether its outputs have scales of their own.
        has_bias: whether it has one now: of a norm that became part of it, or of its own.
        norm: the name of the batch norm that became part of it.
        relu: the name of the ReLU that became part of it.
        input_grid: what its inputs are put on; None: they are not, or as they come.
        output_grid: what its outputs are put on: the grid of the one layer that reads them.
        group_size: how many weights share a scale, where it is fewer than an output has.
        scale_dtype: what scales of weights that are kept in groups or rows are written as.
        sqnr: signal to quantization noise of its outputs, in dB, given the float model's inputs; None: no noise, or no
            signal.
        nearest_sqnr: the same with every weight at its nearest code, where codes were learnt instead.
    """

    name: Name
    kind: Annotated[str, Field(max_length=200)]
    scheme: Scheme
    bits: Literal[4, 8]
    per_channel: bool
    has_bias: bool = False
    norm: Name | None = None
    relu: Name | None = None
    input_grid: Grid | None = None
    output_grid: Grid | None = None
    group_size: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    scale_dtype: Literal["float16", "float32"] = "float32"
    sqnr: Finite | None = None
    nearest_sqnr: Finite | None = None

    @model_validator(mode="after")
    def _grids_are_those_of_its_scheme(self) -> Self:
        if (self.input_grid is None) is (self.scheme == "static"):
            raise ValueError(
                f"layer {self.name}: {self.scheme}, with {'no' if self.input_grid is None else 'an'} input_grid"
            )
        if self.output_grid is not None and self.scheme != "static":
            raise ValueError(f"layer {self.name}: {self.scheme}, with an output_grid")
        return self


class FloatLayer(_Part):
    """A layer with weights that stayed as they were, and why.

    Attributes:
        name: of the layer in the model.
        kind: its class.
        reason: why.
        bytes: of its weights.
    """

    name: Name
    kind: Annotated[str, Field(max_length=200)]
    reason: Reason
    bytes: Count


class Parents(_Part):
    """What the checkpoint was made from, by SHA-256.

    Attributes:
        weights: of the float model's ``model.safetensors``.
        calibration: of the samples, as the model saw them; None where none were needed.
        settings: of the settings.
    """

    weights: Sha256
    calibration: Sha256 | None
    settings: Sha256


class Figure(_Part):
    """One figure of both models on the same samples; None where it is not finite."""

    name: Name
    float: Finite | None
    quantized: Finite | None
    higher_is_better: bool


class Step(_Part):
    """A layer that was left in float for the sake of ``--max-drop``, and what that changed on the search's samples."""

    layer: Name
    drop_before: Finite | None
    drop_after: Finite | None
    bound_before: Finite | None
    bound_after: Finite | None
    bytes: Count


class Verdict(_Part):
    """Whether the drop holds, on samples that nothing before has seen.

    Attributes:
        metric: what decides.
        drop: how much worse the quantized model is.
        bound: the drop is less than this, at ``level``, by a paired bootstrap.
        level: how sure.
        max_drop: how much worse it might be; None: nothing was asked.
    """

    metric: Name
    drop: Finite | None
    bound: Finite | None
    level: Finite
    max_drop: Finite | None


class Measured(_Part):
    """What was measured when it was made.

    Attributes:
        split: of which samples.
        samples: how many.
        figures: of both models.
        verdict: of the one that decides.
        search_split: the samples that layers were tried on; None where none had to be.
        evaluations: how many models were measured on those.
        steps: what the search left in float, in that order.
        float_bytes: of the float model's ``model.safetensors``.
        quantized_bytes: of the quantized one's.
    """

    split: Annotated[str, Field(max_length=100)]
    samples: Count
    figures: Annotated[list[Figure], Field(max_length=10_000)]
    verdict: Verdict
    search_split: Annotated[str, Field(max_length=100)] | None = None
    evaluations: Count = 0
    steps: Annotated[list[Step], Layers] = []
    float_bytes: Count = 0
    quantized_bytes: Count = 0


class QuantizationRecord(_Part):
    """What ``checkpoint.json`` says of a quantized model.

    Attributes:
        schema_version: of this.
        settings: what was asked for.
        parents: what it was made from.
        layers: what is quantized, the noisiest first.
        float_layers: what is not.
        measured: the figures, None until there are any.
    """

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)] = SCHEMA_VERSION
    settings: Settings
    parents: Parents
    layers: Annotated[list[QuantizedLayer], Layers]
    float_layers: Annotated[list[FloatLayer], Layers]
    measured: Measured | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return self.model_dump()
