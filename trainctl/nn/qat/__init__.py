"""Layers whose weights are rounded while they train, under the names of ``torch.ao.nn.qat``."""

from __future__ import annotations

from trainctl.nn.qat.modules.conv import Conv1d, Conv2d, Conv3d
from trainctl.nn.qat.modules.embedding_ops import Embedding, EmbeddingBag
from trainctl.nn.qat.modules.linear import Linear

__all__ = ["Conv1d", "Conv2d", "Conv3d", "Embedding", "EmbeddingBag", "Linear"]
