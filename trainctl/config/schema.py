"""The config's schema; ``docs/architecture.md`` shows it at a glance."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, Strict, ValidationInfo, field_validator

from trainctl.config.blocks import Block, parse_blocks, use_faults
from trainctl.config.components import Component, parse
from trainctl.config.losses import Losses, parse_loss
from trainctl.config.models import Model, parse_model, parts_of
from trainctl.config.plugins import Plugin, parse_plugins
from trainctl.config.problems import Fault, Faults
from trainctl.config.section import Section
from trainctl.config.words import Expected, did_you_mean

Dataset = Annotated[Component, PlainValidator(partial(parse, "dataset")), Expected("a dataset")]
Loss = Annotated[Component | Losses, PlainValidator(parse_loss), Expected("a loss")]
Metric = Annotated[Component, PlainValidator(partial(parse, "metric")), Expected("a metric")]
Optimizer = Annotated[Component, PlainValidator(partial(parse, "optimizer")), Expected("an optimizer")]
Scheduler = Annotated[Component, PlainValidator(partial(parse, "scheduler")), Expected("a scheduler")]
Transform = Annotated[Component, PlainValidator(partial(parse, "transform")), Expected("a transform")]


# Not strict: YAML's lists become tuples.
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


class SplitConfig(Section):
    """How the training samples are divided.

    Attributes:
        val: the share held out for validation.
    """

    val: Annotated[float, Field(ge=0, lt=1)] = 0.0


class DataConfig(Section):
    """What the model learns from and is measured on, and in which portions.

    Attributes:
        batch_size: samples a step.
        eval_batch_size: samples at a time where nothing is learned; changes speed and memory alone.
        shuffle: whether every epoch has an order of its own.
        drop_last: whether an epoch's last batch is dropped when it is not full.
    """

    dataset: Dataset
    split: SplitConfig = SplitConfig()
    batch_size: Positive = 64
    eval_batch_size: Positive = 1000
    shuffle: bool = True
    drop_last: bool = False
    transforms: Transforms = ()


class TrainConfig(Section):
    """How long to train, and what to keep.

    Attributes:
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
        name: the run's; its directory is ``runs/<name>``.
        seed: of the initial weights, the split and the order of the samples.
        plugins: files and modules whose classes may be named like trainctl's own.
        blocks: layers under names, with parameters, for the model.
        model: a list of layers, one class, or a graph of named nodes.
        scheduler: how the learning rate changes; None leaves it as the optimizer has it.
    """

    name: Name
    seed: Seed = 0
    device: Device = "auto"
    threads: Literal["auto"] | Positive = "auto"
    plugins: Annotated[tuple[Plugin, ...], PlainValidator(parse_plugins), Expected("a list of files and modules")] = ()
    data: DataConfig
    blocks: Annotated[dict[str, Block], PlainValidator(parse_blocks), Expected("a mapping of names to blocks")] = Field(
        {}
    )
    model: Annotated[Model, PlainValidator(parse_model), Expected("a list of layers")]
    loss: Loss
    optimizer: Optimizer
    scheduler: Scheduler | None = None
    metrics: Metrics = ()
    train: TrainConfig

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
        names = [metric.name for metric in metrics]
        repeated = [index for index, name in enumerate(names) if name in names[:index]]
        if repeated:
            raise Faults(Fault((index,), f"'{names[index]}' is measured already") for index in repeated)
        return metrics

    @field_validator("train")
    @classmethod
    def _monitor_is_measured(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        if train.monitor in (None, "train_loss") or not {"data", "metrics"} <= info.data.keys():
            return train
        measured = ["val_loss", *(metric.name for metric in info.data["metrics"])]
        if train.monitor not in measured:
            hint = did_you_mean(str(train.monitor), ["train_loss", *measured])
            raise Faults([Fault(("monitor",), f"'{train.monitor}' is not measured", hint)])
        if info.data["data"].split.val == 0:
            hint = "hold some data out with `split: {val: 0.1}`, or monitor train_loss"
            raise Faults([Fault(("monitor",), f"'{train.monitor}' needs validation data", hint)])
        return train
