"""``blocks:``: layers under a name, with parameters, to be used like a layer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator, Strict, ValidationError

from trainctl.config.accepts import Accepts
from trainctl.config.components import Component, parse
from trainctl.config.problems import Fault, Faults, faults_of, misfit
from trainctl.config.references import NAME, references, substituted, unknown
from trainctl.config.section import Layers, Section
from trainctl.config.tree import Path
from trainctl.config.words import Expected
from trainctl.registry import TABLES, Entry

MOST_BLOCKS, MOST_USES = 200, 2000
"""Bounds for a config that was not written by a person."""

_PARAMETERS = "a list such as [channels, stride: 1]"


def _parameter(value: Any) -> str | dict[str, Any]:
    """``channels``, or ``stride: 1`` with a default."""
    name, many = (value, 1) if not isinstance(value, dict) else (next(iter(value), None), len(value))
    if many != 1 or not isinstance(name, str):
        raise Faults([misfit((), "a name, or one `name: default`", value)])
    if not NAME.fullmatch(name):
        raise Faults([Fault((), f"expected a name of letters, digits and '_', got '{name}'")])
    return value


Parameter = Annotated[
    str | dict[str, Any],
    PlainValidator(_parameter),
    Accepts(str | Annotated[dict[str, Any], Field(min_length=1, max_length=1)]),
    Expected("a parameter"),
]


class Block(Section):
    """Layers with a name.

    Attributes:
        parameters: what a use may or must say: ``channels``, or ``{stride: 1}`` with a default.
        layers: the layers; ``$channels`` in them stands for the value of a parameter.
    """

    parameters: Annotated[tuple[Parameter, ...], Strict(False), Expected(_PARAMETERS)] = ()
    layers: Layers

    @property
    def names(self) -> list[str]:
        """The parameters' names."""
        return [next(iter(each)) if isinstance(each, dict) else each for each in self.parameters]


Blocks = Mapping[str, Block]


class Signature:
    """Base of the classes that stand for blocks: their signature is the parameters'."""


def entries(value: Any) -> dict[str, Entry]:
    """An entry for each block of a ``blocks:`` that is not checked yet, as far as it makes sense."""
    made = {}
    for name, block in value.items() if isinstance(value, dict) else ():
        given = block.get("parameters") if isinstance(block, dict) else None
        parameters = {}
        for each in given if isinstance(given, list) else ():
            pair = next(iter(each.items()), (None, None)) if isinstance(each, dict) else (each, inspect.Parameter.empty)
            if isinstance(pair[0], str) and NAME.fullmatch(pair[0]):
                parameters[pair[0]] = inspect.Parameter(pair[0], inspect.Parameter.KEYWORD_ONLY, default=pair[1])
        signature = inspect.Signature(list(parameters.values()))
        made[name] = Entry(f"block {name}", made=type(name, (Signature,), {"__signature__": signature}))
    return made


def is_block(name: str) -> bool:
    """Whether a layer's name is a block's."""
    made = TABLES["layer"][name].made if name in TABLES["layer"] else None
    return isinstance(made, type) and issubclass(made, Signature)


def parse_blocks(value: Any) -> dict[str, Block]:
    """Check the definitions of blocks.

    Raises:
        Faults: every mistake in them, cycles included.
    """
    if not isinstance(value, dict):
        raise Faults([misfit((), "a mapping of names to blocks", value)])
    if len(value) > MOST_BLOCKS:
        raise Faults([Fault((), f"over {MOST_BLOCKS} blocks; this is no config")])
    faults: list[Fault] = []
    blocks: dict[str, Block] = {}
    for name, definition in value.items():
        faults += _name_faults(name)
        try:
            blocks[name] = Block.model_validate(definition)
        except ValidationError as error:
            faults += [_below(name, fault) for fault in _definition_faults(error, name, definition)]
        else:
            faults += [_below(name, fault) for fault in _parameter_faults(blocks[name])]
    faults = faults or list(_cycles(blocks))
    if faults:
        raise Faults(faults)
    return blocks


CheckedBlocks = Annotated[
    dict[str, Block],
    PlainValidator(parse_blocks),
    Accepts(dict[str, Block]),
    Expected("a mapping of names to blocks"),
]


