"""One explicit table from a name in a config to the class it stands for.

A class is imported when a config names it. Its constructor's signature is the schema of its arguments
(:mod:`trainctl.config.components`); the table says only what a signature cannot.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal["layer", "loss", "optimizer", "dataset", "transform", "metric", "scheduler", "phase"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A class that a config may name.

    Attributes:
        target: ``module:Class``.
        excluded: constructor arguments that a config cannot give.
        inferred: arguments that may be left out, each with the axis of the input whose size it is.
        output: of a layer: the argument that says how many features or channels come out.
        input_shape: of a layer: the only kind of input it takes, such as ``[N, C, H, W]``.
        targets: of a loss: what it takes as targets: ``classes`` (class numbers; outputs are one score a class),
            ``numbers`` (of the output's shape) or ``labels`` (lists of class numbers); nothing: only a trial tells.
        from_run: of a scheduler: arguments that may be left out, as they follow from the run: its length, and which
            way what it monitors is better.
        counts: arguments that must be 1 or more although the constructor does not look.
        parts: arguments that are lists of other parts, with their kind.
        intervals: of a scheduler: after what it may step, the usual one first. A config says it as ``interval``.
    """

    target: str
    excluded: tuple[str, ...] = ()
    inferred: Mapping[str, int] = field(default_factory=dict)
    output: str | None = None
    input_shape: tuple[str, ...] | None = None
    targets: tuple[Literal["classes", "numbers", "labels"], ...] = ()
    from_run: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    parts: Mapping[str, Kind] = field(default_factory=dict)
    intervals: tuple[Literal["epoch", "step"], ...] = ()

    @property
    def optional(self) -> frozenset[str]:
        """The arguments that may be left out although the constructor asks for them."""
        return frozenset((*self.inferred, *self.from_run))


_PLACEMENT = ("device", "dtype")
_REDUCTION = ("size_average", "reduce")  # PyTorch's old names for what `reduction` says
_OPTIMIZED = ("params", "foreach", "fused", "capturable", "differentiable")  # the last: how, not what
# All but LBFGS, whose step evaluates the loss itself.
_OPTIMIZERS = "ASGD Adadelta Adagrad Adam AdamW Adamax Muon NAdam RAdam RMSprop Rprop SGD SparseAdam"
_SCHEDULED = ("optimizer", "last_epoch")
_DATASETS = "CSV JSONL MNIST NPY NPZ SmallMNIST"
_TRANSFORMS = (
    "CenterCrop Normalize RandomCrop RandomErasing RandomHorizontalFlip RandomRotation RandomVerticalFlip Resize "
    "Standardize"
)
_PART = ("train", "transform")  # what the config says elsewhere: the split, data.transforms


def _layer(name: str, *excluded: str) -> Entry:
    return Entry(f"trainctl.nn:{name}", excluded)


def _convolution(name: str, *input_shape: str) -> Entry:
    return Entry(f"trainctl.nn:{name}", _PLACEMENT, {"in_channels": 1}, "out_channels", input_shape)


def _norm(name: str, *input_shape: str, size: str = "num_features") -> Entry:
    return Entry(f"trainctl.nn:{name}", _PLACEMENT, {size: 1}, None, input_shape or None)


