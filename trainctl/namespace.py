"""What ``trainctl.NAME`` gives: PyTorch's top-level names for the engine."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainctl.autograd import grad_mode
from trainctl.autograd.out import public
from trainctl.autograd.size import Size
from trainctl.autograd.tensor import Tensor, is_tensor
from trainctl.backend import devices, dtypes, quantized_dtypes
from trainctl.storage import saving

# What is no op; the ops' own names are listed by their families.
_OTHERS: dict[ModuleType, str] = {
    saving: "save load",
    grad_mode: "no_grad enable_grad set_grad_enabled inference_mode is_grad_enabled is_inference_mode_enabled",
    dtypes: "dtype uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128 get_default_dtype "
    "set_default_dtype promote_types finfo iinfo",
    quantized_dtypes: "quint8 qint8 qint32 quint4x2 qscheme per_tensor_affine per_tensor_symmetric per_channel_affine "
    "per_channel_symmetric per_channel_affine_float_qparams",
}


def _collect() -> dict[str, Any]:
    names = {"Tensor": Tensor, "Size": Size, "is_tensor": is_tensor, "device": devices.device, **dtypes.ALIASES}
    for module, listing in _OTHERS.items():
        names.update({name: getattr(module, name) for name in listing.split()})
    return names | public("FUNCTIONS")


NAMES = _collect()
