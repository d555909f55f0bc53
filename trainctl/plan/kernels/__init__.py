"""The work of the hot ops: each module enters its own with :func:`trainctl.plan.lowering.lowers`."""

from trainctl.plan.kernels import (
    arithmetic,
    convolution,
    copying,
    embedding,
    fake_quantize,
    losses,
    normalization,
    pooling,
    products,
    quantized,
    rectified_norm,
    recurrent,
    reduction,
    softmax,
    windows,
)

__all__ = [
    "arithmetic", "convolution", "copying", "embedding", "fake_quantize", "losses", "normalization", "pooling", "products", "quantized",
    "rectified_norm", "recurrent", "reduction", "softmax", "windows",
]  # fmt: skip
