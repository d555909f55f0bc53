"""``torch.utils.data``'s name for :mod:`trainctl.data`."""

from __future__ import annotations

from trainctl.data import *  # noqa: F403 - the same names, in PyTorch's place
from trainctl.data import __all__ as __all__
