"""The parts of a config, made and tried on a batch of zeros, without data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from trainctl.build.flow import Flow
from trainctl.build.losses import compare, make_loss
from trainctl.build.model import INPUT, Modeller
from trainctl.build.schedules import try_scheduler
from trainctl.build.summary import ModelSummary
from trainctl.build.walk import Walker
from trainctl.build.words import BATCH, attempted, blamed, checked_spec, dtype_of, made, read_spec
from trainctl.errors import ConfigError, Problem
from trainctl.registry import TABLES, Kind, resolve
from trainctl.train.batches import OutputMetric

if TYPE_CHECKING:
    from trainctl.backend.devices import device
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
        self.device = self._device()
        self.transforms = self._make_each("transform", ("data", "transforms"), self.config.data.transforms)
        if self.transforms and not self._takes("transform"):
            self._report(("data", "transforms"), f"data.transforms: {self.data_name} takes no transform")
        self.sample = self._sample()
        self.walker = Walker(loaded, self._report)
        modeller = Modeller(self.walker, self._inputs())
        self.model, outputs = modeller.model, modeller.outputs
        self.loss = make_loss(self.config.loss, self._make)
        if self.loss is not None and outputs:
            compare(self.config, self.loss, outputs, self.sample.target, self._report)
        self.model.to(self.device)
        self.loss = self.loss and self.loss.to(self.device)
        self.optimizer = self._make_optimizer()
        metrics = self._make_each("metric", ("metrics",), self.config.metrics)
        first = next(iter(outputs), "")  # of several outputs, the one that metrics measure
        self.metrics = {
            component.name: OutputMetric(each, first) if first and each is not None else each
            for component, each in zip(self.config.metrics, metrics, strict=True)
        }
        if self.config.scheduler and self.optimizer and None not in metrics:
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
        """The dataset's training or test part; None where it has no test part.

        Raises:
            ConfigError: a plugin's dataset refuses to be made.
        """
        if not train and not self._takes("train"):
            return None
        made_of = partial(self._read, train=train)
        if TABLES["dataset"][self.data_name].made is None:
            return made_of()
        dataset = self._attempt("dataset", ("data", "dataset"), self.data_name, made_of)
        if dataset is None:
            raise ConfigError(self.problems)
        return dataset

    def _takes(self, argument: str) -> bool:
        """Whether the dataset's constructor has an argument; a plugin's may go without ``train`` or ``transform``."""
        parameters = inspect.signature(self.dataset_class).parameters.values()
        return any(each.name == argument or each.kind is each.VAR_KEYWORD for each in parameters)

    def _read(self, *, train: bool) -> Any:
        from trainctl.data import Compose

        transform = Compose(self.transforms) if self.transforms else None
        given = {"train": train, "transform": transform}
        kept = {name: value for name, value in given.items() if self._takes(name)}
        return self.dataset_class(**self.config.data.dataset.args, **kept)

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

    def _device(self) -> device:
        """The device that the config means; ``auto`` takes a GPU where there is one, ``cuda`` never anything else."""
        from trainctl.backend.arrays import backend_for, gpu_count
        from trainctl.backend.devices import CPU, device

        if self.config.device == "auto":
            return device("cuda", 0) if gpu_count() else CPU
        try:
            backend_for(device(self.config.device))
        except RuntimeError as error:
            hint = "write `device: cpu`, or `device: auto` to take a GPU only where there is one"
            self._report(("device",), f"device: {error}", hint)
            return CPU
        return device(self.config.device)

    def _sample(self) -> SampleSpec:
        """What the data says of its samples; without that there is nothing to check the rest against."""
        path, args = ("data", "dataset"), self.config.data.dataset.args
        cls = self.dataset_class

        def look() -> SampleSpec:
            if hasattr(cls, "sample_spec"):
                return checked_spec(cls.sample_spec(**args))
            return read_spec(self._read(train=True)[0])

        sample: SampleSpec | None = self._attempt("dataset", path, self.data_name, look)
        if sample is None:
            raise ConfigError(self.problems)
        return sample

    def _inputs(self) -> Flow | dict[str, Flow]:
        """Zeros as the data has them; several inputs by name."""
        inputs = self.sample.inputs
        if isinstance(inputs, Mapping):
            return {name: self._zeros(spec, f"the data's '{name}'", ()) for name, spec in inputs.items()}
        return self._zeros(inputs, "the data", self.transforms)

    def _zeros(self, spec: ArraySpec, source: str, transforms: Sequence[Any]) -> Flow:
        """A batch of zeros, after the transforms of a sample."""
        from trainctl.autograd.ops.creation import zeros

        sample = zeros(spec.shape, dtype=dtype_of(spec.dtype))
        for index, transform in enumerate(transforms):
            if transform is not None:
                path, name = ("data", "transforms", index), self.config.data.transforms[index].name
                changed = self._attempt("transform", path, name, partial(transform, sample))
                sample = sample if changed is None else changed
        return Flow(zeros(BATCH, *sample.shape, dtype=sample.dtype), source, high=spec.high)

    def _make_optimizer(self) -> Any:
        parameters = list(self.model.parameters())
        if not parameters and self.problems:
            return None  # a layer that was refused may be the one that has them
        return self._make("optimizer", ("optimizer",), self.config.optimizer, parameters)
