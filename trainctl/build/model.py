"""The model of a config, made and tried on zeros: a list of layers, one class, or a graph of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainctl.build.flow import Flow, Spot
from trainctl.build.walk import Walker, counted, evaluated, in_words, is_batch, said
from trainctl.build.words import BATCH, attempted, blamed, made, similar
from trainctl.registry import TABLES

if TYPE_CHECKING:
    from trainctl.config import Component
    from trainctl.config.models import Graph

ROOT = Spot(("model",), "model")
INPUT = "input"
"""What the one input of a dataset is called in a graph."""


class Modeller:
    """Makes the model of a config.

    Attributes:
        walker: makes the layers.
        model: the module; called with the input, or with each input by its name.
        outputs: what it gives for the zeros, by name; one that has no name is ``""``.
    """

    def __init__(self, walker: Walker, inputs: Flow | Mapping[str, Flow]) -> None:
        from trainctl.nn import Sequential

        self.walker, self.outputs = walker, dict[str, Flow]()
        model: Any = walker.loaded.config.model
        if isinstance(model, tuple):
            modules, self.outputs[""] = walker.chain(model, ROOT, *self._one(inputs, "a list of layers"))
            self.model: Any = Sequential(*modules)
        elif hasattr(model, "nodes"):
            self.model = self._graph(model, {INPUT: inputs} if isinstance(inputs, Flow) else inputs)
        else:
            self.model = self._single(model, inputs) or Sequential()

    def _one(self, inputs: Flow | Mapping[str, Flow], what: str) -> tuple[Flow, ...]:
        """The only input; a mistake where there are more."""
        if isinstance(inputs, Flow):
            return (inputs,)
        names = ", ".join(inputs)
        hint = "write the model as nodes: `model: {NAME: {from: INPUT, layers: [...]}, ...}`"
        self.walker.report(ROOT, f": the data has the inputs {names}; {what} takes one", hint)
        return (Flow(None, "the data"),)

    # -- one class ------------------------------------------------------------------------------------

    def _single(self, part: Component, inputs: Flow | Mapping[str, Flow]) -> Any:
        entry = TABLES["layer"].get(part.name)
        if entry is None or entry.made is None or part.name in self.walker.loaded.config.blocks:
            module, self.outputs[""] = self.walker.layer(part, ROOT, *self._one(inputs, part.name))
            return module
        if isinstance(inputs, Flow):
            sizes = self.walker.sizes(part, ROOT, [inputs], entry) if inputs.batch is not None else {}
        else:
            sizes = {}
        module, refused = made("layer", part, **sizes)
        if refused:
            where = blamed(self.walker.loaded, refused, ROOT.path, part)
            where = (*where, part.name) if where == ROOT.path else where
            self.walker.report(ROOT, f": {part.name}: {refused}", path=where)
        elif isinstance(inputs, Flow):
            self._try(part, module, inputs)
        else:
            self._try(part, module, *inputs.values(), names=tuple(inputs))
        return module

    def _try(self, part: Component, module: Any, *flows: Flow, names: tuple[str, ...] = ()) -> None:
        """Call a class of a plugin with all that the data has."""
        if any(each.batch is None for each in flows):
            return
        batches = [each.batch for each in flows]
        given: Any = ((), dict(zip(names, batches, strict=True))) if names else (batches, {})
        output, refused = attempted("layer", part.name, lambda: evaluated(module, *given[0], **given[1]))
        if refused is not None:
            words = ", ".join(each.words for each in flows)
            self.walker.report(ROOT, f": {part.name} does not take {words}: {refused}", path=(*ROOT.path, part.name))
            return
        for name, batch in output.items() if isinstance(output, dict) else [("", output)]:
            if not isinstance(name, str) or not is_batch(batch) or batch.shape[:1] != (BATCH,) or not batch.numel():
                which = f"{said(batch)} as its output {name!r}" if name else said(batch)
                hint = "a model gives one tensor, or several by name in a dict; the first dimension is the batch's"
                self.walker.report(ROOT, f": {part.name} gives {which}", hint, (*ROOT.path, part.name))
                self.outputs.clear()
                return
            self.outputs[name] = flows[0].then(batch, ROOT, part.name)
        learned = counted(module)
        for number, (name, flow) in enumerate(self.outputs.items()):
            spot = ROOT.below(name) if name else ROOT
            self.walker.row(spot, in_words(module, part), flow.batch, 0 if number else learned)

    # -- nodes ----------------------------------------------------------------------------------------

    def _graph(self, graph: Graph, inputs: Mapping[str, Flow]) -> Any:
        from trainctl.nn.structure import Graph as Module

        flows, nodes = dict(inputs), {}
        for name in self._known(graph, inputs):
            nodes[name], flows[name] = self._node(graph, name, flows)
        if len(graph.outputs) == 1:
            self.outputs = {"": flows[graph.outputs[0]]}
        else:
            self.outputs = {name: flows[name] for name in graph.outputs}
        return Module(nodes, graph.outputs)

    def _known(self, graph: Graph, inputs: Mapping[str, Flow]) -> list[str]:
        """The nodes in their order, once what they take is seen to be there."""
        valid = [*inputs, *graph.nodes]
        for name, node in graph.nodes.items():
            spot = ROOT.below(name)
            if name in inputs:
                self.walker.report(spot, f": '{name}' is an input of the data", "give the node another name")
            for index, each in enumerate(node.names):
                if each not in valid:
                    path = (*spot.path, "from") if isinstance(node.takes, str) else (*spot.path, "from", index)
                    others = similar(each, [known for known in valid if known != name])
                    self.walker.report(spot, f".from: there is no input or node '{each}'", others, path)
        return graph.in_order()

    def _node(self, graph: Graph, name: str, flows: Mapping[str, Flow]) -> tuple[Any, Flow]:
        from trainctl.nn.structure import Node

        node, spot = graph.nodes[name], ROOT.below(name)
        taken = [flows.get(each, Flow(None, f"'{each}'")) for each in node.names]
        if node.merge:
            batch = self.walker.merge(taken, node.merge, node.dim, spot, "from")
            taken = [Flow(batch, f"{spot.name} (merge: {node.merge})", spot)]
        modules, flow = self.walker.chain(node.layers, spot.below("layers"), *taken)
        return Node(node.names, modules, node.merge, node.dim), flow
