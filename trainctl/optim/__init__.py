"""Optimizers, under PyTorch's names."""

from __future__ import annotations

from trainctl.optim.adam import Adam
from trainctl.optim.optimizer import Optimizer
from trainctl.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
