"""The parts of a config, made and tried on a batch of zeros, without data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from trainctl.build.inputs import transformed
from trainctl.build.metrics import make_metrics, try_metrics
from trainctl.build.optimizers import freeze_parameters, make_optimizer
from trainctl.build.outputs import Comparison, Declared
from trainctl.build.schedules import try_scheduler
from trainctl.build.summary import LayerSummary, ModelSummary
from trainctl.build.words import BATCH, REFUSALS, checked_spec, dtype_of, shape_words
from trainctl.errors import ConfigError, Problem
from trainctl.registry import TABLES, Entry, Kind, resolve

if TYPE_CHECKING:
    from trainctl.autograd import Tensor
    from trainctl.backend.devices import device
    from trainctl.config import Component, LoadedConfig
    from trainctl.data.spec import SampleSpec

Path = tuple[str | int, ...]


# How PyTorch's messages, which the constructors keep to, spell an argument's name.
_SPELLED = {
    "lr": "learning rate",
    "eps": "epsilon value",
    "betas": "beta parameter",
    "start_factor": "starting multiplicative factor",
    "end_factor": "ending multiplicative factor",
    "schedulers": "got no scheduler",
}


class Parts:
    """The parts of a config, made and tried on a batch of zeros.

    Raises:
        ConfigError: all that does not fit.
    """

    def __init__(self, loaded: LoadedConfig) -> None:
        self.loaded, self.config = loaded, loaded.config
        self.problems: list[Problem] = []
        self.layers: list[Any] = []
        self.rows: list[LayerSummary] = []
        self.data_name = self.config.data.dataset.name
        self.dataset_class = resolve("dataset", self.data_name)
        self.sample = self._sample()
        self.inputs: Any = self.sample.inputs
        self.device = self._device()
        data = self.config.data
        self.transforms = self._make_each("transform", ("data", "transforms"), data.transforms)
        self.train_transforms = self._make_each("transform", ("data", "train_transforms"), data.train_transforms)
        self.model, output = self._make_model()
        self.loss = self._make("loss", ("loss",), self.config.loss)
        if output is not None and self.loss is not None:
            self._check_output(output)
        self.model.to(self.device)
        self.model_is_whole = not self.problems
        if self.model_is_whole:
            freeze_parameters(self.config, self.model, self._report)
        self.loss = self.loss and self.loss.to(self.device)
        self.optimizer = self._make_optimizer()
        made = make_metrics(self.config.metrics, self._make)
        self.metrics = {name: each for name, each in made.items() if not getattr(each, "is_table", False)}
        self.tables = {name: each for name, each in made.items() if name not in self.metrics}
        if output is not None and self.loss is not None and not self.problems:
            try_metrics(self.config.metrics, made, self.loss, output.to(self.device), self.sample.target, self._report)
        if self.config.scheduler and self.optimizer and None not in made.values():
            try_scheduler(self.config, self._make_optimizer(), self.metrics, self._make, self._report)
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda each: (each.line or 0, each.column or 0)))

    @property
    def summary(self) -> ModelSummary:
        """The layers with what each gives."""
        return ModelSummary(self.inputs.shape, tuple(self.rows))

    def dataset(self, *, train: bool) -> Any:
        """The dataset's training or test part, without transforms; None where it has no test part."""
        args = self.config.data.dataset.args
        has_test_part = getattr(self.dataset_class, "has_test_part", None)
        if not train and has_test_part and not has_test_part(**args):
            return None
        return self.dataset_class(**args, train=train)

    # -- reporting --------------------------------------------------------------------------------

    def _report(self, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(self.loaded.problem(path, message, hint))

    def _attempt(self, path: Path, what: str, act: Callable[[], Any]) -> Any:
        """What ``act`` gives; None, and a mistake at ``path``, where it refuses."""
        try:
            return act()
        except REFUSALS as error:
            self._report(path, f"{what}: {error}")
            return None

    # -- the parts --------------------------------------------------------------------------------

    def _make(self, kind: Kind, path: Path, component: Component, *first: Any, **sizes: int) -> Any:
        return self._call(resolve(kind, component.name), path, component, *first, **sizes)

    def _call(self, made: Callable[..., Any], path: Path, component: Component, *first: Any, **sizes: int) -> Any:
        """What a constructor or the like gives; None, and a mistake at an argument, where it refuses."""
        try:
            return made(*first, **{**component.args, **sizes})
        except REFUSALS as error:
            blamed = [name for name in component.args if self._blames(error, (*path, component.name, name))]
            where = (*path, component.name, blamed[0]) if blamed else path
            self._report(where, f"{'.'.join(map(str, path))}: {component.name}: {error}")
            return None

    def _blames(self, error: Exception, path: Path) -> bool:
        """Whether an error names an argument that is not left at its default."""
        name = _SPELLED.get(str(path[-1]), path[-1])
        named = re.search(rf"\b{name}\b", str(error), re.IGNORECASE)
        return named is not None and self.loaded.origin(path) != "default"

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

    def _make_model(self) -> tuple[Any, Tensor | None]:
        """The model, and what it makes of the zeros; None where that is not known."""
        from trainctl.nn import Sequential

        output: Tensor | None = self._zeros_from_data()
        for index, component in enumerate(self.config.model):
            output = self._add_layer(index, component, output)
        return Sequential(*self.layers), output

    def _sample(self) -> SampleSpec:
        """What the data says of its samples; without that there is nothing to check the rest against."""
        spec = partial(_spec_of, self.dataset_class)
        sample: SampleSpec | None = self._call(spec, ("data", "dataset"), self.config.data.dataset)
        if sample is None:
            raise ConfigError(self.problems)
        return sample

    def _zeros_from_data(self) -> Tensor:
        from trainctl.autograd.ops.creation import zeros

        sample = zeros(self.inputs.shape, dtype=dtype_of(self.inputs.dtype))
        sample = transformed(sample, self.config.data, self.transforms, self.train_transforms, self._report)
        return zeros(BATCH, *sample.shape, dtype=sample.dtype)

    def _add_layer(self, index: int, component: Component, batch: Tensor | None) -> Tensor | None:
        """Make a layer and try it; its output, None where it has none or the input is not known."""
        entry, path = TABLES["layer"][component.name], ("model", index)
        if batch is None:
            batch = self._attempt(path, f"model.{index}: {component.name}", lambda: _declared_input(entry, component))
        elif entry.input_shape and batch.ndim != len(entry.input_shape):
            takes = f"{component.name} takes [{', '.join(entry.input_shape)}]"
            self._report(path, f"model.{index}: {takes}, got {self._input_words(index, batch)}")
            return None
        if batch is None and not entry.inferred.keys() <= component.args.keys():
            return None
        sizes = self._sizes(index, component, batch) if batch is not None else {}
        layer = self._make("layer", path, component, **sizes)
        if layer is None or batch is None:
            return None
        self.layers.append(layer)
        return self._try_layer(index, layer, batch)

    def _sizes(self, index: int, component: Component, batch: Tensor) -> dict[str, int]:
        """The arguments that follow from the input; a mistake where the config gives another value."""
        sizes = {}
        for name, axis in TABLES["layer"][component.name].inferred.items():
            sizes[name] = size = batch.shape[axis]
            given = component.args.get(name, size)
            if given != size:
                layer = f"model.{index}: {component.name}({name}={given})"
                message = f"{layer} does not fit its input {self._input_words(index, batch)}"
                flat = batch[0].numel() == given
                hint = "put `Flatten` before it" if flat else f"write `{name}: {size}`, or leave {name} out"
                path = ("model", index, component.name, name)
                self._report(path, f"{message}: expected {name} {size}, got {given}", hint)
        return sizes

    def _try_layer(self, index: int, layer: Any, batch: Tensor) -> Tensor | None:
        name = self.config.model[index].name
        what = f"model.{index}: {name} does not take {self._input_words(index, batch)}"
        output = self._attempt(("model", index), what, lambda: _evaluated(layer, batch))
        if output is None:
            return None
        if output.shape[:1] != (BATCH,) or output.numel() == 0:
            message = f"model.{index}: {name} makes {list(output.shape)} of a batch {list(batch.shape)}"
            self._report(("model", index), message, "the first dimension must stay, and no other may be 0")
            return None
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        self.rows.append(LayerSummary(f"model.{index}", repr(layer), tuple(output.shape[1:]), parameters))
        return output

    def _input_words(self, index: int, batch: Tensor) -> str:
        source = f"model.{index - 1} ({self.config.model[index - 1].name})" if index else "the data"
        return f"{shape_words(batch.shape[1:])} from {source}"

    def _check_output(self, output: Tensor) -> None:
        """Whether the loss can compare what the model gives with what the data says is right."""
        last = len(self.config.model) - 1
        comparison = Comparison(
            loss=self.config.loss.name,
            path=("loss",),
            make=self.loss,
            output=output,
            target=self.sample.target,
            data=self.data_name,
            last=(("model", last), f"model.{last}"),
            declared=self._declared(),
        )
        for mistake in comparison.mistakes():
            self._report(*mistake)

    def _declared(self) -> Declared | None:
        """The argument that last said how wide an output is."""
        for index, component in reversed(list(enumerate(self.config.model))):
            argument = TABLES["layer"][component.name].output
            if argument:
                path = ("model", index, component.name, argument)
                return Declared(path, f"model.{index}", component.args[argument])
        return None

    def _make_optimizer(self) -> Any:
        if self.problems and not any(parameter.requires_grad for parameter in self.model.parameters()):
            return None  # a layer that was refused may be the one that has them
        names = self._report if self.model_is_whole else lambda *mistake: None  # what fits nothing may yet come
        return make_optimizer(self.config, self.model, self._make, names)


def _spec_of(dataset_class: Any, **args: Any) -> SampleSpec:
    """What a dataset says of its samples, checked."""
    return checked_spec(dataset_class.sample_spec(**args))


def _declared_input(entry: Entry, component: Component) -> Tensor | None:
    """A batch as a layer says it wants it, to go on with after a mistake; None where it does not say."""
    from trainctl.autograd.ops.creation import zeros

    declared = [component.args[name] for name, axis in entry.inferred.items() if axis == -1 and name in component.args]
    return zeros(BATCH, *declared) if declared else None


def _evaluated(layer: Any, batch: Tensor) -> Tensor:
    """A layer's output in evaluation mode, which draws no random numbers."""
    from trainctl.autograd.grad_mode import no_grad

    layer.eval()
    with no_grad():
        output: Tensor = layer(batch)
    layer.train()
    return output
