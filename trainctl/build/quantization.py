"""From the ``quantization`` of a config to how the layers of its model round."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from trainctl.registry import resolve
from trainctl.train.patterns import hint

if TYPE_CHECKING:
    from trainctl.build.schedules import Make
    from trainctl.config import Config
    from trainctl.quantization.aware import Rounding

_ROOT = ("quantization",)


def rounding_of(config: Config, model: Any, make: Make, report: Callable[..., None]) -> Rounding | None:
    """Return how the layers of a config's model round when it trains for quantization; None where it does not.

    Args:
        config: the config.
        model: whose layers are meant.
        make: makes each object, and reports what it refuses.
        report: called with a key path, a message and a hint, for a pattern that fits nothing, or if nothing would round.
    """
    asked = config.quantization
    if asked is None:
        return None
    from trainctl.quantization.aware import Rounding, fits, roundable

    layers = roundable(model)
    left = set(layers)
    for index, pattern in enumerate(asked.exclude):
        fitting = [name for name, kind in layers.items() if fits(name, kind, pattern)]
        left.difference_update(fitting)
        if not fitting:
            where = (*_ROOT, "exclude", index)
            report(where, f"{'.'.join(map(str, where))}: '{pattern}' fits no layer", hint(pattern, layers))
    if not left:
        why = "every layer with weights is excluded" if layers else "the model has no layer whose weights could be"
        report(_ROOT, f"quantization: nothing would be rounded: {why}", "leave it out, or exclude less")
    make("observer", (*_ROOT, "observer"), asked.observer)
    observer = partial(resolve("observer", asked.observer.name), **asked.observer.args)
    return Rounding(
        asked.bits, observer, learned=asked.learned_step_size, per_channel=asked.per_channel,
        group_size=asked.group_size, exclude=asked.exclude,
    )  # fmt: skip
