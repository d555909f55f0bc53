"""What a model's observers have seen, apart from the model."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from trainctl.nn.modules.module import Module
from trainctl.quantization.observers.base import ObserverBase

_NAMES = ("observer", "activation_post_process")


def get_observer_state_dict(mod: Module) -> OrderedDict[str, Any]:
    """Return path -> tensor of the observers in a model.

    Example:
        >>> from trainctl import nn
        >>> from trainctl.quantization import MinMaxObserver
        >>> net = nn.Sequential(nn.ReLU())
        >>> net[0].activation_post_process = MinMaxObserver()
        >>> list(get_observer_state_dict(net))[1:]
        ['0.activation_post_process.min_val', '0.activation_post_process.max_val']
    """
    state = mod.state_dict()
    found: Any = OrderedDict((key, each) for key, each in state.items() if "activation_post_process" in key)
    found._metadata = state._metadata
    return found


def load_observer_state_dict(mod: Module, obs_dict: dict[str, Any]) -> None:
    """Load what :func:`get_observer_state_dict` returned into the observers of a model.

    Raises:
        RuntimeError: a tensor that an observer needs is missing, or has another shape.
    """
    for name, module in mod.named_modules():
        if isinstance(module, ObserverBase):
            prefix = f"{name}." if name else ""
            own: Any = OrderedDict(
                (key.removeprefix(prefix), each) for key, each in obs_dict.items() if key.startswith(prefix)
            )
            own._metadata = {"": getattr(obs_dict, "_metadata", {}).get(name, {})}
            module.load_state_dict(own)
