"""Ops on codes: :mod:`trainctl.backend.affine` says what they stand for. None has a gradient."""

from __future__ import annotations

from trainctl.autograd.op import Op
from trainctl.autograd.ops.windows import Sizes
from trainctl.backend import affine, integer_products
from trainctl.backend.affine import QParams
from trainctl.backend.arrays import Array
from trainctl.backend.integer_products import Finish, IntegerWeights


class QuantizeLinear(Op):
    """Float numbers to codes; ONNX's operator of that name."""

    differentiable = False
    decides_dtype = True
    qparams: QParams

    def forward(self, x: Array, out: Array | None = None) -> Array:
        """Return the codes."""
        return affine.quantize(x, self.qparams, out)


class DequantizeLinear(Op):
    """Codes to float32; ONNX's operator of that name."""

    differentiable = False
    decides_dtype = True
    qparams: QParams

    def forward(self, codes: Array, out: Array | None = None) -> Array:
        """Return the numbers."""
        return affine.dequantize(codes, self.qparams, out)


class QuantizedLinear(Op):
    """Codes ``[*, K]`` with weights ``[N, K]``: ``[*, N]``, codes or float32 as ``finish`` says."""

    differentiable = False
    decides_dtype = True
    finish: Finish

    def forward(self, x: Array, out: Array | None = None) -> Array:
        """Return the output."""
        return integer_products.linear(x, self.finish, out)


class DynamicQuantizedLinear(Op):
    """Float numbers ``[*, K]``, each row on a grid of its own, with weights ``[N, K]``, and a float32 bias: ``[*, N]``."""

    differentiable = False
    decides_dtype = True
    weights: IntegerWeights

    def forward(self, x: Array, *bias: Array) -> Array:
        """Return the output, float32."""
        return integer_products.dynamic_linear(x, self.weights, *bias)


class QuantizedConvolution(Op):
    """Codes ``[N, C, *spatial]`` with weights ``[O, C / groups, *kernel]``: ``[N, O, *places]``, as ``finish`` says."""

    differentiable = False
    decides_dtype = True
    finish: Finish
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int

    def forward(self, x: Array, out: Array | None = None) -> Array:
        """Return the output."""
        return integer_products.convolution(x, self.finish, self.stride, self.padding, self.dilation, self.groups, out)
