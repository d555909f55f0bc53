"""The moving average of a run's weights: what is evaluated and kept as its model."""

from __future__ import annotations

from typing import Any

from trainctl.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from trainctl.storage.packing import to_array


class Ema:
    """An exponential moving average of a model's parameters; its buffers are the model's latest.

    Args:
        model: what is averaged.
        decay: the share of the average that a step keeps.

    Attributes:
        module: a model with the averaged weights.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> model = nn.Linear(1, 1, bias=False)
        >>> ema = Ema(model, 0.75)
        >>> for value in (1.0, 5.0):
        ...     _ = model.weight.data.fill_(value)
        ...     ema.after_step()
        >>> ema.module.weight.item()
        2.0
    """

    def __init__(self, model: Any, decay: float) -> None:
        self._model = model
        self._averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.module = self._averaged.module

    def after_step(self) -> None:
        """Take the model's weights into the average; the first time they are the average."""
        self._averaged.update_parameters(self._model)

    def state_dict(self) -> dict[str, Any]:
        """Return what the average alone does not tell: the weights that are trained, and how many went into it."""
        weights = {name: to_array(tensor) for name, tensor in self._model.state_dict().items()}
        return {"n_averaged": int(self._averaged.n_averaged.item()), "weights": weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned; the average itself is the model's weights until now."""
        from trainctl import from_numpy

        self.module.load_state_dict(self._model.state_dict())
        self._model.load_state_dict({name: from_numpy(array) for name, array in state["weights"].items()})
        self._averaged.n_averaged.fill_(state["n_averaged"])
