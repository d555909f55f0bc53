"""What finds the range of activations, by the name that a command line has for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.quantization.observers import (
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    PercentileObserver,
)

OBSERVERS: dict[str, Callable[[], Any]] = {
    "histogram": HistogramObserver.with_args(method="mse"),
    "minmax": MinMaxObserver,
    "moving-average": MovingAverageMinMaxObserver,
    "percentile": PercentileObserver,
    "kl": HistogramObserver.with_args(method="kl"),
}


def observer_of(name: str) -> Any:
    """Return a fresh observer of activations, which go to uint8, affine, with one grid for all.

    Raises:
        ValueError: there is none of that name.

    Example:
        >>> import trainctl
        >>> observer = observer_of("minmax")
        >>> _ = observer(trainctl.tensor([0.0, 2.55]))
        >>> [round(each.item(), 4) for each in observer.calculate_qparams()]
        [0.01, 0]
    """
    if name not in OBSERVERS:
        raise ValueError(f"there is no observer {name!r}; there are {', '.join(OBSERVERS)}")
    return OBSERVERS[name]()
