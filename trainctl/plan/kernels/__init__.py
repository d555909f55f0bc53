"""The work of the hot ops: each module enters its own with :func:`trainctl.plan.lowering.lowers`."""

from trainctl.plan.kernels import (
    column_sums,
    convolution,
    embedding,
    losses,
    normalization,
    pooling,
    products,
    rectifier,
    recurrent,
    sums,
)

__all__ = [
    "column_sums", "convolution", "embedding", "losses", "normalization", "pooling", "products", "rectifier",
    "recurrent", "sums",
]  # fmt: skip
