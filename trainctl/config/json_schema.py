"""The config's JSON Schema, for editors: made from the pydantic models and the constructors' signatures.

There is a definition for each class that a config may name and a union for each kind of them. Where a file has
blocks or plugins, a union takes other names too. A file that extends others may leave out what is required, and may
name what those have; what it says has to be right all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from trainctl.config.accepts import Accepts
from trainctl.config.components import arguments, parse
from trainctl.config.docstrings import argument_texts, summary
from trainctl.config.schema import Config
from trainctl.config.shape import hint_of, items_of
from trainctl.registry import TABLES, Kind, resolve
from trainctl.version import __version__

if TYPE_CHECKING:
    from pydantic_core.core_schema import PlainValidatorFunctionSchema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = f"urn:trainctl:config:{__version__}"
OPEN, PARTIAL = ".open", ".partial"
"""End the names of the definitions for files with names of their own, and for those that extend others."""

_PART = "x-part"  # marks, until _tidy has seen it, a value that names a class
_FILE = {"type": "string", "pattern": r"\.ya?ml$"}
_KEYS = {"type": "string", "pattern": r"^[^.]+(\.[^.]+)*$"}
_BASE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "file": _FILE,
        "without": {
            "description": "Keys of the file that are left out, such as optimizer.SGD.",
            "anyOf": [_KEYS, {"type": "array", "items": _KEYS}],
        },
    },
    "required": ["file"],
    "additionalProperties": False,
}
_EXTENDS: dict[str, Any] = {
    "description": "The files that this one changes, relative to it; of several the later one wins.",
    "anyOf": [_FILE, _BASE, {"type": "array", "items": {"anyOf": [_FILE, _BASE]}, "minItems": 1}],
}

_REFERENCE = "reference"
_REFERENCE_TO_A_PARAMETER: dict[str, Any] = {
    "description": "The value of a block's parameter: $name.",
    "anyOf": [
        {"type": "string", "pattern": r"^\$[A-Za-z_][A-Za-z0-9_]*$"},
        {"type": "array", "contains": {"$ref": f"#/$defs/{_REFERENCE}"}},
    ],
}

_PATTERN = {"type": "string", "minLength": 1}
_PATTERNS: dict[str, Any] = {
    "description": "Patterns of parameter names: '*.bias'.",
    "anyOf": [_PATTERN, {"type": "array", "items": _PATTERN, "minItems": 1}],
}

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Pydantic's, with a mark where a class is named; what has no JSON type may be anything."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  declared so by pydantic

    def function_plain_schema(self, schema: PlainValidatorFunctionSchema) -> JsonSchemaValue:
        """What a validator accepts that takes the place of a type."""
        function = schema["function"]["function"]
        if isinstance(function, partial) and function.func is parse:
            return {_PART: function.args[0]}
        return {}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """What a type accepts that JSON has no word for."""
        return {}


def config_schema() -> Schema:
    """The JSON Schema of a config file, draft 2020-12.

    Example:
        >>> schema = config_schema()
        >>> sorted(schema["$defs"]["layer.Linear"]["properties"])
        ['bias', 'in_features', 'out_features']
    """
    definitions = _sections()
    for kind in TABLES:
        definitions |= _classes(kind)
    opened = _opened(definitions)
    partial = {
        name + PARTIAL: _partial(opened.get(name + OPEN, each)) for name, each in definitions.items() if _whole(name)
    }
    definitions |= {**opened, **partial, _REFERENCE: _REFERENCE_TO_A_PARAMETER}
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": f"trainctl {__version__} config",
        "description": summary(Config),
        "if": {"type": "object", "required": ["extends"]},
        "then": _reference(Config.__name__ + PARTIAL),
        "else": {
            "if": {"type": "object", "anyOf": [{"required": ["blocks"]}, {"required": ["plugins"]}]},
            "then": _reference(Config.__name__ + OPEN),
            "else": _reference(Config.__name__),
        },
        "$defs": dict(sorted(definitions.items())),
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _sections() -> dict[str, Schema]:
    """A definition for each mapping of the schema, the config itself among them."""
    config = _generated(Config)
    definitions = {**config.pop("$defs", {}), Config.__name__: config}
    for model in _models(Config):
        definitions[model.__name__] = _explained(definitions[model.__name__], model)
    config = definitions[Config.__name__]
    config["required"] = [key for key in config["required"] if key != "name"]  # it has the file's
    config["properties"] = {"extends": _EXTENDS, **config["properties"]}
    return definitions


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models that a type is made of."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
        for each in (*map(hint_of, hint.model_fields.values()), items_of(hint)):
            yield from _models(each)
    for each in get_args(hint):
        yield from _models(each.hint if isinstance(each, Accepts) else each)


def _classes(kind: Kind) -> dict[str, Schema]:
    """A definition for the arguments of each class of a kind, and one for the kind: a name, or a name with arguments."""
    definitions: dict[str, Schema] = {}
    alone: list[Schema] = []
    called: Schema = {}
    for name in TABLES[kind]:
        schema = _explained(_generated(arguments(kind, name)), resolve(kind, name))
        required = schema.pop("required", [])
        definitions |= schema.pop("$defs", {})
        if kind == "optimizer":
            schema["properties"] = _with_groups(schema["properties"])
        definitions[f"{kind}.{name}"] = schema
        reference = _reference(f"{kind}.{name}")
        if required:  # here and not in the definition, which a file that extends another has without
            called[name] = {**reference, "required": required}
        else:
            called[name] = {"anyOf": [reference, {"type": "null"}]}
            alone.append({"const": name, "description": schema.get("description", "")})
    one = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False}
    definitions[kind] = {"anyOf": [*alone, {**one, "properties": called}]}
    return definitions


def _with_groups(arguments: Schema) -> Schema:
    """What may stand below an optimizer's name: its arguments, and which parameters have others."""
    group = {"type": "object", "properties": {"params": _PATTERNS, **arguments}, "additionalProperties": False}
    groups = {
        "description": "Options for the parameters that params fits.",
        "type": "array",
        "items": {**group, "required": ["params"]},
    }
    return {**arguments, "params": _PATTERNS, "param_groups": groups}


