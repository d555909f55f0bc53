"""The config's schema; ``docs/architecture.md`` shows it at a glance."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, Strict, ValidationInfo, field_validator

from trainctl.config.blocks import CheckedBlocks, use_faults
from trainctl.config.components import Component, parse
from trainctl.config.losses import Loss
from trainctl.config.models import CheckedModel, Model, parts_of
from trainctl.config.optimizers import Optimizer
from trainctl.config.plugins import Plugins
from trainctl.config.problems import Fault, Faults
from trainctl.config.quantization import QuantizationConfig, quantization_faults
from trainctl.config.section import Section
from trainctl.config.words import Expected, did_you_mean
from trainctl.registry import resolve

COLUMNS = frozenset({"epoch", "global_step", "grad_norm", "loss", "lr", "train_loss", "val_loss"})
"""Figures that every run has, and whose names no metric may take."""

Dataset = Annotated[Component, PlainValidator(partial(parse, "dataset")), Expected("a dataset")]
Metric = Annotated[Component, PlainValidator(partial(parse, "metric")), Expected("a metric")]
Scheduler = Annotated[Component, PlainValidator(partial(parse, "scheduler")), Expected("a scheduler")]
Transform = Annotated[Component, PlainValidator(partial(parse, "transform")), Expected("a transform")]


# Not strict: YAML's lists become tuples.
Metrics = Annotated[tuple[Metric, ...], Strict(False), Expected("a list of metrics")]
Transforms = Annotated[tuple[Transform, ...], Strict(False), Expected("a list of transforms")]

Patterns = Annotated[  # over the names in a state_dict, as a shell's over files
    tuple[Annotated[str, Field(min_length=1)], ...], Strict(False), Expected("a list of patterns such as '0.*'")
]

Positive = Annotated[int, Field(ge=1, lt=2**63), Expected("an integer >= 1")]
Above = Annotated[float, Field(gt=0, allow_inf_nan=False), Expected("a number > 0")]
Seed = Annotated[int, Field(ge=0, lt=2**63), Expected("an integer from 0 to 2**63 - 1")]
Name = Annotated[  # also a folder's name: no separators, and at most 240 bytes of UTF-8
    str,
    Field(pattern=r"^\w[\w .+-]*$", max_length=60),
    Expected("a string of up to 60 letters, digits, spaces and '_-.+', the first a letter, a digit or '_'"),
]
Gpu = Annotated[str, Field(pattern=r"^cuda:[0-9]{1,3}$"), Expected("cuda:N")]
Gpus = Annotated[tuple[Gpu, ...], Strict(False), Expected("a list of GPUs such as [cuda:0, cuda:1]")]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$"), Expected("auto, cpu, cuda or cuda:N")]


class SplitConfig(Section):
    """How the training samples are divided.

    Attributes:
        val: the share held out for validation.
    """

    val: Annotated[float, Field(ge=0, lt=1)] = 0.0


class DataConfig(Section):
    """What the model learns from and is measured on, and in which portions.

    Attributes:
        dataset: where the samples come from.
        split: how the training samples are divided.
        batch_size: samples a step.
        eval_batch_size: samples at a time where nothing is learned; changes speed and memory alone.
        shuffle: whether every epoch has an order of its own.
        drop_last: whether an epoch's last batch is dropped when it is not full.
        transforms: what is done to every input.
        train_transforms: what is done to the inputs of training samples, before ``transforms``; it may be random.
        num_workers: threads that load batches ahead; the results are the same.
    """

    dataset: Dataset
    split: SplitConfig = SplitConfig()
    batch_size: Positive = 64
    eval_batch_size: Positive = 1000
    shuffle: bool = True
    drop_last: bool = False
    transforms: Transforms = ()
    train_transforms: Transforms = ()
    num_workers: Annotated[int, Field(ge=0, le=64), Expected("an integer from 0 to 64")] = 0


class EarlyStoppingConfig(Section):
    """When to stop before ``train.epochs``; the best weights are kept in any case.

    Attributes:
        patience: epochs in a row without an improvement of ``train.monitor``.
        min_delta: by how much it has to improve to count.
        start_epoch: epochs before this one do not count.
    """

    patience: Positive
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False), Expected("a number >= 0")] = 0.0
    start_epoch: Positive = 1


class EmaConfig(Section):
    """An exponential moving average of the weights, which is what is evaluated and kept as the model.

    Attributes:
        decay: the share of the average that a step keeps.
    """

    decay: Annotated[float, Field(ge=0, lt=1), Expected("a number >= 0 and < 1")] = 0.999


class InitConfig(Section):
    """Where a fresh run's first weights come from.

    Attributes:
        path: a run, a checkpoint, a safetensors file, or an ONNX model.
        strict: whether all names and shapes must be the model's; false takes what fits.
        sha256: of the file that was read; a run records it, and another file is then refused.
    """

    path: Annotated[str, Field(min_length=1)]
    strict: bool = True
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$"), Expected("64 hexadecimal digits")] | None = None


_INIT = "a path, or a mapping with 'path' and 'strict'"


def _as_path(value: Any) -> Any:
    """A path alone as the mapping that it stands for."""
    return {"path": value} if isinstance(value, str) else value


def _renamed(metric: Component, earlier: Component) -> str | None:
    """How two metrics can both be measured, if they are two: one under another name."""
    if metric == earlier:
        return None
    return f"give one of them a name of its own: `{metric.name}: {{name: ...}}`"


def is_table(metric: Component) -> bool:
    """Return whether a metric is a table, which is no column and decides nothing."""
    return bool(getattr(resolve("metric", metric.name), "is_table", False))


class TrainConfig(Section):
    """How long to train, and what to keep.

    Attributes:
        epochs: passes over the training samples.
        clip_grad_norm: the largest joint norm of the gradients; they are scaled down to it.
        clip_grad_value: the largest absolute value of an element of a gradient.
        accumulate: batches an optimizer step, whose gradient is that of the mean over their samples.
        early_stopping: when to stop before ``epochs``.
        ema: an average of the weights to evaluate and keep.
        checkpoint_every: steps between checkpoints; the end of an epoch writes one in any case.
        keep_best: epochs whose checkpoints stay, the best by the monitored value.
        keep_last: checkpoints that stay whatever they are worth, the last ones.
        monitor: what the best epoch is the best in; None for the validation loss, without a
            validation split the training loss.
        compile: whether steps are recorded once and replayed; the results are the same.
        deterministic: whether the results have the same bits whatever the number of threads.
    """

    epochs: Positive
    checkpoint_every: Positive | None = None
    keep_best: Positive = 1
    keep_last: Positive = 1
    monitor: str | None = None
    compile: bool = True
    deterministic: bool = False
    clip_grad_norm: Above | None = None
    clip_grad_value: Above | None = None
    accumulate: Positive = 1
    early_stopping: EarlyStoppingConfig | None = None
    ema: EmaConfig | None = None


class Config(Section):
    """A run: what to train on what, and how.

    Attributes:
        name: the run's; its directory is ``runs/<name>``. The file's by default.
        seed: of the initial weights, the split and the order of the samples.
        device: ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` takes a GPU where there is one, and says so.
        devices: GPUs that share each batch (``nn.DataParallel``); the weights are on the first.
        threads: ``auto`` takes as many as there are cores to use.
        plugins: files and modules whose classes may be named like trainctl's own.
        data: what the model learns from and is measured on.
        blocks: layers under names, with parameters, for the model.
        model: a list of layers, one class, or a graph of named nodes. Sizes that follow from the input may be left out.
        init_from: where the first weights come from; a path alone is its ``path``.
        freeze: patterns of names in the ``state_dict`` that do not change: parameters get no gradient; where a
            pattern fits the running statistics of a batch norm, it uses them and leaves them as they are.
        loss: what training makes small.
        optimizer: how the weights are changed; a list of several, each for some of them.
        scheduler: how the learning rate changes; null leaves it as the optimizer has it.
        metrics: what is measured after each epoch, beside the loss.
        train: how long to train, and what to keep.
        quantization: training that knows how the model will be quantized; null: in float alone.
    """

    only_in_files: ClassVar[tuple[str, ...]] = ("extends",)
    """Keys of a file that a resolved config no longer has."""

    name: Name
    seed: Seed = 0
    device: Device = "auto"
    devices: Gpus = ()
    threads: Literal["auto"] | Positive = "auto"
    plugins: Plugins = ()
    data: DataConfig
    blocks: CheckedBlocks = Field({})
    model: CheckedModel
    init_from: Annotated[
        InitConfig | None, BeforeValidator(_as_path, json_schema_input_type=str | InitConfig | None), Expected(_INIT)
    ] = None
    freeze: Patterns = ()
    loss: Loss
    optimizer: Optimizer
    scheduler: Scheduler | None = None
    metrics: Metrics = ()
    train: TrainConfig
    quantization: QuantizationConfig | None = None

    @field_validator("devices")
    @classmethod
    def _devices_are_told_once(cls, devices: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        repeated = [index for index, each in enumerate(devices) if each in devices[:index]]
        if repeated:
            raise Faults(Fault((index,), f"'{devices[index]}' is there already") for index in repeated)
        if devices and info.data.get("device", "auto") != "auto":
            raise Faults(
                [
                    Fault(
                        (),
                        f"device is '{info.data['device']}' already",
                        "leave one of the two out: `devices: []` is none",
                    )
                ]
            )
        return devices

    @field_validator("model")
    @classmethod
    def _blocks_take_what_they_get(cls, model: Model, info: ValidationInfo) -> Model:
        faults = use_faults(parts_of(model), info.data["blocks"]) if "blocks" in info.data else []
        if faults:
            raise Faults(faults)
        return model

    @field_validator("metrics")
    @classmethod
    def _once_each(cls, metrics: tuple[Component, ...]) -> tuple[Component, ...]:
        names = [metric.label for metric in metrics]
        faults = [
            Fault((index,), f"'{name}' is measured already", _renamed(metrics[index], metrics[names.index(name)]))
            for index, name in enumerate(names)
            if name in names[:index]
        ]
        faults += [
            Fault((index, metrics[index].name, "name"), f"'{name}' is a figure that every run has", "choose another")
            for index, name in enumerate(names)
            if name in COLUMNS
        ]
        if faults:
            raise Faults(faults)
        return metrics

    @field_validator("train")
    @classmethod
    def _monitor_is_measured(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        if train.monitor in (None, "train_loss") or not {"data", "metrics"} <= info.data.keys():
            return train
        metrics = info.data["metrics"]
        measured = ["val_loss", *(metric.label for metric in metrics if not is_table(metric))]
        if train.monitor not in measured:
            hint = did_you_mean(str(train.monitor), ["train_loss", *measured])
            raise Faults([Fault(("monitor",), f"'{train.monitor}' is not measured", hint)])
        if info.data["data"].split.val == 0:
            hint = "hold some data out with `split: {val: 0.1}`, or monitor train_loss"
            raise Faults([Fault(("monitor",), f"'{train.monitor}' needs validation data", hint)])
        return train

    @field_validator("quantization")
    @classmethod
    def _fits_the_rest(cls, asked: QuantizationConfig | None, info: ValidationInfo) -> QuantizationConfig | None:
        faults = list(quantization_faults(asked, info.data)) if asked else []
        if faults:
            raise Faults(faults)
        return asked
