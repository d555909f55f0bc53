"""From pydantic's errors to :class:`~trainctl.errors.Problem`: in plain words, at the right place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from trainctl.config.tree import Node, Path, Place, dotted
from trainctl.config.words import did_you_mean, expected, got, repair
from trainctl.errors import Problem

_LONGEST_KEY = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake at a key path, before it is known where that is in the file.

    Attributes:
        path: the key path.
        message: the mistake; the path will be put before it.
        hint: how to mend it.
        at: whether the key or the value is to blame.
        root: whether the path begins at the config's root, wherever the mistake was found.
        used: the key path of the use of a block, of a mistake that its values make in the block.
    """

    path: Path
    message: str
    hint: str | None = None
    at: Literal["key", "value"] = "value"
    root: bool = False
    used: Path | None = None


class Faults(ValueError):
    """What a validator raises that finds several mistakes; their paths begin at its own value."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        super().__init__()
        self.faults = tuple(faults)


def faults_of(error: ValidationError, model: type[BaseModel], value: Any) -> list[Fault]:
    """The mistakes that pydantic found, one for each place.

    Args:
        error: what validation raised.
        model: the schema.
        value: the plain value that was validated.
    """
    found: dict[tuple[Path, str], Fault] = {}
    for item in error.errors(include_url=False):
        for fault in _faults(item, model, value):
            found.setdefault((fault.path, fault.message), fault)
    return list(found.values())


def _faults(item: Mapping[str, Any], model: type[BaseModel], value: Any) -> Iterator[Fault]:
    path, field, siblings = _field(model, item["loc"])
    inner = item.get("ctx", {}).get("error")
    if isinstance(inner, Faults):
        yield from (fault if fault.root else replace(fault, path=item["loc"] + fault.path) for fault in inner.faults)
    elif field is None:
        yield Fault(path, "unknown key", did_you_mean(str(path[-1]), siblings), "key")
    elif item["type"] == "missing" and path == item["loc"]:
        hint = f"add `{path[-1]}: ...` ({wanted(field)})"
        yield Fault(path[:-1], f"missing key '{path[-1]}'", hint, "key")
    else:
        for part in path:
            value = value[part]
        yield misfit(path, wanted(field), value)


def misfit(path: Path, expectation: str, value: Any) -> Fault:
    """The mistake of a value that is not what was expected."""
    return Fault(path, f"expected {expectation}, got {got(value)}", repair(value, expectation))


def _field(model: type[BaseModel], loc: Path) -> tuple[Path, FieldInfo | None, Iterable[str]]:
    """The path to the innermost field that an error is about, the field, and the names valid there.

    What pydantic's location adds below a field (the branch of a union) is no key of the config.
    """
    for depth, part in enumerate(loc, start=1):
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        field = fields.get(str(part))
        section = field and _section(field)
        if field is None or depth == len(loc) or section is None:
            return loc[:depth], field, [*fields, *getattr(model, "only_in_files", ())]
        model = section
    raise AssertionError("a location is never empty")


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field is, be it one that may be null; None of any other field."""
    kinds = get_args(field.annotation) or (field.annotation,)
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)


def wanted(field: FieldInfo) -> str:
    """What a field accepts, in words."""
    return expected(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)


def place_of(tree: Node, path: Path, at: Literal["key", "value"] = "value") -> Place:
    """Where a key path is written, or what encloses it where it is not."""
    node = list(tree.walk(path))[-1]
    return node.key if at == "key" and node.key else node.place


def located(faults: Iterable[Fault], tree: Node) -> list[Problem]:
    """The mistakes at their places."""
    return [_located(fault, tree) for fault in faults]


def _located(fault: Fault, tree: Node) -> Problem:
    place = place_of(tree, fault.path, fault.at)
    path = dotted(tuple(_cut(part) if isinstance(part, str) else part for part in fault.path))
    message = fault.message + (f" ({used_at(tree, fault.used)})" if fault.used else "")
    said_by_place = not path or place.file == f"--set {path}"
    empty = place.line is None and fault.message.endswith("got nothing (null)")
    hint = fault.hint or ("an empty value is null; leave it out to keep the config's" if empty else None)
    return place.problem(message if said_by_place else f"{path}: {message}", hint)


def used_at(tree: Node, path: Path) -> str:
    """Where a block is used, for the message of a mistake in it."""
    place = place_of(tree, path)
    where = f"{place.file}:{place.line}:{place.column}" if place.line else place.file
    return f"used as {dotted(path)} at {where}"


def _cut(key: str) -> str:
    return key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}…"


def in_file_order(problems: Iterable[Problem], files: Sequence[str] = ()) -> list[Problem]:
    """Sorted by file and line; those that are not in a file last.

    Args:
        problems: the mistakes.
        files: the files in the order that counts.
    """
    rank = {file: number for number, file in enumerate(files)}
    return sorted(
        problems,
        key=lambda each: (each.line is None, rank.get(str(each.file), len(rank)), each.line or 0, each.column or 0),
    )
