"""What the table says of one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["layer", "loss", "optimizer", "dataset", "transform", "metric", "scheduler", "phase", "observer"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A class that a config may name.

    Attributes:
        target: ``module:Class``.
        excluded: constructor arguments that a config cannot give.
        inferred: arguments that may be left out, each with the axis of the input whose size it is; where the layer takes
            several inputs, with the number of the input and the axis.
        output: of a layer: the argument that says how many features or channels come out.
        input_shape: of a layer: the only kind of input it takes, such as ``[N, C, H, W]``.
        targets: of a loss: what it takes as targets: ``classes`` (class numbers; outputs are one score a class),
            ``numbers`` (of the output's shape) or ``labels`` (lists of class numbers); nothing: only a trial tells.
        from_run: of a scheduler: arguments that may be left out, as they follow from the run: its length, and which
            way what it monitors is better.
        counts: arguments that must be 1 or more although the constructor does not look.
        parts: arguments that are lists of other parts, with their kind.
        branches: arguments that are lists of such lists, with the parts' kind.
        inputs: of a layer: how many tensors it takes.
        trusted: whether a value that is given for an inferred argument may be another than the axis's size.
        range: of a layer: the argument that says how many whole numbers there are in its input; it may be left out.
        made: the class itself, of a plugin, or the parameters of a block; then ``target`` says where it is from.
        intervals: of a scheduler: after what it may step, the usual one first. A config says it as ``interval``.
    """

    target: str
    excluded: tuple[str, ...] = ()
    inferred: Mapping[str, int | tuple[int, int]] = field(default_factory=dict)
    output: str | None = None
    input_shape: tuple[str, ...] | None = None
    targets: tuple[Literal["classes", "numbers", "labels"], ...] = ()
    from_run: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    parts: Mapping[str, Kind] = field(default_factory=dict)
    branches: Mapping[str, Kind] = field(default_factory=dict)
    inputs: int = 1
    range: str | None = None
    made: Any = None
    trusted: bool = False
    intervals: tuple[Literal["epoch", "step"], ...] = ()

    @property
    def optional(self) -> frozenset[str]:
        """The arguments that may be left out although the constructor asks for them."""
        return self.given.union(self.from_run)

    @property
    def given(self) -> frozenset[str]:
        """Those of them that the input gives, of a layer."""
        return frozenset((*self.inferred, *([self.range] if self.range else ())))
