"""What ``trainctl.NAME`` gives: PyTorch's top-level names for the engine."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainctl.autograd import (
    grad_mode,
    methods,  # noqa: F401 - binds the ops to Tensor
)
from trainctl.autograd.ops import (
    cast,
    comparison,
    convolution,
    creation,
    elementwise,
    indexing,
    linalg,
    padding,
    random,
    reduction,
    shape,
    softmax,
)
from trainctl.autograd.tensor import Size, Tensor, is_tensor
from trainctl.backend import devices
from trainctl.backend import dtypes

_FUNCTIONS: dict[ModuleType, str] = {
    elementwise: "add sub rsub mul div floor_divide remainder neg pow conj exp log sqrt abs sgn sign tanh sigmoid relu "
    "sin cos square reciprocal rsqrt maximum minimum clamp",
    comparison: "eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor logical_not "
    "bitwise_not isnan isinf isfinite where equal isclose allclose",
    reduction: "sum mean var std amax amin argmax argmin max min all any prod logsumexp",
    shape: "clone reshape flatten unflatten permute transpose t squeeze unsqueeze cat stack narrow split chunk unbind "
    "broadcast_shapes",
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
