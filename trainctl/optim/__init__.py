"""Optimizers, schedules of learning rates and averages of weights, under PyTorch's names."""

from __future__ import annotations

from trainctl.optim import lr_scheduler, swa_utils
from trainctl.optim.adadelta import Adadelta
from trainctl.optim.adagrad import Adagrad
from trainctl.optim.adam import Adam
from trainctl.optim.adamax import Adamax
from trainctl.optim.adamw import AdamW
from trainctl.optim.asgd import ASGD
from trainctl.optim.lbfgs import LBFGS
from trainctl.optim.muon import Muon
from trainctl.optim.nadam import NAdam
from trainctl.optim.optimizer import Optimizer
from trainctl.optim.radam import RAdam
from trainctl.optim.rmsprop import RMSprop
from trainctl.optim.rprop import Rprop
from trainctl.optim.sgd import SGD
from trainctl.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Muon", "NAdam", "Optimizer", "RAdam",
    "RMSprop", "Rprop", "SparseAdam", "lr_scheduler", "swa_utils",
]  # fmt: skip
