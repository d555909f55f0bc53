"""The device of a config: where the model's weights and the batches go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainctl.backend.devices import device
    from trainctl.config import Config

_HINT = "write `device: cpu`, or `device: auto` to take a GPU only where there is one"


def device_of(config: Config, report: Callable[..., Any]) -> device:
    """Return the device that a config means: of several ``devices`` the first.

    ``auto`` takes a GPU where there is one, ``cuda`` never anything else.

    Args:
        config: the config.
        report: called with the key path, the message and a hint for each GPU that is not there.
    """
    from trainctl.backend.arrays import backend_for, gpu_count
    from trainctl.backend.devices import CPU, device

    if not config.devices and config.device == "auto":
        return device("cuda", 0) if gpu_count() else CPU
    named: list[tuple[tuple[str | int, ...], str]] = [(("device",), config.device)]
    if config.devices:
        named = [(("devices", index), each) for index, each in enumerate(config.devices)]
    found = []
    for path, name in named:
        try:
            backend_for(device(name))
        except RuntimeError as error:
            report(path, f"{'.'.join(map(str, path))}: {error}", _HINT)
        else:
            found.append(device(name))
    return found[0] if found else CPU
