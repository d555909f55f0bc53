"""Which layers have to stay in float so that a quantized model is as good as was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainctl.quantization.post_training import PostTraining, Quantized, own_bytes
from trainctl.storage.quantization_record import Step
from trainctl.train.drops import Drop
from trainctl.train.threads import blas_threads


@dataclass
class Found:
    """What a search came to.

    Attributes:
        keep: the layers that stay in float, in the order in which they were left.
        steps: what each of them changed.
        evaluations: how many quantized models were measured: at most one a layer.
        holds: whether the drop held, on the samples of the search.
    """

    keep: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    evaluations: int = 0
    holds: bool = False


def search(base: PostTraining, drop_of: Callable[[Any], Drop], max_drop: float) -> Found:
    """Leave the most sensitive layers in float, one by one, until the drop holds.

    They go by what quantizing one alone does to the model's output. All of them in float would be the float model:
    that is not tried.

    Args:
        base: the model.
        drop_of: measures a quantized model on the samples of the search.
        max_drop: what the drop's bound is to be, at most.
    """
    found = Found()
    drop = _measured(base, found, drop_of)
    with blas_threads(1):
        waiting = [] if drop.bound <= max_drop or len(base.names) < 2 else base.most_sensitive()[:-1]
    modules = {choice.name: choice.module for choice in base.choices}
    while waiting and not drop.bound <= max_drop:
        name, before = waiting.pop(0), drop
        found.keep.append(name)
        drop = _measured(base, found, drop_of)
        found.steps.append(
            Step(
                layer=name,
                drop_before=_number(before.drop),
                drop_after=_number(drop.drop),
                bound_before=_number(before.bound),
                bound_after=_number(drop.bound),
                bytes=own_bytes(modules[name]),
            )
        )
    found.holds = drop.bound <= max_drop
    return found


def _measured(base: PostTraining, found: Found, drop_of: Callable[[Any], Drop]) -> Drop:
    found.evaluations += 1
    return drop_of(converted(base, found.keep).model)


def converted(base: PostTraining, keep: Sequence[str], why: str = "") -> Quantized:
    """Return the quantized model with some layers in float; the same bits however many threads there are."""
    with blas_threads(1):
        return base.convert(keep, why)


def _number(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
