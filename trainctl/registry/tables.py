"""The table: from a name in a config to the class it stands for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainctl.registry.entry import Entry, Kind
from trainctl.registry.layers import LAYERS

_REDUCTION = ("size_average", "reduce")  # PyTorch's old names for what `reduction` says
_OPTIMIZED = ("params", "foreach", "fused", "capturable", "differentiable")  # the last: how, not what
# All but LBFGS, whose step evaluates the loss itself.
_OPTIMIZERS = "ASGD Adadelta Adagrad Adam AdamW Adamax Muon NAdam RAdam RMSprop Rprop SGD SparseAdam"
_SCHEDULED = ("optimizer", "last_epoch")
_DATASETS = "CSV ImageFolder JSONL MNIST NPY NPZ SmallMNIST Text"
_TRANSFORMS = (
    "CenterCrop Normalize RandomCrop RandomErasing RandomHorizontalFlip RandomRotation RandomVerticalFlip Resize "
    "Standardize"
)
# Of activations: one range each.
_OBSERVERS = "HistogramObserver MinMaxObserver MovingAverageMinMaxObserver PercentileObserver"
_GRID = ("dtype", "qscheme", "reduce_range", "quant_min", "quant_max", "factory_kwargs", "eps", "is_dynamic")
_PART = ("train", "transform")  # what the config says elsewhere: the split, data.transforms


def _loss(name: str, *excluded: str, targets: tuple[Any, ...] = ("numbers",)) -> Entry:
    return Entry(f"trainctl.nn:{name}", excluded, targets=targets)


def _schedule(name: str, *excluded: str, **options: Any) -> Entry:
    return Entry(f"trainctl.optim.lr_scheduler:{name}", (*_SCHEDULED, *excluded), **options)


def _metric(name: str) -> Entry:
    return Entry(f"trainctl.train.metrics:{name}")


# All but those that are functions of the epoch: a config has no functions.
_PHASES = {
    "ChainedScheduler": _schedule("ChainedScheduler", parts={"schedulers": "phase"}),
    "ConstantLR": _schedule("ConstantLR"),
    "CosineAnnealingLR": _schedule("CosineAnnealingLR", from_run=("T_max",), counts=("T_max",)),
    "CosineAnnealingWarmRestarts": _schedule("CosineAnnealingWarmRestarts"),
    "CyclicLR": _schedule("CyclicLR", "scale_fn", "scale_mode", counts=("step_size_up", "step_size_down")),
    "ExponentialLR": _schedule("ExponentialLR"),
    "LinearLR": _schedule("LinearLR"),
    "MultiStepLR": _schedule("MultiStepLR"),
    "OneCycleLR": _schedule("OneCycleLR", "epochs", "steps_per_epoch", from_run=("total_steps",)),
    "PolynomialLR": _schedule("PolynomialLR"),
    "SequentialLR": _schedule("SequentialLR", parts={"schedulers": "phase"}),
    "StepLR": _schedule("StepLR", counts=("step_size",)),
}
_EVERY_STEP = ("CyclicLR", "OneCycleLR")  # PyTorch's documentation steps these after each batch

TABLES: dict[Kind, dict[str, Entry]] = {
    "layer": LAYERS,
    "loss": {
        "BCELoss": _loss("BCELoss", *_REDUCTION, "weight"),
        "BCEWithLogitsLoss": _loss("BCEWithLogitsLoss", *_REDUCTION, "weight", "pos_weight"),
        "CrossEntropyLoss": _loss("CrossEntropyLoss", *_REDUCTION, "weight", targets=("classes", "numbers")),
        "HingeEmbeddingLoss": _loss("HingeEmbeddingLoss", *_REDUCTION),
        "HuberLoss": _loss("HuberLoss"),
        "KLDivLoss": _loss("KLDivLoss", *_REDUCTION),
        "L1Loss": _loss("L1Loss", *_REDUCTION),
        "MSELoss": _loss("MSELoss", *_REDUCTION),
        "MultiLabelMarginLoss": _loss("MultiLabelMarginLoss", *_REDUCTION, targets=("labels",)),
        "MultiLabelSoftMarginLoss": _loss("MultiLabelSoftMarginLoss", *_REDUCTION, "weight"),
        "MultiMarginLoss": _loss("MultiMarginLoss", *_REDUCTION, "weight", targets=("classes",)),
        "NLLLoss": _loss("NLLLoss", *_REDUCTION, "weight", targets=("classes",)),
        "PoissonNLLLoss": _loss("PoissonNLLLoss", *_REDUCTION),
        "SmoothL1Loss": _loss("SmoothL1Loss", *_REDUCTION),
        "SoftMarginLoss": _loss("SoftMarginLoss", *_REDUCTION),
    },
    "optimizer": {name: Entry(f"trainctl.optim:{name}", _OPTIMIZED) for name in _OPTIMIZERS.split()},
    "dataset": {name: Entry(f"trainctl.data:{name}", _PART) for name in _DATASETS.split()},
    "transform": {name: Entry(f"trainctl.data:{name}") for name in _TRANSFORMS.split()},
    "metric": {
        "accuracy": _metric("Accuracy"),
        "confusion_matrix": _metric("ConfusionMatrix"),
        "f1": _metric("F1"),
        "mae": _metric("MAE"),
        "mse": _metric("MSE"),
        "perplexity": _metric("Perplexity"),
        "precision": _metric("Precision"),
        "r2": _metric("R2"),
        "recall": _metric("Recall"),
        "rmse": _metric("RMSE"),
        "roc_auc": _metric("RocAuc"),
        "top_k_accuracy": _metric("TopKAccuracy"),
    },
    "scheduler": {
        **{
            name: replace(entry, intervals=("step", "epoch") if name in _EVERY_STEP else ("epoch", "step"))
            for name, entry in _PHASES.items()
        },
        "ReduceLROnPlateau": _schedule("ReduceLROnPlateau", from_run=("mode",), intervals=("epoch",)),
    },
    "phase": _PHASES,
    "observer": {name: Entry(f"trainctl.quantization.observers:{name}", _GRID) for name in _OBSERVERS.split()},
}
