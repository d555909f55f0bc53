"""What a person wants to know of a model besides its loss, measured over a whole dataset."""

from __future__ import annotations

from trainctl import Tensor
from trainctl.errors import ConfigError, Problem


class Metric:
    """Base of every metric: a figure that batches add up to.

    Attributes:
        higher_is_better: which way is better, for ``train.monitor``.
    """

    higher_is_better = True

    def reset(self) -> None:
        """Forget every batch."""
        raise NotImplementedError(f"{type(self).__name__} has no reset")

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch: what the model gave for it, and what was right."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def compute(self) -> float:
        """Return the figure over all batches since the last reset; NaN where there were none."""
        raise NotImplementedError(f"{type(self).__name__} has no compute")


class Accuracy(Metric):
    """The share of targets whose class has the highest score, in 0..1.

    Example:
        >>> import trainctl
        >>> accuracy = Accuracy()
        >>> accuracy.update(trainctl.tensor([[2.0, 1.0], [0.0, 3.0]]), trainctl.tensor([0, 0]))
        >>> accuracy.compute()
        0.5
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every batch."""
        self.correct = 0
        self.total = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch.

        Args:
            output: scores, [N, C] or [N, C, ...].
            target: class indices, [N] or [N, ...].

        Raises:
            ConfigError: the shapes are not those of a classification.
        """
        if output.ndim < 2 or output.shape[:1] + output.shape[2:] != target.shape:
            raise ConfigError([_misfit(output, target)])
        self.correct += int((output.argmax(1) == target).sum().item())
        self.total += target.numel()

    def compute(self) -> float:
        """Return the share of correct targets; NaN where there were none."""
        return self.correct / self.total if self.total else float("nan")


def _misfit(output: Tensor, target: Tensor) -> Problem:
    return Problem(
        f"accuracy expects scores [N, C, ...] and class indices [N, ...], "
        f"got {list(output.shape)} from the model and {list(target.shape)} from the data",
        hint="leave `accuracy` out of `metrics:`, or end the model with one score a class",
    )
