"""A module over several devices."""

from __future__ import annotations

from trainctl.nn.parallel.data_parallel import DataParallel

__all__ = ["DataParallel"]
