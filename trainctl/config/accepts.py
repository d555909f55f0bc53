"""What a validator of ours takes, as a type: for variables, ``extends`` and the JSON Schema, which cannot ask it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Accepts:
    """Annotates a value whose ``PlainValidator`` is a function with a type that says the same.

    The parts of it that name a class are types like those of the schema (``Optimizer``), or the validator
    ``partial(parse, kind)``.

    Attributes:
        hint: the type.

    Example:
        >>> from typing import Annotated
        >>> from pydantic import PlainValidator
        >>> pair = Annotated[tuple, PlainValidator(tuple), Accepts(list[int])]
        >>> TypeAdapter(pair).json_schema()
        {'items': {'type': 'integer'}, 'type': 'array'}
    """

    hint: Any

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The JSON Schema of the type in place of the validator's, which is unknown."""
        return handler(TypeAdapter(self.hint).core_schema)
