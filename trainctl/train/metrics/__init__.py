"""What a person wants to know of a model besides its loss, measured over a whole dataset.

A metric is a class with ``reset``, ``update`` and ``compute``. One whose figure follows from sums over the samples is
a :class:`SummedMetric`: two models can be compared in it sample by sample.
"""

from __future__ import annotations

from trainctl.train.metrics.accuracy import Accuracy, TopKAccuracy
from trainctl.train.metrics.base import Metric, SummedMetric
from trainctl.train.metrics.confusion import F1, ConfusionMatrix, PerClass, Precision, Recall
from trainctl.train.metrics.perplexity import Perplexity
from trainctl.train.metrics.ranking import RocAuc
from trainctl.train.metrics.regression import MAE, MSE, R2, RMSE
from trainctl.train.metrics.sample_loss import SampleLoss

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
