"""Fake quantization that learns its own scale: learned step size, LSQ (Esser et al., 2020)."""

from __future__ import annotations

from typing import Any, Self

from trainctl.autograd.ops.assign import copy_
from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.fake_quantize_learned import (
    _fake_quantize_learnable_per_channel_affine,
    _fake_quantize_learnable_per_tensor_affine,
)
from trainctl.autograd.state import is_on
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import float32, uint8
from trainctl.nn.parameter import Parameter
from trainctl.quantization.fake_quantize_modules import FakeQuantizeBase, check_codes
from trainctl.quantization.observers.base import EPS

__all__ = ["_LearnableFakeQuantize"]


class _LearnableFakeQuantize(FakeQuantizeBase):
    """Fake quantization whose scale and zero point are parameters, estimated by an observer before they learn.

    It begins with estimates; :meth:`enable_param_learning` goes on from them by gradients.

    Args:
        observer: makes the observer.
        quant_min: lowest code.
        quant_max: highest code.
        scale: at first.
        zero_point: at first.
        channel_len: how many channels have a scale of their own; -1: one for all.
        use_grad_scaling: multiply the gradients of scale and zero point by ``1 / sqrt(elements * quant_max)``, as LSQ.
        observer_kwargs: for ``observer``.

    Raises:
        AssertionError: codes that the type does not have, an empty range, or no channels.

    Example:
        >>> import trainctl
        >>> from trainctl.quantization import MovingAverageMinMaxObserver
        >>> fake = _LearnableFakeQuantize(MovingAverageMinMaxObserver, quant_max=15)
        >>> _ = fake(trainctl.tensor([0.0, 1.5]))
        >>> fake.enable_param_learning()(trainctl.tensor([0.0, 9.0])).sum().backward()
        >>> fake.scale.detach(), fake.scale.grad
        (tensor([0.1000]), tensor([15.]))
    """

    eps: Tensor
    static_enabled: Tensor
    learning_enabled: Tensor

    def __init__(
        self,
        observer: Any,
        quant_min: int = 0,
        quant_max: int = 255,
        scale: float = 1.0,
        zero_point: float = 0.0,
        channel_len: int = -1,
        use_grad_scaling: bool = False,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if quant_min >= quant_max:
            raise AssertionError(f"quant_min must be strictly less than quant_max, got [{quant_min}, {quant_max}].")
        if channel_len != -1 and not (isinstance(channel_len, int) and channel_len > 0):
            raise AssertionError(f"Channel size must be a positive integer, got {channel_len}.")
        self.quant_min, self.quant_max, self.use_grad_scaling = quant_min, quant_max, use_grad_scaling
        count = max(channel_len, 1)
        self.scale = Parameter(tensor([float(scale)] * count, dtype=float32))
        self.zero_point = Parameter(tensor([float(zero_point)] * count, dtype=float32))
        made = self.activation_post_process = observer(**observer_kwargs, quant_min=quant_min, quant_max=quant_max)
        check_codes(made.dtype, quant_min, quant_max)
        self.dtype, self.qscheme, self.ch_axis = made.dtype, made.qscheme, getattr(made, "ch_axis", -1)
        self.register_buffer("static_enabled", tensor([1], dtype=uint8))
        self.register_buffer("learning_enabled", tensor([0], dtype=uint8))
        self.register_buffer("eps", tensor([EPS]))
        self.bitwidth = (quant_max - quant_min + 1).bit_length() - 1

    # -- what it does --------------------------------------------------------------------------------------

    def enable_param_learning(self) -> Self:
        """Learn scale and zero point, and estimate them no longer."""
        return self.toggle_qparam_learning(True).toggle_fake_quant(True).toggle_observer_update(False)

    def enable_static_estimate(self) -> Self:
        """Estimate scale and zero point, and learn them no longer."""
        return self.toggle_qparam_learning(False).toggle_fake_quant(True).toggle_observer_update(True)

    def enable_static_observation(self) -> Self:
        """Estimate scale and zero point, but let inputs go on as they are."""
        return self.toggle_qparam_learning(False).toggle_fake_quant(False).toggle_observer_update(True)

    def toggle_observer_update(self, enabled: bool = True) -> Self:
        """Set whether scale and zero point are estimated."""
        self.static_enabled.fill_(int(enabled))
        return self

    def enable_observer(self, enabled: bool = True) -> None:
        """Set whether scale and zero point are estimated."""
        self.toggle_observer_update(enabled)

    def toggle_qparam_learning(self, enabled: bool = True) -> Self:
        """Set whether scale and zero point have gradients."""
        self.learning_enabled.fill_(int(enabled))
        self.scale.requires_grad = self.zero_point.requires_grad = bool(enabled)
        return self

    def toggle_fake_quant(self, enabled: bool = True) -> Self:
        """Set whether inputs are put on the grid."""
        self.fake_quant_enabled.fill_(int(enabled))
        return self

    # -- the grid ------------------------------------------------------------------------------------------

    def observe_quant_params(self) -> None:
        """Print scale and zero point."""
        print(f"_LearnableFakeQuantize Scale: {self.scale.detach()}")
        print(f"_LearnableFakeQuantize Zero Point: {self.zero_point.detach()}")

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return the scale, and the zero point as a code."""
        self._keep_positive()
        codes = self.zero_point.detach().round().clamp(self.quant_min, self.quant_max)
        return self.scale.detach(), codes.long()

    def _keep_positive(self) -> None:
        scale = self.scale.data
        copy_(scale, scale.clamp(min=EPS))

    def forward(self, X: Tensor) -> Tensor:
        """Return the input on the grid."""
        if is_on(self.static_enabled):
            self.activation_post_process(X.detach())
            for own, new in zip((self.scale, self.zero_point), self._estimates(), strict=True):
                copy_(own.data, new)
        else:
            self._keep_positive()
        return self._on_grid(X) if is_on(self.fake_quant_enabled) else X

    def _estimates(self) -> Any:
        return self.activation_post_process.calculate_qparams()

    def _on_grid(self, X: Tensor) -> Tensor:
        if self.qscheme.is_symmetric:
            self.zero_point.data.zero_()
        factor = (max(X._array.size, 1) * self.quant_max) ** -0.5 if self.use_grad_scaling else 1.0
        codes = (self.quant_min, self.quant_max, factor)
        if self.qscheme.is_per_channel:
            return _fake_quantize_learnable_per_channel_affine(X, self.scale, self.zero_point, self.ch_axis, *codes)
        return _fake_quantize_learnable_per_tensor_affine(X, self.scale, self.zero_point, *codes)
