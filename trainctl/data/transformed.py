"""A dataset whose samples go through transforms; the random ones depend on seed, epoch and sample alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainctl.autograd import Tensor
from trainctl.data.bulk import as_index_array, bulk_method
from trainctl.data.dataset import Dataset
from trainctl.data.random_transforms import RandomTransform
from trainctl.data.streams import sample_uniforms
from trainctl.data.transforms import apply_to_batch


class TransformedDataset(Dataset[Any]):
    """A dataset's samples ``(input, target)``, their inputs after transforms.

    Args:
        dataset: the samples as they are.
        transforms: callables from an input to an input, one after another; one that takes batches is given those.
        seed: of the random transforms.

    Example:
        >>> data = TransformedDataset([(1.0, "a"), (2.0, "b")], [lambda x: x + 1, lambda x: x * 10])
        >>> data[1]
        (30.0, 'b')
    """

    def __init__(self, dataset: Any, transforms: Sequence[Any], *, seed: int = 0) -> None:
        self.dataset = dataset
        self.transforms = list(transforms)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the random transforms; passes that have begun keep theirs."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        sample = self.dataset[index]
        uniforms = self._uniforms(self.epoch, as_index_array([index]))
        changed = sample[0]
        for transform, numbers in zip(self.transforms, uniforms, strict=True):
            changed = transform(changed) if numbers is None else transform.apply(changed[None], numbers)[0]
        return (changed, *sample[1:])

    @property
    def gather(self) -> Callable[[np.ndarray], Sequence[Tensor]]:
        """The batch of some samples in one go, where the dataset can do it; the epoch is that of this moment."""
        gather = bulk_method(self.dataset, "gather", "__getitem__")
        if gather is None:
            raise AttributeError(f"{type(self.dataset).__name__} has no gather")
        epoch = self.epoch
        return lambda indices: self._changed(gather(indices), epoch, indices)

    def _changed(self, batch: Sequence[Tensor], epoch: int, indices: np.ndarray) -> list[Tensor]:
        inputs = batch[0]
        for transform, numbers in zip(self.transforms, self._uniforms(epoch, indices), strict=True):
            inputs = apply_to_batch(transform, inputs) if numbers is None else transform.apply(inputs, numbers)
        return [inputs, *batch[1:]]

    def _uniforms(self, epoch: int, indices: np.ndarray) -> list[Any]:
        """For each transform, the numbers it may use, [N, draws]; None for one that is not random."""
        draws = [each.draws if isinstance(each, RandomTransform) else 0 for each in self.transforms]
        if not any(draws):
            return [None] * len(draws)
        numbers = sample_uniforms(self.seed, epoch, indices % len(self), sum(draws))
        parts = np.split(numbers, np.cumsum(draws)[:-1], axis=1)
        return [part if count else None for part, count in zip(parts, draws, strict=True)]
