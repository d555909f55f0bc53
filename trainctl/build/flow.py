"""What the layers of a model pass on to each other while they are tried on zeros, and where in the config they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from trainctl.build.words import shape_words

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Declared:
    """The argument of a layer that said how wide its output is.

    Attributes:
        path: the argument's key path, which ends in the layer's name and the argument's.
        layer: where the layer is, for messages: ``model.1``.
        size: the argument's value.
    """

    path: Path
    layer: str
    size: int


@dataclass(frozen=True)
class Flow:
    """What a layer gives to the next.

    Attributes:
        batch: what came of the zeros; None where that is not known, after a mistake.
        source: where it is from, in words: ``the data``, ``model.1 (ReLU)``.
        last: the spot of the layer that gave it, None for the data.
        declared: what decided its width, None where nothing did.
        high: of whole numbers of the data: they are below it; None where nothing bounds them.
    """

    batch: Any
    source: str
    last: Spot | None = None
    declared: Declared | None = None
    high: int | None = None

    @property
    def words(self) -> str:
        """Its shape and where it is from."""
        return f"{shape_words(self.batch.shape[1:])} from {self.source}"

    def then(self, batch: Any, spot: Spot, name: str, declared: Declared | None = None) -> Flow:
        """What comes after a layer."""
        return Flow(batch, f"{spot.name} ({name})", spot, declared or self.declared)


@dataclass(frozen=True)
class Spot:
    """A place in the model.

    Attributes:
        path: the key path in the config.
        label: its name in a summary; it differs in a block, which is in the config once and in the model often.
        uses: the key paths of the uses of blocks that lead to it, from the outermost.
    """

    path: Path
    label: str
    uses: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The key path as it is written."""
        return ".".join(map(str, self.path))

    def below(self, *parts: str | int) -> Spot:
        """A place below this one."""
        return replace(self, path=(*self.path, *parts), label=".".join(map(str, (self.label, *parts))))

    def in_block(self, block: str) -> Spot:
        """The layers of a block that is used here."""
        return Spot(("blocks", block, "layers"), f"{self.label}.{block}", (*self.uses, self.path))
