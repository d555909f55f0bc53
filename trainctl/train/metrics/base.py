"""What every metric is."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainctl import Tensor
from trainctl.errors import ConfigError, Problem
from trainctl.train.metrics.sums import Sums


class Metric:
    """Base of every metric: a figure that batches add up to.

    A plugin's metric needs ``reset``, ``update`` and ``compute``, and no more.

    Attributes:
        higher_is_better: which way is better, for ``train.monitor`` and ``eval --baseline``.
        is_table: whether ``compute`` gives a table, as plain data for JSON, and not a number. ``eval`` shows it; it has
            no column in the metrics files.
    """

    higher_is_better = True
    is_table = False

    def bind(self, loss: Any) -> None:
        """Learn from the loss what the model's outputs are. Called before the first batch; by default it does nothing."""

    def reset(self) -> None:
        """Forget every batch."""
        raise NotImplementedError(f"{type(self).__name__} has no reset")

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch: what the model gave for it, and what was right."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def compute(self) -> Any:
        """Return the figure, a float, over all batches since the last reset; NaN where there were none."""
        raise NotImplementedError(f"{type(self).__name__} has no compute")


class SummedMetric(Metric):
    """A metric whose figure follows from sums over the samples; a subclass has ``records`` and ``figure``.

    The sums are exact, so the figure does not depend on the order of the samples or on the batches. Memory is that of
    the sums.

    Example:
        >>> import trainctl
        >>> class Bias(SummedMetric):
        ...     def records(self, output, target):
        ...         errors = (output - target).numpy().astype(np.float64)
        ...         return np.stack([errors, np.ones(len(errors))], axis=1)
        ...
        ...     def figure(self, sums):
        ...         return sums[0] / sums[1]
        >>> bias = Bias()
        >>> bias.update(trainctl.tensor([2.0, 3.0]), trainctl.tensor([1.0, 1.0]))
        >>> bias.compute()
        1.5
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every batch."""
        self._sums = Sums()

    def records(self, output: Tensor, target: Tensor) -> np.ndarray:
        """Return what is kept of each sample when two models are compared: [N, R], integers or float64.

        Raises:
            ConfigError: the shapes are not what the metric takes.
        """
        raise NotImplementedError(f"{type(self).__name__} has no records")

    def rows(self, records: np.ndarray) -> np.ndarray:
        """Return what each sample adds to the sums: [N, K], integers or float64; by default its record."""
        return records

    def figure(self, sums: np.ndarray) -> float:
        """Return the figure of the sums over some samples, float64 [K]."""
        raise NotImplementedError(f"{type(self).__name__} has no figure")

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch."""
        self._sums.add(self.rows(self.records(output, target)))

    def compute(self) -> Any:
        """Return the figure; NaN where there were no samples."""
        sums = self._sums.values()
        return float("nan") if sums is None else float(self.figure(sums))


def misfit(name: str, expected: str, output: Tensor, target: Tensor, hint: str | None = None) -> ConfigError:
    """The error of a metric that cannot compare what it is given."""
    got = f"{list(output.shape)} from the model and {list(target.shape)} from the data"
    hint = hint or f"leave `{name}` out of `metrics:`, or change the end of the model"
    return ConfigError([Problem(f"{name} expects {expected}, got {got}", hint=hint)])


def wrong_value(name: str, expected: str, got: object) -> ConfigError:
    """The error of a metric whose data holds what it has no meaning for."""
    return ConfigError(
        [Problem(f"{name} expects {expected}, got {got}", hint=f"leave `{name}` out of `metrics:`, or mend the data")]
    )
