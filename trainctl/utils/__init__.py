"""``torch.utils``'s name: :mod:`trainctl.utils.data` is what it holds."""

from __future__ import annotations

from trainctl.utils import data

__all__ = ["data"]
