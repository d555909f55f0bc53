"""Transposed convolutions on codes: plain ones of what is spread out."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.windows import Sizes
from trainctl.backend import integer_products
from trainctl.backend.integer_products import Finish


class QuantizedTransposedConvolution(Op):
    """Codes ``[N, C, *spatial]`` with weights ``[O, C / groups, *kernel]``: ``[N, O, *places]``, as ``finish`` says.

    Attributes:
        finish: its weights are those of the plain convolution: turned round in space, outputs first.
        stride: the distance of the input's elements in the output.
        padding: what is cut off on both sides of the output.
        output_padding: what is added behind it.
        dilation: step between the window's elements.
        groups: channels are split into so many groups that do not mix.
    """

    differentiable = False
    decides_dtype = True
    finish: Finish
    stride: Sizes
    padding: Sizes
    output_padding: Sizes
    dilation: Sizes
    groups: int

    def forward(self, x: Any) -> Any:
        """Return the output."""
        ones = (1,) * len(self.stride)
        spread = self.spread(x)
        return integer_products.convolution(spread, self.finish, ones, (0,) * len(ones), self.dilation, self.groups)

    def spread(self, x: Any) -> Any:
        """Return the codes ``stride`` apart, with zeros between and around them."""
        kernel = self.finish.weights.codes.shape[2:]
        reach = [d * (k - 1) for d, k in zip(self.dilation, kernel, strict=True)]
        before = [r - p for r, p in zip(reach, self.padding, strict=True)]
        sizes = [(size - 1) * s + 1 for size, s in zip(x.shape[2:], self.stride, strict=True)]
        after = [b + extra for b, extra in zip(before, self.output_padding, strict=True)]
        whole = [max(b, 0) + size + max(a, 0) for b, size, a in zip(before, sizes, after, strict=True)]
        canvas = self.xp.full((*x.shape[:2], *whole), self.finish.x.zero_point, x.dtype)
        spots = [slice(max(b, 0), max(b, 0) + n, s) for b, n, s in zip(before, sizes, self.stride, strict=True)]
        canvas[(..., *spots)] = x
        seen = [slice(max(-b, 0), n - max(-a, 0)) for b, n, a in zip(before, whole, after, strict=True)]
        return canvas[(..., *seen)]
