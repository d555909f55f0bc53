"""The parts of a config that name a class: ``Flatten``, or ``Linear: {out_features: 128}``.

The class's constructor is the schema: a pydantic model is made from its signature, so names, types and
defaults are written once, where the class is.
"""

from __future__ import annotations

import inspect
import json
import pathlib
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationError,
    WrapValidator,
    create_model,
)

from trainctl.config.problems import Fault, Faults, faults_of
from trainctl.config.references import holds_reference, is_reference
from trainctl.config.tree import Path
from trainctl.config.words import Expected, did_you_mean, got
from trainctl.registry import NO_LAYERS, TABLES, Entry, Kind, resolve

# What a hint shows where a part is not written as one.
_EXAMPLE: dict[Kind, str] = {
    "layer": "ReLU",
    "loss": "CrossEntropyLoss",
    "optimizer": "Adam",
    "dataset": "MNIST",
    "transform": "Normalize",
    "metric": "accuracy",
    "scheduler": "CosineAnnealingLR",
    "phase": "LinearLR",
    "observer": "MinMaxObserver",
}


# What a metric may be called, so that it is one word of a gate and of a column's heading.
_FIGURE = Annotated[
    str,
    Strict(),
    Field(pattern=r"^[A-Za-z_][\w.@-]*$", max_length=60),
    Expected("a name of letters, digits and '_.@-', up to 60"),
]


@dataclass(frozen=True)
class Component:
    """A class's name in the config and the arguments for its constructor, defaults included.

    Example:
        >>> Component("Linear", {"out_features": 10}).plain()
        {'Linear': {'out_features': 10}}
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What a metric's figure is called: its ``name`` in the config, or else the metric's own."""
        return self.args.get("name") or self.name

    def plain(self) -> str | dict[str, Any]:
        """As it stands in a config."""
        args = {name: _plain(value) for name, value in self.args.items()}
        return {self.name: args} if args else self.name


def _plain(value: Any) -> Any:
    """An argument as it stands in a config: a list of components as a list of what stands for each."""
    if isinstance(value, Component):
        return value.plain()
    if isinstance(value, tuple) and any(isinstance(each, Component | tuple) for each in value):
        return [_plain(each) for each in value]
    return list(value) if value == () else value


def parse(kind: Kind, value: Any) -> Component:
    """Check a plain value against the constructor that it names.

    Raises:
        Faults: every mistake in it.

    Example:
        >>> parse("layer", {"Linear": {"out_features": 10}}).args
        {'out_features': 10, 'bias': True}
    """
    if kind == "layer" and is_reference(value):
        return Component(value)
    name, given = _name_and_arguments(kind, value)
    model = arguments(kind, name)
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise Faults([_not_by_name(name, given, model)])
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        raise Faults(_argument_faults(error, name, model, given)) from None
    left_out = (TABLES[kind][name].optional | ({"name"} if kind == "metric" else set())) - set(given)
    return Component(
        name,
        {
            info.alias: getattr(checked, key)
            for key, info in model.model_fields.items()
            if info.alias is not None and info.alias not in left_out
        },
    )


def _name_and_arguments(kind: Kind, value: Any) -> tuple[str, Any]:
    path: Path = ()
    if isinstance(value, str):
        name, given = value, None
    elif isinstance(value, dict) and len(value) == 1:
        ((name, given),) = value.items()
        path = (name,)
    else:
        raise Faults([_not_one_class(kind, value)])
    if name not in TABLES[kind]:
        raise Faults([Fault(path, f"unknown {kind} '{name}'", _similar(kind, name), "key" if path else "value")])
    return name, given


def _not_one_class(kind: Kind, value: Any) -> Fault:
    names = TABLES[kind]
    if isinstance(value, dict) and value:
        known = [name for name in value if name in names] or list(value)
        other = next(name for name in value if name != known[0])
        hint = f"an argument goes below the name: `{known[0]}: {{{other}: ...}}`"
        if len(known) > 1:
            hint = "keep one of them; to replace it from outside the file, set the whole value"
        listed = ", ".join(f"'{name}'" for name in value)
        return Fault((other,), f"expected one {kind}, got {len(value)} keys: {listed}", hint, "key")
    hint = f"write a name such as `{_EXAMPLE[kind]}`, or `Name: {{argument: value}}`"
    return Fault((), f"expected {_a(kind)}, got {got(value)}", hint)


def _a(kind: Kind) -> str:
    return f"{'an' if kind[0] == 'o' else 'a'} {kind}"


def _similar(kind: Kind, name: str) -> str | None:
    if kind == "layer" and name in NO_LAYERS:
        return NO_LAYERS[name]
    for other, names in TABLES.items():
        if other != kind and name in names:
            return f"'{name}' is {_a(other)}; {did_you_mean('', TABLES[kind])}"
    return did_you_mean(name, TABLES[kind])


def _not_by_name(name: str, given: Any, model: type[BaseModel]) -> Fault:
    values = given if isinstance(given, list) else [given]
    names = [info.alias for info in model.model_fields.values()]
    if not names:
        return Fault((name,), f"{name} takes no arguments, got {got(given)}")
    if isinstance(given, list) and names[-1] in ("layers", "shortcut"):
        return Fault((name,), f"expected arguments by name, got {got(given)}", f"write `{name}: {{layers: [...]}}`")
    pairs = ", ".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in zip(names, values, strict=False)
    )
    return Fault((name,), f"expected arguments by name, got {got(given)}", f"write `{name}: {{{pairs}}}`")


