"""What writes each class of op: one table, split by family."""

from __future__ import annotations

from trainctl.autograd.op import Op
from trainctl.onnx.converters import (
    activations,
    arithmetic,
    attention,
    comparisons,
    convolution,
    embedding,
    functions,
    indexing,
    joining,
    losses,
    normalization,
    pooling,
    products,
    quantized,
    quantized_tensors,
    recurrent,
    reductions,
    sorting,
    views,
)
from trainctl.onnx.operands import Converter

FAMILIES = (
    activations, arithmetic, attention, comparisons, convolution, embedding, functions, indexing, joining, losses,
    normalization, pooling, products, quantized, quantized_tensors, recurrent, reductions, sorting, views,
)  # fmt: skip

CONVERTERS: dict[type[Op], Converter] = {op: each for family in FAMILIES for op, each in family.CONVERTERS.items()}
"""By the class of the op; a subclass without an entry of its own has its base's."""
