"""What may stand where in a config, read off the schema: for variables, ``extends`` and editors.

A position is known by its type hint: of a field of the schema, of an item of a list, or the model of a
constructor's arguments. Where the schema does not say, the hint is ``Any``.

Example:
    >>> from trainctl.config.schema import Config
    >>> spelled(Config, "SEED"), spelled(below(Config, "optimizer"), "sgd")
    ('seed', 'SGD')
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, PlainValidator
from pydantic.fields import FieldInfo

from trainctl.config.accepts import Accepts
from trainctl.config.components import arguments, parse
from trainctl.registry import TABLES, Kind


def hint_of(field: FieldInfo) -> Any:
    """A field's type with what restricts it."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def part_kind(hint: Any) -> Kind | None:
    """The kind of class that a value names; None where it is no name of a class."""
    for mark in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        function = getattr(mark, "func", None) if isinstance(mark, PlainValidator) else None
        if isinstance(function, partial) and function.func is parse:
            kind: Kind = function.args[0]
            return kind
    return None


def alternatives(hint: Any) -> Iterator[Any]:
    """The members of a union, each without what only restricts it."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and part_kind(hint) is None:
        said = next((mark.hint for mark in args[1:] if isinstance(mark, Accepts)), args[0])
        yield from alternatives(said)
    elif origin in (Union, types.UnionType):
        for each in args:
            yield from alternatives(each)
    else:
        yield hint


def is_part(hint: Any) -> bool:
    """Whether a value here names a class, so that a mapping has one key: that name."""
    return any(part_kind(each) for each in alternatives(hint))


def classes(hint: Any) -> list[str]:
    """The names of the classes that a value here may name; a plugin's are not known."""
    return [name for each in alternatives(hint) if (kind := part_kind(each)) for name in TABLES[kind]]


def names(hint: Any) -> list[str]:
    """The keys that a mapping here may have."""
    found: list[str] = []
    for each in alternatives(hint):
        kind = part_kind(each)
        found += TABLES[kind] if kind else _fields(each)
    return found


def below(hint: Any, key: str) -> Any:
    """What may stand under a key of a mapping, or in a list; ``Any`` where the schema does not say."""
    return next((found for each in alternatives(hint) for found in _below(each, key)), Any)


def _below(hint: Any, key: str) -> Iterator[Any]:
    kind, origin, args = part_kind(hint), get_origin(hint), get_args(hint)
    if kind and key in TABLES[kind]:
        yield arguments(kind, key)
    elif key in (fields := _fields(hint)):
        yield hint_of(fields[key])
    elif origin in (tuple, list, Sequence, Iterable) and args and key.isdecimal():
        yield args[0]
    elif origin is dict:
        yield args[1]
    elif (items := items_of(hint)) is not None:
        yield items


def items_of(hint: Any) -> Any:
    """The type of the values under keys that a model has no field for; None where it takes none."""
    if isinstance(hint, type) and issubclass(hint, BaseModel) and hint.model_config.get("extra") == "allow":
        return get_args(inspect.get_annotations(hint, eval_str=True)["__pydantic_extra__"])[1]
    return None


def _fields(hint: Any) -> dict[str, FieldInfo]:
    if not (isinstance(hint, type) and issubclass(hint, BaseModel)):
        return {}
    return {field.alias or name: field for name, field in hint.model_fields.items()}


def required(hint: Any) -> list[str]:
    """The keys that a mapping here has to have."""
    return [key for each in alternatives(hint) for key, field in _fields(each).items() if field.is_required()]


def spelled(hint: Any, key: str) -> str:
    """A key as the schema writes it, whatever its case; as it is where the schema has none like it."""
    known = names(hint)
    return key if key in known else next((each for each in known if each.lower() == key.lower()), key)
