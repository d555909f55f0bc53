"""How far predicted values are from the right ones. Memory: a few sums."""

from __future__ import annotations

import math

import numpy as np

from trainctl import Tensor
from trainctl.train.metrics.base import SummedMetric, misfit


class _Errors(SummedMetric):
    """The mean of something of each error. Arithmetic is in float64, whatever the model's type."""

    higher_is_better = False
    label = ""

    def records(self, output: Tensor, target: Tensor) -> np.ndarray:
        """Return for each sample the sum over its values and how many there are, float64 [N, 2].

        Raises:
            ConfigError: outputs and targets differ in shape.
        """
        predicted, right = pairs(self.label, output, target)
        sizes = np.full(len(predicted), float(predicted.shape[1]))
        return np.stack([self.of(predicted - right).sum(axis=1), sizes], axis=1)

    def of(self, errors: np.ndarray) -> np.ndarray:
        """Return what is averaged of errors [N, D]."""
        return errors * errors

    def figure(self, sums: np.ndarray) -> float:
        """Return the mean; NaN where there are no values."""
        return float(sums[0] / sums[1]) if sums[1] else math.nan


class MAE(_Errors):
    """The mean absolute error, over all values of all samples.

    Example:
        >>> import trainctl
        >>> mae = MAE()
        >>> mae.update(trainctl.tensor([1.0, 2.0]), trainctl.tensor([2.0, 2.0]))
        >>> mae.compute()
        0.5
    """

    label = "mae"

    def of(self, errors: np.ndarray) -> np.ndarray:
        """Return the sizes of errors [N, D]."""
        return np.abs(errors)


class MSE(_Errors):
    """The mean squared error, over all values of all samples.

    Example:
        >>> import trainctl
        >>> mse = MSE()
        >>> mse.update(trainctl.tensor([[1.0], [2.0]]), trainctl.tensor([[3.0], [2.0]]))
        >>> mse.compute()
        2.0
    """

    label = "mse"


class RMSE(_Errors):
    """The root of the mean squared error, over all values of all samples.

    Example:
        >>> import trainctl
        >>> rmse = RMSE()
        >>> rmse.update(trainctl.tensor([1.0, 2.0]), trainctl.tensor([4.0, -1.0]))
        >>> rmse.compute()
        3.0
    """

    label = "rmse"

    def figure(self, sums: np.ndarray) -> float:
        """Return the root of the mean; NaN where there are no values."""
        return math.sqrt(mean) if (mean := super().figure(sums)) >= 0 else math.nan


class R2(SummedMetric):
    """The share of the targets' variance that the model explains: 1 - squared errors / squared distances to the mean.

    At most 1; 0 is what the mean of the targets gives. Of several values a sample it is the mean over the values, each
    weighing the same. Where the targets do not vary, it is 1 if each is met, else 0, as in scikit-learn; of fewer than
    two samples it is NaN.

    Example:
        >>> import trainctl
        >>> r2 = R2()
        >>> r2.update(trainctl.tensor([1.0, 2.0, 3.0]), trainctl.tensor([1.0, 2.0, 4.0]))
        >>> round(r2.compute(), 4)
        0.7857
    """

    label = "r2"

    def reset(self) -> None:
        """Forget every batch."""
        super().reset()
        self._near: np.ndarray | None = None

    def records(self, output: Tensor, target: Tensor) -> np.ndarray:
        """Return for each sample and value the target, its square and the squared error, and a one: [N, 3 D + 1].

        Targets are told from the first of all: of large numbers that lie close, the squares alone would say nothing.

        Raises:
            ConfigError: outputs and targets differ in shape.
        """
        predicted, right = pairs(self.label, output, target)
        if self._near is None and len(right):
            self._near = right[0].copy()
        errors = predicted - right
        told = right if self._near is None else right - self._near
        return np.concatenate([told, told * told, errors * errors, np.ones((len(right), 1))], axis=1)

    def figure(self, sums: np.ndarray) -> float:
        """Return the share; NaN of fewer than two samples."""
        count = sums[-1]
        if count < 2:
            return math.nan
        total, squares, errors = sums[:-1].reshape(3, -1)
        varied = np.maximum(squares - total * total / count, 0.0)
        constant = (errors != 0).astype(np.float64)
        return float(np.mean(1.0 - np.divide(errors, varied, out=constant, where=varied > 0)))


def pairs(label: str, output: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs and targets as float64 [N, D].

    Raises:
        ConfigError: they differ in shape; [N, 1] and [N] do not.
    """
    shapes = [tuple(each.shape) for each in (output, target)]
    shapes = [shape[:1] if shape[1:] == (1,) else shape for shape in shapes]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise misfit(label, "values and targets of one shape, [N] or [N, ...]", output, target)
    arrays = [each.detach().cpu().numpy().astype(np.float64) for each in (output, target)]
    samples = len(arrays[0])
    width = math.prod(shapes[0][1:])
    return arrays[0].reshape(samples, width), arrays[1].reshape(samples, width)
