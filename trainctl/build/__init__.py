"""From a checked config to the objects it describes: model, loss, optimizer, metrics and data.

What a schema cannot say is found here, with a batch of zeros: whether each layer takes what the one
before it gives, and whether the last one's output suits the loss and the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainctl.build.experiment import Experiment
from trainctl.build.parts import Parts
from trainctl.build.summary import LayerSummary, ModelSummary
from trainctl.registry import extended

if TYPE_CHECKING:
    from trainctl.config import LoadedConfig

__all__ = ["Experiment", "LayerSummary", "ModelSummary", "build", "check"]


def check(loaded: LoadedConfig) -> ModelSummary:
    """Check that the parts of a config fit each other; no data is read.

    Raises:
        ConfigError: each layer that does not fit the one before it, a last layer that does not fit the
            loss and the data, arguments that a constructor refuses.

    Example:
        >>> from trainctl.config import load_config
        >>> check(load_config("configs/mlp.yaml", environ={})).parameters
        101770
    """
    from trainctl.autograd.ops.random import get_rng_state, set_rng_state

    state = get_rng_state()
    try:
        with extended(loaded.names):
            return Parts(loaded).summary
    finally:
        set_rng_state(state)


def build(loaded: LoadedConfig) -> Experiment:
    """Make what a config describes; the seed decides the initial weights and the split.

    Raises:
        ConfigError: as :func:`check`.
        DataError: data is missing.

    Example:
        >>> from trainctl.config import load_config
        >>> experiment = build(load_config("configs/mlp.yaml", environ={}))
        >>> len(experiment.train_data), len(experiment.val_data), len(experiment.test_data)
        (54000, 6000, 10000)
    """
    from trainctl.autograd.ops.random import manual_seed

    manual_seed(loaded.config.seed)
    with extended(loaded.names):
        parts = Parts(loaded)
        return Experiment(
            loaded=loaded,
            model=parts.model,
            loss=parts.loss,
            optimizer=parts.optimizer,
            metrics=parts.metrics,
            tables=parts.tables,
            whole_train_data=parts.dataset(train=True),
            whole_test_data=parts.dataset(train=False),
            transforms=parts.transforms,
            train_transforms=parts.train_transforms,
            sample=parts.sample,
            rounding=parts.rounding,
        )
