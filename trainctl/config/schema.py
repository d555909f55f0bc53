"""The config's schema; ``docs/architecture.md`` shows it at a glance."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    field_validator,
)

from trainctl.config.components import Component, parse
from trainctl.config.problems import Fault, Faults, misfit
from trainctl.config.words import Expected, did_you_mean
from trainctl.registry import resolve

COLUMNS = frozenset({"epoch", "global_step", "loss", "lr", "train_loss", "val_loss"})
"""Figures that every run has, and whose names no metric may take."""

Dataset = Annotated[Component, PlainValidator(partial(parse, "dataset")), Expected("a dataset")]
Layer = Annotated[Component, PlainValidator(partial(parse, "layer")), Expected("a layer")]
Loss = Annotated[Component, PlainValidator(partial(parse, "loss")), Expected("a loss")]
Metric = Annotated[Component, PlainValidator(partial(parse, "metric")), Expected("a metric")]
Optimizer = Annotated[Component, PlainValidator(partial(parse, "optimizer")), Expected("an optimizer")]
Scheduler = Annotated[Component, PlainValidator(partial(parse, "scheduler")), Expected("a scheduler")]
Transform = Annotated[Component, PlainValidator(partial(parse, "transform")), Expected("a transform")]


def _not_empty(layers: tuple[Component, ...]) -> tuple[Component, ...]:
    if not layers:
        raise Faults([misfit((), "at least one layer", [])])
    return layers


# Not strict: YAML's lists become tuples.
Layers = Annotated[tuple[Layer, ...], Strict(False), AfterValidator(_not_empty), Expected("a list of layers")]
Metrics = Annotated[tuple[Metric, ...], Strict(False), Expected("a list of metrics")]
Transforms = Annotated[tuple[Transform, ...], Strict(False), Expected("a list of transforms")]

Positive = Annotated[int, Field(ge=1, lt=2**63), Expected("an integer >= 1")]
Seed = Annotated[int, Field(ge=0, lt=2**63), Expected("an integer from 0 to 2**63 - 1")]
Name = Annotated[  # also a folder's name: no separators, and at most 240 bytes of UTF-8
    str,
    Field(pattern=r"^\w[\w .+-]*$", max_length=60),
    Expected("a string of up to 60 letters, digits, spaces and '_-.+', the first a letter, a digit or '_'"),
]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$"), Expected("auto, cpu, cuda or cuda:N")]


class Section(BaseModel):
    """A mapping of the config: an unknown key is a mistake, and no value is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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
        checkpoint_every: steps between checkpoints; the end of an epoch writes one in any case.
        monitor: what the best epoch is the best in; None for the validation loss, without a
            validation split the training loss.
        compile: whether steps are recorded once and replayed; the results are the same.
        deterministic: whether the results have the same bits whatever the number of threads.
    """

    epochs: Positive
    checkpoint_every: Positive | None = None
    monitor: str | None = None
    compile: bool = True
    deterministic: bool = False


class Config(Section):
    """A run: what to train on what, and how.

    Attributes:
        name: the run's; its directory is ``runs/<name>``. The file's by default.
        seed: of the initial weights, the split and the order of the samples.
        device: ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` takes a GPU where there is one, and says so.
        threads: ``auto`` takes as many as there are cores to use.
        data: what the model learns from and is measured on.
        model: the layers, first to last. Sizes that follow from the input may be left out.
        loss: what training makes small.
        optimizer: how the weights are changed.
        scheduler: how the learning rate changes; null leaves it as the optimizer has it.
        metrics: what is measured after each epoch, beside the loss.
        train: how long to train, and what to keep.
    """

    only_in_files: ClassVar[tuple[str, ...]] = ("extends",)
    """Keys of a file that a resolved config no longer has."""

    name: Name
    seed: Seed = 0
    device: Device = "auto"
    threads: Literal["auto"] | Positive = "auto"
    data: DataConfig
    model: Layers
    loss: Loss
    optimizer: Optimizer
    scheduler: Scheduler | None = None
    metrics: Metrics = ()
    train: TrainConfig

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
