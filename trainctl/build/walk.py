"""The layers of a model, made one after the other and tried on what the ones before make of zeros."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainctl.build.flow import Declared, Flow, Path, Spot
from trainctl.build.forms import merge_mistake, residual_mistake
from trainctl.build.summary import LayerSummary
from trainctl.build.words import BATCH, attempted, blamed, made
from trainctl.registry import TABLES, Entry

if TYPE_CHECKING:
    from trainctl.config import Component, LoadedConfig

Report = Callable[[Path, str, str | None], None]
"""``report(path, message, hint)``."""

MOST_LAYERS = 3000
"""A bound for what blocks and repeats may multiply to."""


class Walker:
    """Makes layers and tries them; each that does not fit is reported, and the rest is looked at all the same.

    Attributes:
        rows: the layers that were tried, with what they gave.
    """

    def __init__(self, loaded: LoadedConfig, report: Report) -> None:
        self.loaded, self._report = loaded, report
        self.rows: list[LayerSummary] = []
        self._count = 0
        self._forms: Mapping[str, Callable[[Component, Spot, Flow], tuple[Any, Flow]]] = {
            "Sequential": self._sequential,
            "Repeat": self._repeat,
            "Residual": self._residual,
            "Parallel": self._parallel,
        }

    def report(self, spot: Spot, message: str, hint: str | None = None, path: Path | None = None) -> None:
        """Report a mistake; one in a block with the places where the block is used."""
        used = "".join(f" ({self.loaded.used_at(use)})" for use in reversed(spot.uses))
        self._report(path or spot.path, f"{spot.name}{message}{used}", hint)

    def chain(self, parts: Sequence[Component], spot: Spot, *flows: Flow) -> tuple[list[Any], Flow]:
        """Layers one after the other; several flows are what the first takes."""
        modules = []
        for index, part in enumerate(parts):
            module, flow = self.layer(part, spot.below(index), *flows)
            flows = (flow,)
            if module is not None:
                modules.append(module)
        return modules, flows[0]

    def layer(self, part: Component, spot: Spot, *flows: Flow) -> tuple[Any, Flow]:
        """A layer, None where it cannot be made, and what it gives."""
        if not self._may_be_more(spot):
            return None, flows[0].then(None, spot, part.name)
        form = self._block if part.name in self.loaded.config.blocks else self._forms.get(part.name)
        if form is None:
            return self._plain(part, spot, flows)
        if len(flows) > 1:
            self.report(spot, f": {part.name} takes one input, got {len(flows)}", "merge them: `merge: cat`")
            return None, flows[0].then(None, spot, part.name)
        return form(part, spot, flows[0])

    def _may_be_more(self, spot: Spot) -> bool:
        """Whether there may be one layer more, which is counted; the first that may not is reported."""
        self._count += 1
        if self._count == MOST_LAYERS + 1:
            self.report(spot, f": over {MOST_LAYERS} layers; this is no config")
        return self._count <= MOST_LAYERS

    # -- layers that are made of layers ---------------------------------------------------------------

    def _sequential(self, part: Component, spot: Spot, flow: Flow) -> tuple[Any, Flow]:
        modules, flow = self.chain(part.args["layers"], spot.below(part.name, "layers"), flow)
        return made("layer", part, layers=modules)[0], flow

    def _block(self, part: Component, spot: Spot, flow: Flow) -> tuple[Any, Flow]:
        from trainctl.nn.structure import Sequential

        modules, flow = self.chain(self.loaded.layers_of(part), spot.in_block(part.name), flow)
        return Sequential(modules), flow

    def _repeat(self, part: Component, spot: Spot, flow: Flow) -> tuple[Any, Flow]:
        from trainctl.nn.structure import Sequential

        times: list[Any] = []
        while len(times) < part.args["times"] and (flow.batch is not None or not times):
            if not self._may_be_more(spot):  # with no layers in it, too, a repeat has an end
                break
            inner = replace(spot.below(part.name, "layers"), label=f"{spot.label}.{part.name}.{len(times)}")
            modules, flow = self.chain(part.args["layers"], inner, flow)
            times.append(Sequential(modules))
        return made("layer", part, times=len(times), layers=times)[0], flow

    def _residual(self, part: Component, spot: Spot, flow: Flow) -> tuple[Any, Flow]:
        inner = spot.below(part.name)
        layers, output = self.chain(part.args["layers"], inner.below("layers"), flow)
        shortcut, kept = self.chain(part.args["shortcut"], inner.below("shortcut"), flow)
        if flow.batch is not None and output.batch is not None and kept.batch is not None:
            mistake = residual_mistake(flow.batch, output.batch, kept.batch)
            if mistake:
                self.report(spot, *mistake)
            else:
                self.row(spot, part.name, output.batch)
        return made("layer", part, layers=layers, shortcut=shortcut)[0], output.then(output.batch, spot, part.name)

    def _parallel(self, part: Component, spot: Spot, flow: Flow) -> tuple[Any, Flow]:
        inner, args = spot.below(part.name, "branches"), part.args
        branches = [self.chain(branch, inner.below(index), flow) for index, branch in enumerate(args["branches"])]
        module, refused = made("layer", part, branches=[modules for modules, _ in branches])
        if refused:
            self.report(spot, f": {part.name}: {refused}")
        batch = self.merge([each for _, each in branches], args["merge"], args["dim"], spot, part.name)
        if batch is not None:
            self.row(spot, f"{part.name}({module.extra_repr()})", batch)
        return module, flow.then(batch, spot, part.name)

    def merge(self, flows: Sequence[Flow], merge: Any, dim: int, spot: Spot, name: str) -> Any:
        """Several outputs as one; None, and a mistake, where they do not fit."""
        from trainctl.nn.structure import merged

        batches = [each.batch for each in flows]
        if not batches or any(each is None for each in batches):
            return None
        mistake = merge_mistake(batches, merge, dim)
        if mistake:
            self.report(spot, f": {name}: {mistake[0]}", mistake[1])
            return None
        return merged(batches, merge, dim)

    # -- one layer ------------------------------------------------------------------------------------

    def _plain(self, part: Component, spot: Spot, flows: Sequence[Flow]) -> tuple[Any, Flow]:
        after = flows[0].then(None, spot, part.name)
        entry = TABLES["layer"][part.name]
        if entry.made is None and len(flows) != entry.inputs:
            self._report_inputs(part, spot, len(flows), entry.inputs)
            return None, after
        given = self._given(part, spot, flows, entry)
        batches = [each.batch for each in given]
        unknown = any(each is None for each in batches)
        if not self._takes(part, spot, flows, entry) or (unknown and not entry.given <= part.args.keys()):
            return None, after
        if entry.range and entry.range not in part.args and given[0].high is None:
            message = f": {part.name}: missing argument '{entry.range}': nothing says how many whole numbers there are"
            self.report(spot, message, f"add `{entry.range}: ...`")
            return None, after
        sizes = {} if unknown else {**self.sizes(part, spot, given, entry), **self._range(part, spot, given[0], entry)}
        module, refused = made("layer", part, **sizes)
        if refused:
            where = blamed(self.loaded, refused, spot.path, part)
            self.report(spot, f": {part.name}: {refused}", path=where)
        if module is None or unknown:
            return None, after
        batch = self._try(part, spot, module, given)
        return module, after if batch is None else flows[0].then(batch, spot, part.name, _declared(part, spot, entry))

    def _report_inputs(self, part: Component, spot: Spot, got: int, takes: int) -> None:
        if takes == 1:
            self.report(spot, f": {part.name} takes one input, got {got}", "merge them: `merge: cat`")
        else:
            hint = "a node of a model takes several: `from: [one, other]`"
            self.report(spot, f": {part.name} takes {takes} inputs, got {got}", hint)

    def _given(self, part: Component, spot: Spot, flows: Sequence[Flow], entry: Entry) -> list[Flow]:
        """The flows; after a mistake, one as the layer itself says it wants it."""
        if len(flows) > 1 or flows[0].batch is not None:
            return list(flows)
        batch, refused = attempted("layer", part.name, lambda: _declared_input(entry, part))
        if refused:
            self.report(spot, f": {part.name}: {refused}")
        return [Flow(batch, flows[0].source, flows[0].last)]

    def _takes(self, part: Component, spot: Spot, given: Sequence[Flow], entry: Entry) -> bool:
        """Whether the input has as many dimensions as the layer takes."""
        batch = given[0].batch
        if batch is None or not entry.input_shape or batch.ndim == len(entry.input_shape):
            return True
        takes = f"{part.name} takes [{', '.join(entry.input_shape)}]"
        self.report(spot, f": {takes}, got {given[0].words}")
        return False

    def sizes(self, part: Component, spot: Spot, given: Sequence[Flow], entry: Entry) -> dict[str, int]:
        """The arguments that follow from the input; a mistake where the config gives another value."""
        sizes: dict[str, Any] = {}
        for name, where in entry.inferred.items():
            number, axis = where if isinstance(where, tuple) else (0, where)
            flow, value = given[number], part.args.get(name)
            if entry.trusted and name in part.args:
                continue
            if not -flow.batch.ndim <= axis < flow.batch.ndim:
                continue  # the layer itself will say what it takes
            sizes[name] = size = flow.batch.shape[axis]
            if isinstance(value, Sequence):
                size, value = list(flow.batch.shape[flow.batch.ndim - len(value) :]), list(value)
                sizes[name] = value if value == size else sizes[name]
            if value is not None and value != size:
                self._report_size(part, spot, flow, name, size)
        return sizes

    def _range(self, part: Component, spot: Spot, flow: Flow, entry: Entry) -> dict[str, int]:
        """How many whole numbers the input has, for a layer that has something for each."""
        name = entry.range
        if name is None or flow.high is None:
            return {}
        given = part.args.get(name, flow.high)
        if given < flow.high:
            message = f": {part.name}({name}={given}) does not fit the numbers 0 to {flow.high - 1} from {flow.source}"
            hint = f"write `{name}: {flow.high}`, or leave {name} out"
            self.report(spot, f"{message}: expected at least {flow.high}", hint, (*spot.path, part.name, name))
        return {name: max(given, flow.high)}

    def _report_size(self, part: Component, spot: Spot, flow: Flow, name: str, size: Any) -> None:
        given = part.args[name]
        message = (
            f": {part.name}({name}={given}) does not fit its input {flow.words}: expected {name} {size}, got {given}"
        )
        hint = f"write `{name}: {size}`, or leave {name} out"
        if flow.batch[0].numel() == given:
            hint = "put `Flatten` before it"
        self.report(spot, message, hint, (*spot.path, part.name, name))

    def _try(self, part: Component, spot: Spot, module: Any, given: Sequence[Flow]) -> Any:
        """What a layer makes of its input; None, and a mistake, where it refuses or that is no batch."""
        name, batches = part.name, [each.batch for each in given]
        output, refused = attempted("layer", name, lambda: evaluated(module, *batches))
        if refused is not None:
            words = " and ".join(each.words for each in given)
            self.report(spot, f": {name} does not take {words}: {refused}")
            return None
        if not is_batch(output):
            self.report(spot, f": {name} gives {said(output)}", "a layer gives one tensor")
            return None
        if output.shape[:1] != (BATCH,) or output.numel() == 0:
            message = f": {name} makes {said(output)} of a batch {', '.join(said(each) for each in batches)}"
            self.report(spot, message, "the first dimension must stay, and no other may be 0")
            return None
        self.row(spot, in_words(module, part), output, counted(module))
        return output

    def row(self, spot: Spot, layer: str, batch: Any, parameters: int = 0) -> None:
        """Note what a layer gave, for the summary."""
        self.rows.append(LayerSummary(spot.label, layer, tuple(batch.shape[1:]), parameters))


def in_words(module: Any, part: Component) -> str:
    """A module in a line: its own, unless it is made of others; then as the config has it."""
    line = repr(module)
    return (
        line
        if "\n" not in line
        else f"{part.name}({', '.join(f'{name}={value}' for name, value in part.args.items())})"
    )


def counted(module: Any) -> int:
    """How many numbers a module learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def is_batch(value: Any) -> bool:
    """Whether a layer's output is a tensor."""
    from trainctl.autograd import Tensor

    return isinstance(value, Tensor)


def said(value: Any) -> str:
    """A layer's input or output for a message: a tensor by its shape."""
    return (
        str(list(value.shape)) if is_batch(value) else f"{'nothing' if value is None else 'a ' + type(value).__name__}"
    )


def evaluated(layer: Any, *batches: Any, **named: Any) -> Any:
    """A layer's output in evaluation mode, which draws no random numbers."""
    from trainctl.autograd.grad_mode import no_grad

    layer.eval()
    with no_grad():
        output = layer(*batches, **named)
    layer.train()
    return output


def _declared(part: Component, spot: Spot, entry: Entry) -> Declared | None:
    if not entry.output:
        return None
    return Declared((*spot.path, part.name, entry.output), spot.name, part.args[entry.output])


def _declared_input(entry: Entry, part: Component) -> Any:
    """A batch as a layer says it wants it, to go on with after a mistake; None where it does not say."""
    from trainctl.autograd.ops.creation import zeros

    declared = [part.args[name] for name, axis in entry.inferred.items() if axis == -1 and name in part.args]
    sizes = [size for each in declared for size in (each if isinstance(each, Sequence) else [each])]
    return zeros(BATCH, *sizes) if sizes else None
