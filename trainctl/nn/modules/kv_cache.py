"""What attention remembers while a sequence is made step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainctl.autograd.ops.joining import cat
from trainctl.autograd.tensor import Tensor

if TYPE_CHECKING:
    from trainctl.nn.modules.multihead_attention import MultiheadAttention

KeysAndValues = tuple[Tensor, Tensor]


class KVCache:
    """The keys and values of the positions so far, for all attention layers of a model; no part of PyTorch.

    Give one cache to every call while a sequence is made (``cache=cache`` of :class:`trainctl.nn.MultiheadAttention`
    and of the Transformer layers). Each call then takes the new positions alone and returns what a call with all
    positions would return for them. Meant for ``no_grad``: it keeps whatever graph its keys come from.

    Attributes:
        length: how many positions there have been.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> attention = nn.MultiheadAttention(4, 2, batch_first=True)
        >>> x, cache = trainctl.randn(1, 3, 4), nn.KVCache()
        >>> with trainctl.no_grad():
        ...     for step in x.split(1, dim=1):
        ...         y, weights = attention(step, step, step, cache=cache)
        ...     whole, _ = attention(x, x, x)
        >>> trainctl.allclose(y, whole[:, 2:], atol=1e-6), cache.length
        (True, 3)
    """

    def __init__(self) -> None:
        self.length = 0
        self._kept: dict[MultiheadAttention, KeysAndValues] = {}  # each [N * num_heads, length, head_dim]

    def get(self, layer: MultiheadAttention) -> KeysAndValues | None:
        """Return what a layer has kept."""
        return self._kept.get(layer)

    def keep(self, layer: MultiheadAttention, keys: Tensor, values: Tensor) -> KeysAndValues:
        """Keep the keys and values of a memory that stays the same."""
        self._kept[layer] = keys, values
        return keys, values

    def append(self, layer: MultiheadAttention, keys: Tensor, values: Tensor) -> KeysAndValues:
        """Add the keys and values of new positions, and return those of all."""
        before = self._kept.get(layer)
        if before is not None:
            keys, values = cat([before[0], keys], 1), cat([before[1], values], 1)
        self.length = keys.shape[1]
        return self.keep(layer, keys, values)

    def reorder(self, samples: Tensor) -> None:
        """Go on with these samples of the batch (int64 ``[N]``, repeats allowed), as beam search does."""
        for layer, pair in self._kept.items():
            keys, values = (each.unflatten(0, (-1, layer.num_heads))[samples].flatten(0, 1) for each in pair)
            self._kept[layer] = keys, values
