"""What layers that round their weights share: how they are made from float ones, and turned back."""

from __future__ import annotations

from typing import Any

from trainctl.nn.modules.conv import _Conv
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


def give_weight_fake_quant(module: Any, qconfig: Any) -> None:
    """Give a layer its qconfig, and what rounds its weights by that.

    Raises:
        AssertionError: there is no qconfig.
    """
    if not qconfig:
        raise AssertionError("qconfig must be provided for QAT module")
    module.qconfig = qconfig
    module.weight_fake_quant = qconfig.weight().to(module.weight.device)


def is_memoryless(qconfig: Any) -> bool:
    """Return whether a qconfig's ranges of activations are those of the batch at hand: quantization as the model runs."""
    activation = qconfig.activation() if qconfig else None
    observer = getattr(activation, "activation_post_process", activation)  # that of a FakeQuantize
    return getattr(observer, "averaging_constant", None) == 1


def qconfig_of(cls: Any, mod: Any) -> Any:
    """Return the qconfig of a float layer that ``cls`` is to be made from.

    Raises:
        AssertionError: another kind of layer, or it has no qconfig.
    """
    if type(mod) is not cls._FLOAT_MODULE:
        raise AssertionError(
            f"qat.{cls.__name__}.from_float only works for {cls._FLOAT_MODULE.__name__}, got {type(mod).__name__}"
        )
    if not hasattr(mod, "qconfig"):
        raise AssertionError("Input float module must have qconfig defined")
    if not mod.qconfig:
        raise AssertionError("Input float module must have a valid qconfig")
    return mod.qconfig


def take_parameters(module: Any, source: Any) -> Any:
    """Give a layer another's own parameters, the same objects, and return it."""
    module.weight = source.weight
    if "bias" in source._parameters:
        module.bias = source.bias
    return module


def copy_parameters(module: Any, source: Any) -> Any:
    """Give a layer new parameters over another's elements, and return it in the other's mode."""
    module.weight = Parameter(source.weight.detach())
    if source._parameters.get("bias") is not None:
        module.bias = Parameter(source.bias.detach())
    return module.train(source.training)


def conv_options(conv: _Conv) -> dict[str, Any]:
    """Return what a convolution is made from."""
    names = ["in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"]
    return {**{name: getattr(conv, name) for name in names}, "bias": conv.bias is not None}


def linear_options(linear: Linear) -> dict[str, Any]:
    """Return what a linear layer is made from."""
    return {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
    }


def with_relu(cls: Any, layer: Module, relu: Module) -> Any:
    """Return a layer and an activation as one, in the layer's mode."""
    return cls(layer, relu).train(layer.training)
