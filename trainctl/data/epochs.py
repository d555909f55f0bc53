"""The batches that a model learns from, epoch by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainctl.data.loader import DataLoader
from trainctl.data.sampler import EpochSampler


class EpochLoader(DataLoader[Any]):
    """A loader whose batches depend on seed, epoch and place alone: not on workers, nor on where it began.

    Args:
        dataset: the samples; its ``set_epoch`` is told the epoch where it has one.
        batch_size: samples in a batch.
        seed: of the order of the samples.
        shuffle: a new order in each epoch.
        drop_last: leave out a last batch that is not full.
        num_workers: threads that load ahead, kept from epoch to epoch.

    Example:
        >>> import trainctl
        >>> data = trainctl.utils.data.TensorDataset(trainctl.arange(5))
        >>> loader = EpochLoader(data, batch_size=2, seed=0)
        >>> loader.set_epoch(1)
        >>> whole = [batch[0].tolist() for batch in loader]
        >>> loader.set_epoch(1, start=2)
        >>> [batch[0].tolist() for batch in loader] == whole[1:]
        True
    """

    def __init__(
        self,
        dataset: Any,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        drop_last: bool = False,
        num_workers: int = 0,
    ) -> None:
        self._order = EpochSampler(dataset, seed=seed, shuffle=shuffle)
        super().__init__(
            dataset,
            batch_size,
            sampler=self._order,
            drop_last=drop_last,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
        )

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next pass, and how many of its samples to skip."""
        self._order.set_epoch(epoch, start)
        tell = getattr(self.dataset, "set_epoch", None)
        if tell is not None:
            tell(epoch)

    def order(self) -> np.ndarray:
        """Return the places of the next pass's samples in the dataset, int64."""
        return self._order.order()
