"""What ``trainctl.NAME`` gives: PyTorch's top-level names for the engine."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainctl.autograd import grad_mode
from trainctl.autograd.ops import (
    activation,
    arithmetic,
    cast,
    comparison,
    convolution,
    creation,
    elementwise,
    indexing,
    joining,
    linalg,
    padding,
    random,
    reduction,
    shape,
    softmax,
)
from trainctl.autograd.size import Size
from trainctl.autograd.tensor import Tensor, is_tensor
from trainctl.backend import devices, dtypes

_FUNCTIONS: dict[ModuleType, str] = {
    arithmetic: "add sub rsub mul div floor_divide remainder neg pow conj maximum minimum clamp",
    elementwise: "exp log sqrt abs sgn sign tanh sigmoid sin cos square reciprocal rsqrt",
    activation: "relu",
    comparison: "eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor logical_not "
    "bitwise_not isnan isinf isfinite where equal isclose allclose",
    reduction: "sum mean var std amax amin argmax argmin max min all any prod logsumexp",
    shape: "clone reshape flatten unflatten permute transpose t squeeze unsqueeze narrow broadcast_shapes",
    joining: "cat stack split chunk unbind",
    indexing: "select gather index_select masked_fill masked_select nonzero",
    linalg: "matmul mm bmm mv dot outer addmm baddbmm",
    softmax: "softmax log_softmax",
    convolution: "conv1d conv2d conv3d",
    padding: "constant_pad_nd",
    creation: "tensor as_tensor from_numpy zeros ones empty full zeros_like ones_like empty_like full_like arange "
    "linspace eye",
    random: "Generator default_generator manual_seed seed initial_seed get_rng_state set_rng_state rand randn randint "
    "randperm rand_like randn_like dropout",
    cast: "result_type can_cast",
    grad_mode: "no_grad enable_grad set_grad_enabled inference_mode is_grad_enabled is_inference_mode_enabled",
    dtypes: "dtype uint8 int8 int16 int32 int64 float16 float32 float64 complex64 complex128 get_default_dtype "
    "set_default_dtype promote_types finfo iinfo",
}


def _collect() -> dict[str, Any]:
    names: dict[str, Any] = {"Tensor": Tensor, "Size": Size, "is_tensor": is_tensor, "device": devices.device}
    for module, listed in _FUNCTIONS.items():
        names.update({name: getattr(module, name) for name in listed.split()})
    names.update(dtypes.ALIASES)
    names.update(multiply=names["mul"], divide=names["div"], subtract=names["sub"], absolute=names["abs"])
    names["concat"] = names["concatenate"] = names["cat"]
    return names


NAMES = _collect()