def _below(name: str, fault: Fault) -> Fault:
    return Fault((name, *fault.path), fault.message, fault.hint, fault.at)


def _name_faults(name: str) -> Iterator[Fault]:
    if not NAME.fullmatch(name):
        yield Fault((name,), "expected a name of letters, digits and '_'", None, "key")
    elif not is_block(name):
        origin = "a class of a plugin" if TABLES["layer"][name].made else "a layer of trainctl"
        yield Fault((name,), f"'{name}' is {origin}", "give the block another name", "key")


def _definition_faults(error: ValidationError, name: str, definition: Any) -> list[Fault]:
    if not isinstance(definition, dict):
        hint = f"write `{name}: {{layers: [...]}}`"
        return [Fault((), misfit((), "a mapping with 'parameters', 'layers'", definition).message, hint)]
    return faults_of(error, Block, definition)


def _parameter_faults(block: Block) -> Iterator[Fault]:
    """Parameters that are there twice or not used, and those that are used and not there."""
    names = block.names
    layers = [layer.plain() for layer in block.layers]
    yield from unknown(layers, names, ("layers",))
    used = {name for _, name in references(layers)}
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(("parameters", index), f"'{name}' is a parameter already")
        elif name not in used:
            yield Fault(("parameters", index), f"the parameter '{name}' is not used", f"write `${name}` in the layers")


def components(parts: Iterable[Component], path: Path) -> Iterator[tuple[Component, Path]]:
    """Components with their key paths, and those in their arguments."""
    for index, part in enumerate(parts):
        yield part, (*path, index)
        for name, value in part.args.items():
            below = (*path, index, part.name, name)
            if isinstance(value, tuple) and value and isinstance(value[0], Component):
                yield from components(value, below)
            elif isinstance(value, tuple) and any(isinstance(each, tuple) for each in value):
                for number, branch in enumerate(value):
                    yield from components(branch, (*below, number))


def _cycles(blocks: Blocks) -> Iterator[Fault]:
    """The uses that lead back to the block that they are in."""
    uses = {
        name: [(part.name, path) for part, path in components(block.layers, (name, "layers")) if part.name in blocks]
        for name, block in blocks.items()
    }
    for name, used in uses.items():
        for first, path in used:
            way = _way(uses, first, name)
            if way:
                yield Fault(path, f"a block that uses itself: {' -> '.join([name, *way])}")


def _way(uses: Mapping[str, list[tuple[str, Path]]], start: str, end: str) -> list[str] | None:
    """The blocks from ``start`` to ``end`` by their uses, None where there is no way."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        if way[-1] == end:
            return way
        following = [name for name, _ in uses[way[-1]] if name not in seen]
        seen.update(following)
        ways += [[*way, name] for name in following]
    return None


def layers_of(component: Component, blocks: Blocks) -> list[Any]:
    """The layers that a use of a block stands for, plain, with the values of its parameters."""
    return [substituted(layer.plain(), component.args) for layer in blocks[component.name].layers]


def use_faults(parts: Iterable[tuple[Component, Path]], blocks: Blocks) -> list[Fault]:
    """What is wrong in the layers of blocks with the values that their uses give; paths begin at the config's root.

    Args:
        parts: components with their key paths.
        blocks: the blocks, which have no cycles.
    """
    faults: dict[tuple[Path, str], Fault] = {}
    pending, seen = [(part, path) for part, path in parts if part.name in blocks], set()
    while pending:
        use, path = pending.pop(0)
        key = (use.name, json.dumps(use.plain(), default=str))
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > MOST_USES:
            return [Fault(path, f"over {MOST_USES} different uses of blocks; this is no config", root=True)]
        for index, layer in enumerate(layers_of(use, blocks)):
            where: Path = ("blocks", use.name, "layers", index)
            try:
                part = parse("layer", layer)
            except Faults as error:
                for each in error.faults:
                    fault = Fault((*where, *each.path), each.message, each.hint, each.at, root=True, used=path)
                    faults.setdefault((fault.path, fault.message), fault)
            else:
                pending += [(each, below) for each, below in components([part], where[:-1]) if each.name in blocks]
    return list(faults.values())
