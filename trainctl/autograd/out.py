"""``out=``: the result of a public function written into a tensor that the caller already has.

Methods and the ops' own calls of each other do not come here, so that only ``trainctl.NAME`` pays for it
(70 ns a call; docs/decisions/2026-11-23-out-arguments.md).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from trainctl.autograd.ops import listed
from trainctl.autograd.ops.assign import copy_
from trainctl.autograd.ops.cast import can_cast, cast
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor

# By what the dtype of ``out`` may be in PyTorch, which has no one rule for it.
CASTABLE = (  # whatever the result can be cast to; the pairs of max and min have their own
    "acos acosh add addcdiv addcmul addr angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan "
    "atan2 atanh bernoulli bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor cat cholesky "
    "clamp clamp_max clamp_min clip column_stack concat concatenate copysign cos cosh deg2rad diff div divide dstack "
    "eq erf erfc erfinv exp exp2 expm1 floor_divide fmax fmin fmod ge gt hstack hypot kron ldexp le lerp log log10 "
    "log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit logsumexp lt matrix_power "
    "max maximum mean min minimum mul multiply nanmean nansum ne nextafter normal outer pow rad2deg reciprocal "
    "remainder row_stack rsqrt sigmoid sin sinc sinh sqrt square stack std sub subtract tan tanh threshold "
    "true_divide var vstack xlogy linalg.lstsq linalg.matrix_power linalg.matrix_rank linalg.pinv nn.functional.normalize"
)
EXACT = (  # that of the result
    "abs absolute addbmm addmm addmv all amax amin aminmax any argmax argmin argsort baddbmm bitwise_not bmm "
    "bucketize ceil chain_matmul complex cross cummax cummin diag dot fix float_power floor frac gather hardshrink "
    "heaviside histc index_add index_copy index_reduce index_select inner inverse isin isneginf isposinf kthvalue "
    "log_softmax logcumsumexp masked_select matmul median mm mode msort multinomial mv nan_to_num nanmedian "
    "nanquantile narrow_copy neg nonzero norm polar qr quantile round scatter scatter_add scatter_reduce searchsorted "
    "sgn sign signbit slogdet softmax sort svd take take_along_dim tensordot topk tril triu trunc vdot where "
    "linalg.cholesky linalg.cross linalg.det linalg.eigh linalg.eigvalsh linalg.inv linalg.matmul "
    "linalg.matrix_norm linalg.multi_dot linalg.norm linalg.qr linalg.slogdet linalg.solve linalg.solve_triangular "
    "linalg.svd linalg.svdvals linalg.vecdot linalg.vector_norm nn.functional.avg_pool2d nn.functional.avg_pool3d "
    "nn.functional.gelu nn.functional.hardshrink nn.functional.linear nn.functional.logsigmoid nn.functional.softplus "
    "nn.functional.softshrink"
)
ACCUMULATED = "cumprod cumsum prod sum"  # that of the argument ``dtype``, which by default is the dtype of ``out``
MADE = (
    "arange empty eye full linspace logspace ones rand randint randn randperm zeros"  # likewise; any shape is welcome
)

_MODULES = {"FUNCTIONS": "", "LINALG": "linalg", "FUNCTIONAL": "nn.functional"}


def public(kind: str) -> dict[str, Any]:
    """Return name -> function for what the families list under ``kind``, each with ``out=`` where PyTorch's has it.

    Example:
        >>> import trainctl
        >>> z = trainctl.empty(2)
        >>> public("FUNCTIONS")["add"](trainctl.ones(2), 1, out=z) is z, z
        (True, tensor([2., 2.]))
    """
    found = listed(kind)
    for rule in (CASTABLE, EXACT, ACCUMULATED, MADE):
        for entry in rule.split():
            module, _, name = entry.rpartition(".")
            if module == _MODULES[kind]:
                found[name] = _taking_out(name, found[name], rule)
    return found


def _taking_out(name: str, function: Callable[..., Any], rule: str) -> Callable[..., Any]:
    """Return ``function`` with ``out=``, by the rule that lists its name."""

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        if rule in (ACCUMULATED, MADE) and kwargs.get("dtype") is None:
            kwargs["dtype"] = _tensor(name, out).dtype
        return _written(name, out, function(*args, **kwargs), rule)

    return call


def _written(name: str, out: Any, result: Any, rule: str) -> Any:
    """Write a result, or several, and return ``out`` as the function would have returned the result."""
    if isinstance(result, Tensor):
        _check(name, _tensor(name, out), result, exact=rule is not CASTABLE)
        _write(out, result, warns=rule is not MADE)
        return out
    if not isinstance(out, (tuple, list)):
        raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors, not {type(out).__name__}")
    if len(out) != len(result):
        raise TypeError(f"{name}(): expected out to be a tuple of {len(result)} elements but got {len(out)}")
    exact = rule is not CASTABLE or name in ("max", "min")
    for each, value in zip(out, result, strict=True):
        _check(name, _tensor(name, each), value, exact)
    for each, value in zip(out, result, strict=True):
        _write(each, value)
    return type(result)(*out) if hasattr(result, "_fields") else tuple(out)


def _tensor(name: str, out: Any) -> Tensor:
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    return out


def _check(name: str, out: Tensor, result: Tensor, exact: bool) -> None:
    """Raise RuntimeError if a result may not be written into ``out``."""
    if state.grad and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad. Leave out= away, or call it inside no_grad()."
        )
    if exact and out.dtype != result.dtype:
        raise RuntimeError(f"{name}(): Expected out tensor to have dtype {result.dtype.name}, but got {out.dtype.name}")
    if not can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"{name}(): result type {result.dtype.name} can't be cast to the desired output type {out.dtype.name}"
        )
    if out.device != result.device:
        raise RuntimeError(
            f"{name}(): expected out to be on {result.device}, the device of the result, not {out.device}"
        )


def _write(out: Tensor, result: Tensor, warns: bool = True) -> None:
    if out._array.shape == result._array.shape:
        copy_(out, result.detach())
        return
    if warns and out._array.size:
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not match "
            f"the required output shape {list(result.shape)}. Give one of that shape, or an empty one.",
            stacklevel=4,
        )
    out._base, out._recipe, out._versions = None, (), None  # in memory of its own, also where it was a view
    out.data = cast(result.detach(), out.dtype).clone()
