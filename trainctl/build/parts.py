"""The parts of a config, made and tried on a batch of zeros, without data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from trainctl.build.devices import device_of
from trainctl.build.flow import Flow
from trainctl.build.inputs import transformed
from trainctl.build.losses import compare, make_loss
from trainctl.build.metrics import make_metrics, try_metrics
from trainctl.build.model import INPUT, Modeller
from trainctl.build.optimizers import freeze_parameters, make_optimizer
from trainctl.build.quantization import rounding_of
from trainctl.build.schedules import try_scheduler
from trainctl.build.summary import ModelSummary
from trainctl.build.walk import Walker
from trainctl.build.words import BATCH, attempted, blamed, checked_spec, dtype_of, made, read_spec
from trainctl.errors import ConfigError, Problem
from trainctl.registry import TABLES, Kind, resolve
from trainctl.train.batches import OutputMetric, output_names

if TYPE_CHECKING:
    from trainctl.config import Component, LoadedConfig
    from trainctl.data.spec import ArraySpec, SampleSpec

Path = tuple[str | int, ...]


class Parts:
    """The parts of a config, made and tried on a batch of zeros.

    Raises:
        ConfigError: all that does not fit.
    """

    def __init__(self, loaded: LoadedConfig) -> None:
        self.loaded, self.config = loaded, loaded.config
        self.problems: list[Problem] = []
        self.data_name = self.config.data.dataset.name
        self.dataset_class = resolve("dataset", self.data_name)
        self.device = device_of(self.config, self._report)
        data = self.config.data
        self.transforms = self._make_each("transform", ("data", "transforms"), data.transforms)
        self.train_transforms = self._make_each("transform", ("data", "train_transforms"), data.train_transforms)
        self.sample = self._sample()
        self.walker = Walker(loaded, self._report)
        modeller = Modeller(self.walker, self._inputs())
        self.model, outputs = modeller.model, modeller.outputs
        self.loss = make_loss(self.config.loss, self._make)
        if self.loss is not None and outputs:
            compare(self.config, self.loss, outputs, self.sample.target, self._report)
        self.model.to(self.device)
        self.model_is_whole = not self.problems
        if self.model_is_whole:
            freeze_parameters(self.config, self.model, self._report)
            self.rounding = rounding_of(self.config, self.model, self._make, self._report)
        self.loss = self.loss and self.loss.to(self.device)
        self.optimizer = self._make_optimizer()
        figures = self._make_metrics(outputs)
        self.metrics = {name: each for name, each in figures.items() if not getattr(each, "is_table", False)}
        self.tables = {name: each for name, each in figures.items() if name not in self.metrics}
        if self.config.scheduler and self.optimizer and None not in figures.values():
            try_scheduler(self.config, self._make_optimizer(), self.metrics, self._make, self._report)
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda each: (each.line or 0, each.column or 0)))

    @property
    def summary(self) -> ModelSummary:
        """The layers with what each gives."""
        inputs = self.sample.inputs
        named = inputs if isinstance(inputs, Mapping) else {INPUT: inputs}
        shapes = {name: each.shape for name, each in named.items()}
        return ModelSummary(next(iter(shapes.values())), tuple(self.walker.rows), shapes)

    def dataset(self, *, train: bool) -> Any:
        """The dataset's training or test part, without transforms; None where it has no test part.

        Raises:
            ConfigError: a plugin's dataset refuses to be made.
        """
        if not train and not self._has_test_part():
            return None
        if TABLES["dataset"][self.data_name].made is None:
            return self._read(train=train)
        dataset = self._attempt("dataset", ("data", "dataset"), self.data_name, partial(self._read, train=train))
        if dataset is None:
            raise ConfigError(self.problems)
        return dataset

    def _has_test_part(self) -> bool:
        has = getattr(self.dataset_class, "has_test_part", None)
        return has(**self.config.data.dataset.args) if has else self._takes_train()

    def _takes_train(self) -> bool:
        """Whether the dataset's constructor has the argument ``train``; a plugin's may go without."""
        parameters = inspect.signature(self.dataset_class).parameters.values()
        return any(each.name == "train" or each.kind is each.VAR_KEYWORD for each in parameters)

    def _read(self, *, train: bool) -> Any:
        part = {"train": train} if self._takes_train() else {}
        return self.dataset_class(**self.config.data.dataset.args, **part)

    # -- reporting --------------------------------------------------------------------------------

    def _report(self, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(self.loaded.problem(path, message, hint))

    def _attempt(self, kind: Kind, path: Path, name: str, act: Callable[[], Any]) -> Any:
        """What ``act`` gives; None, and a mistake at ``path``, where it refuses."""
        result, refused = attempted(kind, name, act)
        if refused is not None:
            self._report(path, f"{'.'.join(map(str, path))}: {name}: {refused}")
        return result

    # -- the parts --------------------------------------------------------------------------------

    def _make(self, kind: Kind, path: Path, component: Component, *first: Any, **sizes: Any) -> Any:
        result, refused = made(kind, component, *first, **sizes)
        if refused is not None:
            where = blamed(self.loaded, refused, path, component)
            self._report(where, f"{'.'.join(map(str, path))}: {component.name}: {refused}")
        return result

    def _make_each(self, kind: Kind, path: Path, components: Sequence[Component]) -> list[Any]:
        return [self._make(kind, (*path, index), each) for index, each in enumerate(components)]

    def _sample(self) -> SampleSpec:
        """What the data says of its samples; without that there is nothing to check the rest against."""
        component, cls, path = self.config.data.dataset, self.dataset_class, ("data", "dataset")

        def look() -> SampleSpec:
            if hasattr(cls, "sample_spec"):
                return checked_spec(cls.sample_spec(**component.args))
            return read_spec(self._read(train=True)[0])

        sample, refused = attempted("dataset", component.name, look)
        if refused is not None:
            self._report(blamed(self.loaded, refused, path, component), f"data.dataset: {component.name}: {refused}")
            raise ConfigError(self.problems)
        return sample

    def _inputs(self) -> Flow | dict[str, Flow]:
        """Zeros as the data has them, after the transforms; several inputs by name."""
        inputs = self.sample.inputs
        if not isinstance(inputs, Mapping):
            return self._zeros(inputs, "the data", self._transformed)
        for key in ("transforms", "train_transforms"):
            if getattr(self.config.data, key):
                message = f"data.{key}: {self.data_name} has several inputs, and a transform changes one"
                self._report(("data", key), message, "change them in the dataset")
        return {name: self._zeros(spec, f"the data's '{name}'") for name, spec in inputs.items()}

    def _zeros(self, spec: ArraySpec, source: str, change: Callable[[Any], Any] = lambda sample: sample) -> Flow:
        """A batch of zeros."""
        from trainctl.autograd.ops.creation import zeros

        sample = change(zeros(spec.shape, dtype=dtype_of(spec.dtype)))
        return Flow(zeros(BATCH, *sample.shape, dtype=sample.dtype), source, high=spec.high)

    def _transformed(self, sample: Any) -> Any:
        return transformed(sample, self.config.data, self.transforms, self.train_transforms, self._report)

    def _make_metrics(self, outputs: Mapping[str, Flow]) -> dict[str, Any]:
        """The metrics by their names; of several outputs they measure the first that has a loss."""
        compared = output_names(self.loss)
        figures = make_metrics(self.config.metrics, self._make)
        first = next((name for name in outputs if name in compared), "")
        output = outputs[first].batch if first in outputs else None
        if output is not None and self.loss is not None and not self.problems:
            target, loss = self.sample.target, self.loss
            target = target[first] if isinstance(target, Mapping) else target
            loss = loss.losses[first] if first else loss
            try_metrics(self.config.metrics, figures, loss, output.to(self.device), target, self._report)
        if not first:
            return figures
        return {name: each and OutputMetric(each, first) for name, each in figures.items()}

    def _make_optimizer(self) -> Any:
        if self.problems and not any(parameter.requires_grad for parameter in self.model.parameters()):
            return None  # a layer that was refused may be the one that has them
        names = self._report if self.model_is_whole else lambda *mistake: None  # what fits nothing may yet come
        return make_optimizer(self.config, self.model, self._make, names)