def _recurrent(name: str) -> Entry:
    """A layer over sequences that gives one tensor, as a chain wants it."""
    return Entry(f"trainctl.nn.chain:{name}", (), {"input_size": -1}, None, ("N", "T", "C"))


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
    "layer": {
        "AdaptiveAvgPool1d": _layer("AdaptiveAvgPool1d"),
        "AdaptiveAvgPool2d": _layer("AdaptiveAvgPool2d"),
        "AdaptiveAvgPool3d": _layer("AdaptiveAvgPool3d"),
        "AdaptiveMaxPool1d": _layer("AdaptiveMaxPool1d", "return_indices"),
        "AdaptiveMaxPool2d": _layer("AdaptiveMaxPool2d", "return_indices"),
        "AdaptiveMaxPool3d": _layer("AdaptiveMaxPool3d", "return_indices"),
        "AlphaDropout": _layer("AlphaDropout"),
        "AvgPool1d": _layer("AvgPool1d"),
        "AvgPool2d": _layer("AvgPool2d"),
        "AvgPool3d": _layer("AvgPool3d"),
        "BatchNorm1d": _norm("BatchNorm1d"),
        "BatchNorm2d": _norm("BatchNorm2d", "N", "C", "H", "W"),
        "BatchNorm3d": _norm("BatchNorm3d", "N", "C", "D", "H", "W"),
        "CELU": _layer("CELU"),
        "ChannelShuffle": _layer("ChannelShuffle"),
        "CircularPad1d": _layer("CircularPad1d"),
        "CircularPad2d": _layer("CircularPad2d"),
        "CircularPad3d": _layer("CircularPad3d"),
        "ConstantPad1d": _layer("ConstantPad1d"),
        "ConstantPad2d": _layer("ConstantPad2d"),
        "ConstantPad3d": _layer("ConstantPad3d"),
        "Conv1d": _convolution("Conv1d", "N", "C", "L"),
        "Conv2d": _convolution("Conv2d", "N", "C", "H", "W"),
        "Conv3d": _convolution("Conv3d", "N", "C", "D", "H", "W"),
        "ConvTranspose1d": _convolution("ConvTranspose1d", "N", "C", "L"),
        "ConvTranspose2d": _convolution("ConvTranspose2d", "N", "C", "H", "W"),
        "ConvTranspose3d": _convolution("ConvTranspose3d", "N", "C", "D", "H", "W"),
        "Dropout": _layer("Dropout"),
        "Dropout1d": _layer("Dropout1d"),
        "Dropout2d": _layer("Dropout2d"),
        "Dropout3d": _layer("Dropout3d"),
        "ELU": _layer("ELU"),
        "Embedding": Entry("trainctl.nn:Embedding", (*_PLACEMENT, "_weight", "_freeze")),
        "EmbeddingBag": Entry("trainctl.nn:EmbeddingBag", (*_PLACEMENT, "_weight", "sparse")),
        "FeatureAlphaDropout": _layer("FeatureAlphaDropout"),
        "Flatten": _layer("Flatten"),
        "Fold": _layer("Fold"),
        "GELU": _layer("GELU"),
        "GLU": _layer("GLU"),
        "GRU": _recurrent("GRU"),
        "GroupNorm": _norm("GroupNorm", size="num_channels"),
        "Hardshrink": _layer("Hardshrink"),
        "Hardsigmoid": _layer("Hardsigmoid"),
        "Hardswish": _layer("Hardswish"),
        "Hardtanh": _layer("Hardtanh"),
        "Identity": _layer("Identity"),
        "InstanceNorm1d": _norm("InstanceNorm1d", "N", "C", "L"),
        "InstanceNorm2d": _norm("InstanceNorm2d", "N", "C", "H", "W"),
        "InstanceNorm3d": _norm("InstanceNorm3d", "N", "C", "D", "H", "W"),
        "LPPool1d": _layer("LPPool1d"),
        "LPPool2d": _layer("LPPool2d"),
        "LPPool3d": _layer("LPPool3d"),
        "LSTM": _recurrent("LSTM"),
        "LayerNorm": Entry("trainctl.nn:LayerNorm", _PLACEMENT),
        "LeakyReLU": _layer("LeakyReLU"),
        "Linear": Entry("trainctl.nn:Linear", _PLACEMENT, {"in_features": -1}, "out_features"),
        "LocalResponseNorm": _layer("LocalResponseNorm"),
        "LogSigmoid": _layer("LogSigmoid"),
        "LogSoftmax": _layer("LogSoftmax"),
        "MaxPool1d": _layer("MaxPool1d", "return_indices"),
        "MaxPool2d": _layer("MaxPool2d", "return_indices"),
        "MaxPool3d": _layer("MaxPool3d", "return_indices"),
        "Mish": _layer("Mish"),
        "PReLU": Entry("trainctl.nn:PReLU", _PLACEMENT),
        "Permute": Entry("trainctl.nn.chain:Permute"),
        "PixelShuffle": _layer("PixelShuffle"),
        "PixelUnshuffle": _layer("PixelUnshuffle"),
        "RMSNorm": Entry("trainctl.nn:RMSNorm", _PLACEMENT),
        "RNN": _recurrent("RNN"),
        "RReLU": _layer("RReLU"),
        "ReLU": _layer("ReLU"),
        "ReLU6": _layer("ReLU6"),
        "ReflectionPad1d": _layer("ReflectionPad1d"),
        "ReflectionPad2d": _layer("ReflectionPad2d"),
        "ReflectionPad3d": _layer("ReflectionPad3d"),
        "ReplicationPad1d": _layer("ReplicationPad1d"),
        "ReplicationPad2d": _layer("ReplicationPad2d"),
        "ReplicationPad3d": _layer("ReplicationPad3d"),
        "SELU": _layer("SELU"),
        "SiLU": _layer("SiLU"),
        "Sigmoid": _layer("Sigmoid"),
        "Softmax": _layer("Softmax"),
        "Softmax2d": _layer("Softmax2d"),
        "Softmin": _layer("Softmin"),
        "Softplus": _layer("Softplus"),
        "Softshrink": _layer("Softshrink"),
        "Softsign": _layer("Softsign"),
        "Tanh": _layer("Tanh"),
        "Tanhshrink": _layer("Tanhshrink"),
        "Threshold": _layer("Threshold"),
        "Unflatten": _layer("Unflatten"),
        "Unfold": _layer("Unfold"),
        "Upsample": _layer("Upsample"),
        "UpsamplingBilinear2d": _layer("UpsamplingBilinear2d"),
        "UpsamplingNearest2d": _layer("UpsamplingNearest2d"),
        "ZeroPad1d": _layer("ZeroPad1d"),
        "ZeroPad2d": _layer("ZeroPad2d"),
        "ZeroPad3d": _layer("ZeroPad3d"),
    },
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
}


def resolve(kind: Kind, name: str) -> Any:
    """Import the class that a name stands for.

    Raises:
        KeyError: the table has no such name.

    Example:
        >>> resolve("layer", "ReLU").__name__
        'ReLU'
    """
    module, _, attribute = TABLES[kind][name].target.partition(":")
    return getattr(importlib.import_module(module), attribute)
