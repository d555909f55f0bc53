"""Ops on codes: :mod:`trainctl.backend.affine` says what they stand for. None has a gradient."""

from __future__ import annotations

from trainctl.autograd.op import Op
from trainctl.autograd.ops.windows import Sizes
from trainctl.backend import affine, integer_products
from trainctl.backend.affine import QParams
from trainctl.backend.arrays import Array
from trainctl.backend.integer_products import Finish


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

    def forward(self, x: Array) -> Array:
        """Return the output."""
        return integer_products.linear(x, self.finish)


class QuantizedConvolution(Op):
    """Codes ``[N, C, *spatial]`` with weights ``[O, C / groups, *kernel]``: ``[N, O, *places]``, as ``finish`` says."""

    differentiable = False
    decides_dtype = True
    finish: Finish
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int

    def forward(self, x: Array) -> Array:
        """Return the output."""
        return integer_products.convolution(x, self.finish, self.stride, self.padding, self.dilation, self.groups)