def _generated(model: type[BaseModel]) -> Schema:
    schema: Schema = _tidy(model.model_json_schema(by_alias=True, schema_generator=_Generator))
    return schema


def _tidy(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, and with references to the kinds of classes."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    marked = _reference(schema[_PART]) if _PART in schema else {}
    inferred = schema.get("type", "null") != "null" and schema.get("default", "") is None
    left_out = ("title", _PART, "default") if inferred else ("title", _PART)
    plain = {key: value for key, value in schema.items() if key not in left_out}
    for key, value in plain.items():
        if key in ("properties", "$defs", "patternProperties"):
            plain[key] = {name: _tidy(each) for name, each in value.items()}
        elif key not in ("default", "enum", "const", "required"):
            plain[key] = _tidy(value)
    return {**marked, **plain}


def _explained(schema: Schema, cls: type) -> Schema:
    """A definition with what the class's docstring says of it and of each key."""
    texts = argument_texts(cls)
    properties = {
        name: {"description": texts[name], **each} if name in texts else each
        for name, each in schema.get("properties", {}).items()
    }
    return {**schema, "description": summary(cls), "properties": properties}


def _opened(definitions: dict[str, Schema]) -> dict[str, Schema]:
    """The definitions for files with blocks or plugins, of all that lead to a name of a class."""
    leading = {*TABLES, *(name for name in definitions if name.startswith("layer."))}
    while more := {name for name, each in definitions.items() if name not in leading and leading & {*_leads_to(each)}}:
        leading |= more
    return {name + OPEN: _open(name, each, leading) for name, each in definitions.items() if name in leading}


def _leads_to(schema: Any) -> Iterator[str]:
    """The definitions that a schema refers to."""
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"].removeprefix("#/$defs/")
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _leads_to(each)


def _open(name: str, schema: Schema, leading: Collection[str]) -> Schema:
    schema = _referring(schema, {each: each + OPEN for each in leading})
    if name in TABLES:
        known = {"enum": list(TABLES[name])}
        *alone, called = schema["anyOf"]
        other = {"type": ["object", "null"], "description": "A block, or a class of a plugin."}
        return {"anyOf": [*alone, {"type": "string", "not": known}, {**called, "additionalProperties": other}]}
    if name.startswith("layer."):
        properties = {key: _or_reference(each) for key, each in schema["properties"].items()}
        return {**schema, "properties": properties}
    return schema


def _or_reference(schema: Schema) -> Schema:
    """What an argument of a layer may be in a block."""
    described = {key: schema[key] for key in ("description",) if key in schema}
    rest = {key: value for key, value in schema.items() if key not in described}
    return {**described, "anyOf": [rest, _reference(_REFERENCE)]}


def _referring(schema: Any, names: Mapping[str, str]) -> Any:
    """A schema with references to other definitions."""
    if isinstance(schema, list):
        return [_referring(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _referring(each, names) for key, each in schema.items()}
    if isinstance(schema.get("$ref"), str):
        name = schema["$ref"].removeprefix("#/$defs/")
        changed["$ref"] = f"#/$defs/{names.get(name, name)}"
    return changed


def _whole(name: str) -> bool:
    """Whether a definition is of more than a class's arguments, which are without what is required anyway."""
    return "." not in name and name != _REFERENCE


def _partial(schema: Any) -> Any:
    """A definition without what is required; lists, which replace others, are whole all the same."""
    if isinstance(schema, list):
        return [_partial(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "required" or not isinstance(value, list)}
    reference = kept.get("$ref")
    if isinstance(reference, str) and _whole(reference.removesuffix(OPEN).removeprefix("#/$defs/")):
        kept["$ref"] = reference.removesuffix(OPEN) + PARTIAL
    whole = ("items", "prefixItems", "default", "enum", "const")
    return {key: value if key in whole else _partial(value) for key, value in kept.items()}
