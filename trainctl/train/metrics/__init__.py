"""What a person wants to know of a model besides its loss, measured over a whole dataset.

A metric is a class with ``reset``, ``update`` and ``compute``. One whose figure follows from sums over the samples is
a :class:`SummedMetric`: two models can be compared in it sample by sample. Each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainctl.train.metrics.accuracy import Accuracy, TopKAccuracy
    from trainctl.train.metrics.base import Metric, SummedMetric
    from trainctl.train.metrics.confusion import F1, ConfusionMatrix, PerClass, Precision, Recall
    from trainctl.train.metrics.perplexity import Perplexity
    from trainctl.train.metrics.ranking import RocAuc
    from trainctl.train.metrics.regression import MAE, MSE, R2, RMSE
    from trainctl.train.metrics.sample_loss import SampleLoss

_HOMES = {
    "accuracy": ("Accuracy", "TopKAccuracy"),
    "base": ("Metric", "SummedMetric"),
    "confusion": ("F1", "ConfusionMatrix", "PerClass", "Precision", "Recall"),
    "perplexity": ("Perplexity",),
    "ranking": ("RocAuc",),
    "regression": ("MAE", "MSE", "R2", "RMSE"),
    "sample_loss": ("SampleLoss",),
}

__all__ = [
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "Accuracy",
    "ConfusionMatrix",
    "Metric",
    "PerClass",
    "Perplexity",
    "Precision",
    "Recall",
    "RocAuc",
    "SampleLoss",
    "SummedMetric",
    "TopKAccuracy",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
