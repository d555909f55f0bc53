"""5,000 of MNIST's digits, which come with the package: something real to train on wherever it is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainctl.data.mnist import MNIST
from trainctl.data.spec import SampleSpec

FOLDER = Path(__file__).parents[1] / "assets" / "small_mnist"


class SmallMNIST(MNIST):
    """Every 15th of MNIST's training samples and every 10th of its test samples, which the package carries.

    Samples are as :class:`MNIST` has them.

    Args:
        train: the 4,000 training samples; False: the 1,000 test samples.
        transform: called with an image, or with a batch of them where it has ``takes_batches``.

    Raises:
        DataError: a file of the package is missing or damaged.

    Example:
        >>> len(SmallMNIST()), len(SmallMNIST(train=False))
        (4000, 1000)
    """

    @classmethod
    def sample_spec(cls, root: str | Path = FOLDER) -> SampleSpec:
        """What a sample is."""
        return super().sample_spec(root)

    def __init__(self, train: bool = True, transform: Callable[[Any], Any] | None = None) -> None:
        super().__init__(FOLDER, train, transform)
