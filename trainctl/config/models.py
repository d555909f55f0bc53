"""``model:``: a list of layers, one class, or a graph of named nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from trainctl.config.accepts import Accepts
from trainctl.config.blocks import components
from trainctl.config.components import Component, parse
from trainctl.config.problems import Fault, Faults, faults_of, misfit
from trainctl.config.references import NAME, unknown
from trainctl.config.section import AnyLayers, Layer, Layers, Section
from trainctl.config.tree import Path
from trainctl.config.words import Expected, did_you_mean, got, quoted

OUTPUTS = "outputs"
_NAMES = "a name or a list of names"


def _names(value: Any) -> str | tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise Faults([misfit((), _NAMES, value)])
    return value if isinstance(value, str) else tuple(value)


Names = Annotated[
    str | tuple[str, ...],
    PlainValidator(_names),
    Accepts(str | Annotated[list[str], Field(min_length=1)]),
    Expected(_NAMES),
]


class Node(Section):
    """One node of a graph.

    Attributes:
        takes: the inputs and nodes that it takes; ``from`` in the config.
        merge: how several are made one; None: the first layer takes them all.
        dim: of ``merge: cat``.
        layers: what is done with it.
    """

    takes: Names = Field(alias="from")
    merge: Literal["cat", "sum", "mean", "mul"] | None = None
    dim: int = 1
    layers: AnyLayers = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What it takes, as a list."""
        return (self.takes,) if isinstance(self.takes, str) else self.takes


@dataclass(frozen=True)
class Graph:
    """Nodes by name, and which of them are outputs.

    Attributes:
        nodes: by name, as they are written.
        outputs: the names of the outputs.
    """

    nodes: Mapping[str, Node]
    outputs: tuple[str, ...]

    def in_order(self) -> list[str]:
        """The nodes' names, each after those that it takes."""
        order: list[str] = []
        waiting = list(self.nodes)
        while waiting:
            ready = [name for name in waiting if not set(self.nodes[name].names) & set(waiting)]
            order += ready
            waiting = [name for name in waiting if name not in ready]
        return order


class Nodes(BaseModel):
    """A graph: its nodes by name.

    Attributes:
        outputs: which of them are outputs; one that no other takes by default.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"minProperties": 1})
    __pydantic_extra__: dict[str, Node]

    outputs: Names = ()


Model = tuple[Component, ...] | Component | Graph


def parse_model(value: Any) -> Model:
    """Check a ``model:``.

    Raises:
        Faults: every mistake in it.
    """
    outside = unknown(value, None)
    if outside:
        raise Faults(outside)
    if isinstance(value, list):
        return _layers(value)
    if isinstance(value, dict) and any(isinstance(each, dict) and "from" in each for each in value.values()):
        return _graph(value)
    if isinstance(value, str | dict) and value:
        return parse("layer", value)
    raise Faults([misfit((), "a list of layers", value)])


CheckedModel = Annotated[
    Model, PlainValidator(parse_model), Accepts(Layers | Layer | Nodes), Expected("a list of layers")
]


def _layers(value: list[Any]) -> tuple[Component, ...]:
    if not value:
        raise Faults([misfit((), "at least one layer", value)])
    made, faults = [], []
    for index, each in enumerate(value):
        try:
            made.append(parse("layer", each))
        except Faults as error:
            faults += [Fault((index, *fault.path), fault.message, fault.hint, fault.at) for fault in error.faults]
    if faults:
        raise Faults(faults)
    return tuple(made)


def parts_of(model: Model) -> Iterator[tuple[Component, Path]]:
    """Every component of a model, nested ones included, with its key path."""
    if isinstance(model, Component):
        for part, path in components([model], ("model",)):
            yield part, ("model", *path[2:])  # it is not in a list
    elif isinstance(model, Graph):
        for name, node in model.nodes.items():
            yield from components(node.layers, ("model", name, "layers"))
    else:
        yield from components(model, ("model",))


# -- graphs -------------------------------------------------------------------------------------------


def _graph(value: dict[str, Any]) -> Graph:
    faults: list[Fault] = []
    nodes: dict[str, Node] = {}
    for name, given in value.items():
        if name != OUTPUTS:
            node = _node(name, given, faults.append)
            if node:
                nodes[name] = node
    outputs: tuple[str, ...] = ()
    try:
        written = _names(value[OUTPUTS]) if OUTPUTS in value else ()
        outputs = (written,) if isinstance(written, str) else written
    except Faults as error:
        faults += [Fault((OUTPUTS,), each.message) for each in error.faults]
    if not faults:
        faults += _cycles(nodes)
    if not faults:
        outputs = _known_outputs(nodes, outputs, faults.append)
    if faults:
        raise Faults(faults)
    return Graph(nodes, outputs)


def _node(name: str, given: Any, report: Callable[[Fault], None]) -> Node | None:
    if not NAME.fullmatch(name):
        report(Fault((name,), "expected a name of letters, digits and '_'", None, "key"))
    if not isinstance(given, dict):
        hint = f"write `{name}: {{from: ..., layers: [...]}}`"
        report(Fault((name,), f"expected a node of the model, got {got(given)}", hint))
        return None
    try:
        node = Node.model_validate(given)
    except ValidationError as error:
        for each in faults_of(error, Node, given):
            report(Fault((name, *each.path), each.message, each.hint, each.at))
        return None
    if node.merge is None and len(node.names) > 1 and not node.layers:
        report(Fault((name,), "several inputs and no layer that takes them", "write `merge: cat`, say", "key"))
    return node


def _cycles(nodes: Mapping[str, Node]) -> Iterator[Fault]:
    """The nodes that cannot be reached because they wait for each other."""
    waiting = dict(nodes)
    while True:
        ready = [name for name, node in waiting.items() if not set(node.names) & waiting.keys()]
        if not ready:
            break
        for name in ready:
            del waiting[name]
    for name, node in waiting.items():
        listed = quoted(each for each in node.names if each in waiting)
        yield Fault((name, "from"), f"a cycle: '{name}' takes {listed}, which waits for it")


def _known_outputs(
    nodes: Mapping[str, Node], outputs: tuple[str, ...], report: Callable[[Fault], None]
) -> tuple[str, ...]:
    """The outputs, which are known by nobody taking them where the config does not say."""
    taken = {name for node in nodes.values() for name in node.names}
    last = [name for name in nodes if name not in taken]
    for index, name in enumerate(outputs):
        if name not in nodes:
            report(Fault((OUTPUTS, index), f"there is no node '{name}'", did_you_mean(name, nodes)))
        elif name in outputs[:index]:
            report(Fault((OUTPUTS, index), f"'{name}' is an output already"))
    loose = [name for name in last if name not in outputs] if outputs or len(last) > 1 else []
    for name in loose:
        hint = (
            f"add it to `{OUTPUTS}`, or remove it"
            if outputs
            else f"write `{OUTPUTS}: [{', '.join(last)}]`, or remove it"
        )
        report(Fault((name,), f"nothing uses the node '{name}'", hint, "key"))
    return outputs or tuple(last)