def _argument_faults(error: ValidationError, name: str, model: type[BaseModel], given: dict[str, Any]) -> list[Fault]:
    words = {"unknown key": f"{name} has no such argument"}
    return [
        Fault(
            (name, *fault.path),
            words.get(fault.message, fault.message.replace("missing key", "missing argument")),
            fault.hint or (f"{name} takes no arguments" if fault.message in words else None),
            fault.at,
        )
        for fault in faults_of(error, model, given)
    ]


def arguments(kind: Kind, name: str) -> type[BaseModel]:
    """A pydantic model of a constructor's arguments, each under its alias."""
    return _arguments(kind, name, resolve(kind, name))


@cache
def _arguments(kind: Kind, name: str, cls: Any) -> type[BaseModel]:
    """The model; field names get a prefix, because an argument may be called what a method of the model is."""
    entry = TABLES[kind][name]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = {
        each.name: each
        for each in inspect.signature(cls).parameters.values()
        if each.kind in kinds and each.name not in entry.excluded
    }
    hints = _hints(cls.__init__, parameters) if entry.made is None else _hints_of_plugin(cls.__init__, parameters)
    hints.update({key: _parts(each) for key, each in entry.parts.items()})
    hints.update({key: _branches(each) for key, each in entry.branches.items()})
    hints.update({key: _count(hints[key]) for key in entry.counts})
    checked = {key: strict(hints.get(key, Any)) for key in parameters}
    if kind == "layer":
        lists = {*entry.parts, *entry.branches}
        checked = {key: hint if key in lists else _or_reference(hint) for key, hint in checked.items()}
    fields: dict[str, Any] = {f"arg_{key}": (checked[key], _field(entry, each)) for key, each in parameters.items()}
    if entry.intervals:
        fields["arg_interval"] = (Literal[entry.intervals], Field(entry.intervals[0], alias="interval"))
    if kind == "metric":
        fields["arg_name"] = (_FIGURE, Field(None, alias="name"))
    return create_model(name, __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def _parts(kind: Kind) -> Any:
    """A list of parts of a kind."""
    part = Annotated[Component, PlainValidator(partial(parse, kind)), Expected(_a(kind))]
    return Annotated[tuple[part, ...], Expected(f"a list of {kind}s")]


def _branches(kind: Kind) -> Any:
    """A list of such lists."""
    lists: Any = tuple  # whose items' type is only known here
    return Annotated[lists[_parts(kind), ...], Expected(f"a list of lists of {kind}s")]


def _or_reference(hint: Any) -> Any:
    """A type, or a ``$name`` that stands for a value of it in a block."""

    def check(value: Any, handler: Any) -> Any:
        return value if holds_reference(value) else handler(value)

    return Annotated[hint, WrapValidator(check)]


def _count(hint: Any) -> Any:
    """An integer that is 1 or more, in place of any."""
    if hint is int:
        return Annotated[int, Field(ge=1), Expected("an integer >= 1")]
    return Union[tuple(map(_count, get_args(hint)))] if get_args(hint) else hint  # noqa: UP007


def _field(entry: Entry, parameter: inspect.Parameter) -> Any:
    if parameter.name in entry.optional:
        return Field(None, alias=parameter.name)
    required = parameter.default is parameter.empty
    # Validated, so that a default of 0 and a 0 from a file are both the float they stand for.
    return Field(... if required else parameter.default, alias=parameter.name, validate_default=True)


def _hints(constructor: Any, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The types of these parameters alone: those of the others may not be importable at run time."""
    written = {name: each.annotation for name, each in parameters.items() if each.annotation is not each.empty}
    scope = getattr(constructor, "__globals__", {})
    return get_type_hints(types.SimpleNamespace(__annotations__=written), scope, include_extras=True)


def _hints_of_plugin(constructor: Any, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The types that a plugin gives, as far as they are known and a config has values of them."""
    hints = {}
    for name, each in parameters.items():
        try:
            hint = _hints(constructor, {name: each}).get(name, Any)
        except (AttributeError, NameError, SyntaxError, TypeError):
            continue  # of a name that is only there for a type checker
        hints[name] = hint if _has_values(hint) else Any
    return hints


def _has_values(hint: Any) -> bool:
    """Whether a config can say a value of a type."""
    origin = get_origin(hint) or hint
    if origin is Literal or hint in (int, float, str, bool, list, dict, tuple, Any, type(None), pathlib.Path, Ellipsis):
        return True
    if origin in (Union, types.UnionType, Annotated, tuple, list, dict, Sequence, Iterable, Mapping):
        return all(map(_has_values, get_args(hint)[:1] if origin is Annotated else get_args(hint)))
    return False


def strict(hint: Any) -> Any:
    """A type hint whose numbers, strings and booleans are not converted into each other.

    Lists are still accepted for tuples: YAML has no tuples. NaN is no number anyone means.
    """
    origin, args = get_origin(hint), get_args(hint)
    if hint is float:
        return Annotated[float, Strict(), AfterValidator(_not_nan)]
    if hint in (int, bool, str):
        return Annotated[hint, Strict()]
    if origin is Annotated:
        return Annotated[strict(args[0]), *args[1:]]
    if origin in (Union, types.UnionType):
        return Union[tuple(strict(arg) for arg in args)]  # noqa: UP007  the members are only known here
    if origin is Iterable:  # which pydantic would read only when it is asked for its items
        origin = Sequence
    if origin in (tuple, list, Sequence):
        return origin[tuple(arg if arg is Ellipsis else strict(arg) for arg in args)]
    return hint


def _not_nan(value: float) -> float:
    if value != value:
        raise ValueError("NaN")
    return value
