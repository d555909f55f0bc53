"""Tensors, the graph they record, and the walk back through it."""

from __future__ import annotations

from trainctl.autograd import methods  # noqa: F401 - binds the ops to Tensor
from trainctl.autograd.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from trainctl.autograd.engine import backward, grad
from trainctl.autograd.function import Function
from trainctl.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from trainctl.autograd.gradcheck import gradcheck, gradgradcheck
from trainctl.autograd.tensor import Tensor
from trainctl.autograd.variable import Variable

__all__ = [
    "Function",
    "Tensor",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_anomaly_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
