"""Layers in a row under one name, so that quantization takes them as one; follows ``torch.ao.nn.intrinsic``."""

from __future__ import annotations

from typing import Any, ClassVar

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.activation import LeakyReLU, ReLU, Tanh
from trainctl.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from trainctl.nn.modules.container import Sequential
from trainctl.nn.modules.conv import Conv1d, Conv2d, Conv3d
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.module import Module


class _FusedModule(Module):
    """Marks what quantization takes as one, and does not look into."""


class _Kinds(Sequential, _FusedModule):
    """Layers of given kinds; they keep their own parameters, and are called one after the other.

    Raises:
        AssertionError: the layers are of other kinds; a subclass is another kind.
    """

    kinds: ClassVar[tuple[type[Module], ...]]

    def __init__(self, *modules: Any) -> None:
        if tuple(map(type, modules)) != self.kinds:
            got, wanted = ([each.__name__ for each in kinds] for kinds in (map(type, modules), self.kinds))
            raise AssertionError(
                f"Incorrect types for input modules: {_listed(got)}; "
                f"{type(self).__name__} is made from {_listed(wanted)}"
            )
        super().__init__(*modules)

    def __getitem__(self, index: Any) -> Any:
        """Return a layer, or several as a plain Sequential."""
        return Sequential(*list(self)[index]) if isinstance(index, slice) else super().__getitem__(index)


def _listed(names: list[str]) -> str:
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])}, and {names[-1]}"


class _ConvReLU(_Kinds):
    def __init__(self, conv: Module, relu: Module) -> None:
        super().__init__(conv, relu)


class ConvReLU1d(_ConvReLU):
    """``relu(conv(x))`` of a Conv1d."""

    kinds = (Conv1d, ReLU)


class ConvReLU2d(_ConvReLU):
    """``relu(conv(x))`` of a Conv2d.

    Args:
        conv: the convolution.
        relu: the activation.

    Raises:
        AssertionError: they are of other kinds.

    Example:
        >>> from trainctl import nn
        >>> ConvReLU2d(nn.Conv2d(1, 2, 3), nn.ReLU())
        ConvReLU2d(
          (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
          (1): ReLU()
        )
    """

    kinds = (Conv2d, ReLU)


class ConvReLU3d(_ConvReLU):
    """``relu(conv(x))`` of a Conv3d."""

    kinds = (Conv3d, ReLU)


class _ConvBn(_Kinds):
    def __init__(self, conv: Module, bn: Module) -> None:
        super().__init__(conv, bn)


class ConvBn1d(_ConvBn):
    """``bn(conv(x))`` of a Conv1d and a BatchNorm1d."""

    kinds = (Conv1d, BatchNorm1d)


class ConvBn2d(_ConvBn):
    """``bn(conv(x))`` of a Conv2d and a BatchNorm2d."""

    kinds = (Conv2d, BatchNorm2d)


class ConvBn3d(_ConvBn):
    """``bn(conv(x))`` of a Conv3d and a BatchNorm3d."""

    kinds = (Conv3d, BatchNorm3d)


class _ConvBnReLU(_Kinds):
    def __init__(self, conv: Module, bn: Module, relu: Module) -> None:
        super().__init__(conv, bn, relu)


class ConvBnReLU1d(_ConvBnReLU):
    """``relu(bn(conv(x)))`` of a Conv1d and a BatchNorm1d."""

    kinds = (Conv1d, BatchNorm1d, ReLU)


class ConvBnReLU2d(_ConvBnReLU):
    """``relu(bn(conv(x)))`` of a Conv2d and a BatchNorm2d."""

    kinds = (Conv2d, BatchNorm2d, ReLU)


class ConvBnReLU3d(_ConvBnReLU):
    """``relu(bn(conv(x)))`` of a Conv3d and a BatchNorm3d."""

    kinds = (Conv3d, BatchNorm3d, ReLU)


class _BNReLU(_Kinds):
    def __init__(self, batch_norm: Module, relu: Module) -> None:
        super().__init__(batch_norm, relu)


class BNReLU2d(_BNReLU):
    """``relu(batch_norm(x))`` of a BatchNorm2d."""

    kinds = (BatchNorm2d, ReLU)


class BNReLU3d(_BNReLU):
    """``relu(batch_norm(x))`` of a BatchNorm3d."""

    kinds = (BatchNorm3d, ReLU)


class LinearReLU(_Kinds):
    """``relu(linear(x))``."""

    kinds = (Linear, ReLU)

    def __init__(self, linear: Module, relu: Module) -> None:
        super().__init__(linear, relu)


class LinearBn1d(_Kinds):
    """``bn(linear(x))`` of a BatchNorm1d."""

    kinds = (Linear, BatchNorm1d)

    def __init__(self, linear: Module, bn: Module) -> None:
        super().__init__(linear, bn)


class LinearLeakyReLU(_Kinds):
    """``leaky_relu(linear(x))``."""

    kinds = (Linear, LeakyReLU)

    def __init__(self, linear: Module, leaky_relu: Module) -> None:
        super().__init__(linear, leaky_relu)


class LinearTanh(_Kinds):
    """``tanh(linear(x))``."""

    kinds = (Linear, Tanh)

    def __init__(self, linear: Module, tanh: Module) -> None:
        super().__init__(linear, tanh)


class ConvAdd2d(Sequential, _FusedModule):
    """``add(conv(x1), x2)`` of a Conv2d and any function of two tensors."""

    def __init__(self, conv: Module, add: Any) -> None:
        super().__init__(conv)
        self.add = add

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:  # type: ignore[override] # it takes two tensors
        """Return the sum."""
        return self.add(self[0](x1), x2)


class ConvAddReLU2d(Sequential, _FusedModule):
    """``relu(add(conv(x1), x2))`` of a Conv2d and any function of two tensors."""

    def __init__(self, conv: Module, add: Any, relu: Module) -> None:
        super().__init__(conv)
        self.add, self.relu = add, relu

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:  # type: ignore[override] # it takes two tensors
        """Return the rectified sum."""
        return self.relu(self.add(self[0](x1), x2))
