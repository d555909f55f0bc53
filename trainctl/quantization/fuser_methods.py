"""How layers in a row become one, by their types; follows ``torch.ao.quantization.fuser_method_mappings``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainctl import nn
from trainctl.nn import intrinsic as nni
from trainctl.nn.modules.module import Module
from trainctl.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = ["fuse_conv_bn", "fuse_conv_bn_relu", "fuse_convtranspose_bn", "fuse_linear_bn", "get_fuser_method"]

Types = tuple[type[Module], ...]
FuserMethod = Callable[..., Module]

_CONV_BN = {nn.Conv1d: nni.ConvBn1d, nn.Conv2d: nni.ConvBn2d, nn.Conv3d: nni.ConvBn3d}
_CONV_BN_RELU = {nn.Conv1d: nni.ConvBnReLU1d, nn.Conv2d: nni.ConvBnReLU2d, nn.Conv3d: nni.ConvBnReLU3d}
_CONV_RELU = {nn.Conv1d: nni.ConvReLU1d, nn.Conv2d: nni.ConvReLU2d, nn.Conv3d: nni.ConvReLU3d}


def fuse_conv_bn(is_qat: bool, conv: Any, bn: Any) -> Module:
    """Return a convolution and the norm after it as one: for training side by side, for evaluation folded.

    Args:
        is_qat: for quantization-aware training.
        conv: the convolution.
        bn: the norm, in the same mode.

    Raises:
        AssertionError: the modes differ, or the norm cannot be folded.
        NotImplementedError: ``conv`` is no Conv1d, Conv2d or Conv3d.

    Example:
        >>> from trainctl import nn
        >>> fuse_conv_bn(False, nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(2).eval())
        Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
    """
    _check_modes("Conv", conv, bn)
    if not is_qat:
        return fuse_conv_bn_eval(conv, bn)
    _check_norm("Output channel of Conv2d", "BatchNorm2d", conv.out_channels, bn)
    return _kind(_CONV_BN, "train", conv, bn)(conv, bn)


def fuse_conv_bn_relu(is_qat: bool, conv: Any, bn: Any, relu: Any) -> Module:
    """Return a convolution, the norm after it and the activation after that as one, as :func:`fuse_conv_bn` does."""
    _check_modes("Conv", conv, bn, relu)
    if not is_qat:
        return _kind(_CONV_RELU, "eval", conv, bn, relu)(fuse_conv_bn_eval(conv, bn), relu)
    _check_norm("Output channel of Conv2d", "BatchNorm2d", conv.out_channels, bn)
    return _kind(_CONV_BN_RELU, "train", conv, bn, relu)(conv, bn, relu)


def fuse_linear_bn(is_qat: bool, linear: Any, bn: Any) -> Module:
    """Return a linear layer and the norm after it as one, as :func:`fuse_conv_bn` does."""
    _check_modes("Linear", linear, bn)
    if not is_qat:
        return fuse_linear_bn_eval(linear, bn)
    _check_norm("Output features of Linear", "BatchNorm1d", linear.out_features, bn)
    return nni.LinearBn1d(linear, bn)


def fuse_linear_bn_relu(is_qat: bool, linear: Any, bn: Any, relu: Any) -> Module:
    """Return a linear layer, the norm after it and the activation after that as one, for evaluation.

    Raises:
        AssertionError: the modes differ, or the norm cannot be folded.
        NotImplementedError: for quantization-aware training; fuse the first two, and leave the activation.
    """
    _check_modes("Linear", linear, bn, relu)
    if is_qat:
        raise NotImplementedError(
            f"Cannot fuse train modules: {(linear, bn, relu)}; fuse the linear layer and the batch norm alone"
        )
    return nni.LinearReLU(fuse_linear_bn_eval(linear, bn), relu)


def fuse_convtranspose_bn(is_qat: bool, convt: Any, bn: Any) -> Module:
    """Return a transposed convolution that the norm after it is folded into, for evaluation.

    Raises:
        AssertionError: the modes differ, or the norm cannot be folded.
        NotImplementedError: for quantization-aware training.
    """
    _check_modes("ConvTranspose", convt, bn)
    if is_qat:
        raise NotImplementedError("Fusing ConvTranspose+BatchNorm not yet supported in QAT.")
    return fuse_conv_bn_eval(convt, bn, transpose=True)


def _check_modes(what: str, *modules: Module) -> None:
    if len({module.training for module in modules}) > 1:
        raise AssertionError(f"{what} and BN both must be in the same mode (train or eval).")


def _check_norm(width: str, name: str, features: int, bn: Any) -> None:
    if bn.num_features != features:
        raise AssertionError(f"{width} must match num_features of {name}")
    if not bn.affine:
        raise AssertionError(f"Only support fusing {name} with affine set to True")
    if not bn.track_running_stats:
        raise AssertionError(f"Only support fusing {name} with tracking_running_stats set to True")


def _kind(kinds: Mapping[Any, Any], mode: str, *modules: Module) -> Any:
    kind = kinds.get(type(modules[0]))
    if kind is None:
        raise NotImplementedError(f"Cannot fuse {mode} modules: {modules}")
    return kind


def _side_by_side(kind: Any) -> FuserMethod:
    """Return a method that keeps two layers as they are, whatever they are for."""

    def fuse(is_qat: bool, first: Module, second: Module) -> Module:
        return kind(first, second)

    return fuse


DEFAULT_OP_LIST_TO_FUSER_METHOD: dict[Types, FuserMethod] = {
    (nn.Conv1d, nn.BatchNorm1d): fuse_conv_bn,
    (nn.Conv1d, nn.BatchNorm1d, nn.ReLU): fuse_conv_bn_relu,
    (nn.Conv2d, nn.BatchNorm2d): fuse_conv_bn,
    (nn.Conv2d, nn.BatchNorm2d, nn.ReLU): fuse_conv_bn_relu,
    (nn.Conv3d, nn.BatchNorm3d): fuse_conv_bn,
    (nn.Conv3d, nn.BatchNorm3d, nn.ReLU): fuse_conv_bn_relu,
    (nn.Conv1d, nn.ReLU): _side_by_side(nni.ConvReLU1d),
    (nn.Conv2d, nn.ReLU): _side_by_side(nni.ConvReLU2d),
    (nn.Conv3d, nn.ReLU): _side_by_side(nni.ConvReLU3d),
    (nn.Linear, nn.BatchNorm1d): fuse_linear_bn,
    (nn.Linear, nn.BatchNorm1d, nn.ReLU): fuse_linear_bn_relu,  # PyTorch takes the first two alone
    (nn.Linear, nn.ReLU): _side_by_side(nni.LinearReLU),
    (nn.BatchNorm2d, nn.ReLU): _side_by_side(nni.BNReLU2d),
    (nn.BatchNorm3d, nn.ReLU): _side_by_side(nni.BNReLU3d),
    (nn.ConvTranspose1d, nn.BatchNorm1d): fuse_convtranspose_bn,
    (nn.ConvTranspose2d, nn.BatchNorm2d): fuse_convtranspose_bn,
    (nn.ConvTranspose3d, nn.BatchNorm3d): fuse_convtranspose_bn,
}


def get_fuser_method(
    op_list: Types, additional_fuser_method_mapping: Mapping[Types, FuserMethod] | None = None
) -> FuserMethod:
    """Return the method that fuses layers of these types: ``method(is_qat, *layers)``.

    Args:
        op_list: the types, in order.
        additional_fuser_method_mapping: more methods, which come before those that are there.

    Raises:
        AssertionError: there is none.

    Example:
        >>> from trainctl import nn
        >>> get_fuser_method((nn.Linear, nn.BatchNorm1d)).__name__
        'fuse_linear_bn'
    """
    method = {**DEFAULT_OP_LIST_TO_FUSER_METHOD, **(additional_fuser_method_mapping or {})}.get(op_list)
    if method is None:
        known = [types for types in DEFAULT_OP_LIST_TO_FUSER_METHOD if op_list and types[0] is op_list[0]]
        after = " or ".join(", ".join(each.__name__ for each in types[1:]) for types in known)
        hint = f"; a {op_list[0].__name__} is fused with the {after} after it" if known else ""
        raise AssertionError(f"did not find fuser method for: {op_list} {hint}".rstrip())
    return method
