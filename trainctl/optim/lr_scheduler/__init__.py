"""Schedules of learning rates, under PyTorch's names."""

from __future__ import annotations

from trainctl.optim.lr_scheduler.base import LRScheduler
from trainctl.optim.lr_scheduler.base import _LRScheduler as _LRScheduler
from trainctl.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from trainctl.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from trainctl.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from trainctl.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from trainctl.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip
