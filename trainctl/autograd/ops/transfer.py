"""Tensors from one device to another; a gradient goes the way back."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import backend_for, backend_of
from trainctl.backend.devices import CPU, device


class Transfer(Op):
    device: device

    def forward(self, x: Any, out: Any = None) -> Any:
        source = backend_of(x)
        self.before = source.device_of(x)
        target = backend_for(self.device)
        with target.on(self.device):
            return target.from_host(source.to_host(x))

    def backward(self, gy: Tensor) -> Any:
        return Transfer.apply(gy, device=self.before)


def move(x: Tensor, where: Any) -> Tensor:
    """Return ``x`` on a device; ``x`` itself where it is there already.

    Raises:
        RuntimeError: the device does not exist here; says why.
    """
    have = x.device
    if where is CPU and have is CPU:
        return x
    wanted = where if isinstance(where, device) else device(where)
    backend_for(wanted)
    if wanted.type == have.type and (wanted.index is None or have.index in (None, wanted.index)):
        return x
    return Transfer.apply(x, device=wanted)
