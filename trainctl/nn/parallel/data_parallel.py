"""``DataParallel``: one batch in parts over several GPUs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.ops.splitting import chunk
from trainctl.autograd.ops.transfer import move
from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import gpu_count
from trainctl.backend.devices import device
from trainctl.nn.modules.module import Module


class DataParallel(Module):
    """Runs ``module`` on parts of each batch, one part a GPU, and joins the outputs.

    Without GPUs it runs the module itself. The parameters stay on the first device; gradients of all parts are
    summed there. As in PyTorch the wrapped module is ``module``, and so the keys of ``state_dict`` begin.

    Args:
        module: the module; its parameters are on ``device_ids[0]``.
        device_ids: numbers of the GPUs, default: all.
        output_device: where the outputs are joined, default: the first.
        dim: the dim along which inputs are split and outputs are joined.

    Raises:
        RuntimeError: (when called) a parameter is not on the first device.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> nn.DataParallel(nn.Linear(4, 2))(trainctl.ones(3, 4)).shape
        trainctl.Size([3, 2])
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[int | str | device] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module, self.dim = module, dim
        wanted = range(gpu_count()) if device_ids is None else device_ids
        self.device_ids = [each if isinstance(each, device) else device(each) for each in wanted] if gpu_count() else []
        self.output_device = self.device_ids[0] if output_device is None and self.device_ids else output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Return what the module gives for the whole batch."""
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        self._check_place()
        if len(self.device_ids) == 1:
            first = self.device_ids[0]
            return self.module(*_moved(inputs, first), **_moved(kwargs, first))
        parts = _scatter((inputs, kwargs), self.device_ids, self.dim)
        outputs = [
            _replica(self.module, where)(*args, **named)
            for (args, named), where in zip(parts, self.device_ids, strict=False)
        ]
        return _gather(outputs, self.output_device, self.dim)

    def _check_place(self) -> None:
        first = self.device_ids[0]
        for name, parameter in self.module.named_parameters():
            if parameter.device != first:
                raise RuntimeError(
                    f"module must have its parameters and buffers on device {first} (device_ids[0]) "
                    f"but found {name} on device: {parameter.device}"
                )


def _moved(value: Any, where: device) -> Any:
    """Return a value with every tensor in it on a device."""
    if isinstance(value, Tensor):
        return move(value, where)
    if isinstance(value, dict):
        return {key: _moved(each, where) for key, each in value.items()}
    return type(value)(_moved(each, where) for each in value) if type(value) in (tuple, list) else value


def _scatter(value: Any, devices: list[device], dim: int) -> list[Any]:
    """Return a value for each device: tensors in parts, all else as it is; fewer where a batch is small."""
    if isinstance(value, Tensor):
        return [move(part, where) for part, where in zip(chunk(value, len(devices), dim), devices, strict=False)]
    if isinstance(value, dict):
        parts = [_scatter(each, devices, dim) for each in value.values()]
        return [dict(zip(value, each, strict=True)) for each in zip(*parts, strict=False)] or [{}] * len(devices)
    if type(value) in (tuple, list):
        parts = [_scatter(each, devices, dim) for each in value]
        return [type(value)(each) for each in zip(*parts, strict=False)] or [value] * len(devices)
    return [value] * len(devices)


def _replica(module: Module, where: device) -> Module:
    """Return a module on another device whose parameters are copies that gradients flow back from."""
    replica = copy.copy(module)
    for table in ("_parameters", "_buffers", "_modules"):
        members = module.__dict__[table]
        remade = {name: None if each is None else _copy_member(each, where) for name, each in members.items()}
        replica.__dict__[table] = remade
    return replica


def _copy_member(member: Any, where: device) -> Any:
    return _replica(member, where) if isinstance(member, Module) else move(member, where)


def _gather(outputs: list[Any], where: Any, dim: int) -> Any:
    """Return the parts' outputs as one; scalars become a vector."""
    first = outputs[0]
    if isinstance(first, Tensor):
        parts = [move(each, where) for each in outputs]
        return cat([reshape(each, (1,)) for each in parts], 0) if first.ndim == 0 else cat(parts, dim)
    if isinstance(first, dict):
        return {key: _gather([each[key] for each in outputs], where, dim) for key in first}
    return type(first)(_gather(list(each), where, dim) for each in zip(*outputs, strict=True))
