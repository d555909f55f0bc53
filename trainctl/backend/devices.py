"""Where a tensor lives."""

from __future__ import annotations

from typing import Any


class device:
    """A device: ``device("cpu")``, ``device("cuda:1")``, ``device("cuda", 1)``.

    Attributes:
        type: ``"cpu"`` or ``"cuda"``.
        index: the number of the device, or None for the current one.

    Raises:
        RuntimeError: no such type of device, or a malformed name.

    Example:
        >>> device("cuda:1").index
        1
    """

    __slots__ = ("index", "type")

    TYPES = ("cpu", "cuda")

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type: str = type.type
            self.index: int | None = type.index
            return
        if isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        name, colon, number = str(type).partition(":")
        if name not in self.TYPES:
            raise RuntimeError(f"Expected one of {', '.join(self.TYPES)} device type at start of device string: {type}")
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            if not number.isdecimal():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        self.type, self.index = name, index

    def __repr__(self) -> str:
        place = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{place})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[type[device], tuple[str]]:
        return device, (str(self),)


CPU = device("cpu")
