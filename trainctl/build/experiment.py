"""Everything a run works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trainctl.build.schedules import schedule_of
from trainctl.errors import ConfigError
from trainctl.registry import extended

if TYPE_CHECKING:
    from trainctl.config import Config, LoadedConfig
    from trainctl.data import SampleSpec
    from trainctl.quantization.aware import Rounding
    from trainctl.train.schedule import Schedule


@dataclass
class Experiment:
    """Everything a run works with. Data is read when it is first used.

    Attributes:
        loaded: the config with its places.
        model: a ``Sequential``, so that its keys are the config's indices.
        loss: maps (output, target) to one number.
        optimizer: of the model's parameters.
        metrics: by their names in the config.
        tables: those of the config's metrics that are tables, by name; ``eval`` measures them.
        whole_train_data: the dataset's training part, before the validation split and without transforms.
        whole_test_data: the dataset's test part, without transforms; None where it has none.
        transforms: what is done to every input.
        train_transforms: what is done to the inputs of training samples before that.
        sample: what a sample is, as the dataset says it.
        rounding: how layers round in quantization-aware training; None: in none.
    """

    loaded: LoadedConfig
    model: Any
    loss: Any
    optimizer: Any
    metrics: Mapping[str, Any]
    tables: Mapping[str, Any]
    whole_train_data: Any
    whole_test_data: Any
    transforms: Sequence[Any] = ()
    train_transforms: Sequence[Any] = ()
    sample: SampleSpec | None = None
    rounding: Rounding | None = None

    @property
    def config(self) -> Config:
        """The config."""
        return self.loaded.config

    @property
    def splits(self) -> dict[str, Any]:
        """The samples of each split there is, without transforms."""
        train, val = self._split
        parts = {"train": train, "val": val, "test": self.whole_test_data}
        return {name: data for name, data in parts.items() if data is not None}

    @cached_property
    def train_data(self) -> Any:
        """What is learned from, without ``train_transforms``."""
        return self._transformed(self._split[0])

    @cached_property
    def training_data(self) -> Any:
        """What is learned from, as the model sees it in training; its ``set_epoch``, if any, wants to know the epoch."""
        if not self.train_transforms:
            return self.train_data
        from trainctl.data import TransformedDataset

        both = [*self.train_transforms, *self.transforms]
        return TransformedDataset(self._split[0], both, seed=self.config.seed)

    @cached_property
    def val_data(self) -> Any:
        """What is held out of the training part by the seed; None where nothing is."""
        return self._transformed(self._split[1])

    @cached_property
    def test_data(self) -> Any:
        """The dataset's test part; None where it has none."""
        return self._transformed(self.whole_test_data)

    def _transformed(self, data: Any) -> Any:
        """A dataset after ``transforms``."""
        if data is None or not self.transforms:
            return data
        from trainctl.data import TransformedDataset

        return TransformedDataset(data, self.transforms)

    @cached_property
    def schedule(self) -> Schedule | None:
        """How the learning rate changes, None where it does not; how long a run is follows from its data.

        Raises:
            ConfigError: it is over before the run is.
            DataError: data is missing or corrupt.
        """
        from trainctl.train.lengths import steps_per_epoch

        with extended(self.loaded.names):
            return schedule_of(self.loaded, self.optimizer, self.metrics, steps_per_epoch(self))

    @cached_property
    def _split(self) -> tuple[Any, Any]:
        import numpy as np

        from trainctl.autograd.ops.random import Generator
        from trainctl.data import Subset, random_split

        data, share = self.whole_train_data, self.config.data.split.val
        if share == 0:
            return data, None
        held_out = round(len(data) * share)
        if not 0 < held_out < len(data):
            message = f"{share} of {len(data)} samples leaves a part without any"
            raise ConfigError([self.loaded.problem(("data", "split", "val"), f"data.split.val: {message}")])
        generator = Generator().manual_seed(self.config.seed)
        parts = random_split(data, [len(data) - held_out, held_out], generator=generator)
        # As arrays: looking a batch's indices up in a list of as many objects as there are samples is slow.
        train_data, val_data = [Subset[Any](data, np.array(part.indices)) for part in parts]
        return train_data, val_data
