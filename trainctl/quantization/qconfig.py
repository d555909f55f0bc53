"""How a layer is quantized: what makes the observers of its output and of its weight."""

from __future__ import annotations

import copy
import warnings
from typing import Any, NamedTuple

from trainctl.backend.dtypes import float16, float32
from trainctl.backend.quantized_dtypes import qint8, quint8
from trainctl.nn import Identity
from trainctl.nn.modules.module import Module
from trainctl.quantization.fake_quantize import (
    FakeQuantize,
    FusedMovingAvgObsFakeQuantize,
    default_dynamic_fake_quant,
    default_embedding_fake_quant,
    default_embedding_fake_quant_4bit,
    default_fake_quant,
    default_fused_act_fake_quant,
    default_fused_per_channel_wt_fake_quant,
    default_fused_wt_fake_quant,
    default_per_channel_weight_fake_quant,
    default_weight_fake_quant,
    fused_per_channel_wt_fake_quant_range_neg_127_to_127,
    fused_wt_fake_quant_range_neg_127_to_127,
)
from trainctl.quantization.observers import (
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    NoopObserver,
    PlaceholderObserver,
    default_debug_observer,
    default_dynamic_quant_observer,
    default_float_qparams_observer,
    default_float_qparams_observer_4bit,
    default_observer,
    default_per_channel_weight_observer,
    default_placeholder_observer,
    default_reuse_input_observer,
    default_weight_observer,
    per_channel_weight_observer_range_neg_127_to_127,
    weight_observer_range_neg_127_to_127,
)
from trainctl.quantization.observers.partial import _PartialWrapper

__all__ = [
    "QConfig", "QConfigAny", "QConfigDynamic", "default_activation_only_qconfig", "default_debug_qconfig",
    "default_dynamic_qat_qconfig", "default_dynamic_qconfig", "default_embedding_qat_qconfig",
    "default_embedding_qat_qconfig_4bit", "default_per_channel_qconfig",
    "default_per_channel_symmetric_qnnpack_qat_qconfig", "default_per_channel_symmetric_qnnpack_qconfig",
    "default_qat_qconfig", "default_qat_qconfig_v2", "default_qconfig", "default_quint8_weight_qconfig",
    "default_reuse_input_qconfig", "default_symmetric_qnnpack_qat_qconfig", "default_symmetric_qnnpack_qconfig",
    "default_weight_only_qconfig", "float16_dynamic_qconfig", "float16_static_qconfig",
    "float_qparams_weight_only_qconfig", "float_qparams_weight_only_qconfig_4bit", "get_default_qat_qconfig",
    "get_default_qconfig", "per_channel_dynamic_qconfig", "qconfig_equals",
]  # fmt: skip


class _Pair(NamedTuple):
    activation: Any
    weight: Any


class QConfig(_Pair):
    """What makes the observer (or fake quantization) of a layer's output, and that of its weight.

    Args:
        activation: a class of observers, or one ``with_args``.
        weight: likewise.

    Raises:
        ValueError: one is an observer itself, which every layer would share.

    Example:
        >>> QConfig(activation=MinMaxObserver, weight=default_weight_observer).weight().dtype
        trainctl.qint8
    """

    __slots__ = ()

    def __new__(cls, activation: Any, weight: Any) -> QConfig:
        """Check and make it."""
        _refuse_instances(cls, activation, weight)
        return super().__new__(cls, activation, weight)


class QConfigDynamic(_Pair):
    """PyTorch's old name for a :class:`QConfig` of layers whose inputs are quantized when the model runs.

    Args:
        activation: a class of observers, or one ``with_args``.
        weight: likewise.

    Raises:
        ValueError: ``weight`` is an observer itself.
    """

    __slots__ = ()

    def __new__(cls, activation: Any = Identity, weight: Any = Identity) -> QConfigDynamic:
        """Warn, check and make it."""
        warnings.warn("`QConfigDynamic` is PyTorch's old name; please use `QConfig`", FutureWarning, stacklevel=2)
        _refuse_instances(cls, weight)
        return super().__new__(cls, activation, weight)


QConfigAny = QConfig | None


def _refuse_instances(cls: type, *makers: Any) -> None:
    for each in makers:
        if isinstance(each, Module):
            raise ValueError(
                f"{cls.__name__} received observer instance, please pass observer class instead. Use "
                f"{type(each).__name__}.with_args(x=1) to override arguments to constructor if needed"
            )


# After training: observers.
default_qconfig = QConfig(activation=default_observer, weight=default_weight_observer)
default_debug_qconfig = QConfig(activation=default_debug_observer, weight=default_weight_observer)
default_per_channel_qconfig = QConfig(activation=default_observer, weight=default_per_channel_weight_observer)
default_quint8_weight_qconfig = QConfig(activation=HistogramObserver, weight=MinMaxObserver)
default_reuse_input_qconfig = QConfig(activation=default_reuse_input_observer, weight=NoopObserver)

# Weights alone: inputs are quantized when the model runs, or not at all.
default_dynamic_qconfig = QConfig(activation=default_dynamic_quant_observer, weight=default_weight_observer)
per_channel_dynamic_qconfig = QConfig(
    activation=default_dynamic_quant_observer, weight=default_per_channel_weight_observer
)
float16_dynamic_qconfig = QConfig(
    activation=PlaceholderObserver.with_args(dtype=float16, is_dynamic=True),
    weight=PlaceholderObserver.with_args(dtype=float16),
)
float16_static_qconfig = QConfig(
    activation=PlaceholderObserver.with_args(dtype=float16), weight=PlaceholderObserver.with_args(dtype=float16)
)
float_qparams_weight_only_qconfig = QConfig(
    activation=default_placeholder_observer, weight=default_float_qparams_observer
)
float_qparams_weight_only_qconfig_4bit = QConfig(
    activation=default_placeholder_observer, weight=default_float_qparams_observer_4bit
)

# While training: fake quantization.
default_qat_qconfig = QConfig(activation=default_fake_quant, weight=default_weight_fake_quant)
default_qat_qconfig_v2 = QConfig(activation=default_fused_act_fake_quant, weight=default_fused_wt_fake_quant)
default_dynamic_qat_qconfig = QConfig(activation=default_dynamic_fake_quant, weight=default_weight_fake_quant)
default_weight_only_qconfig = QConfig(activation=Identity, weight=default_weight_fake_quant)
default_activation_only_qconfig = QConfig(activation=default_fake_quant, weight=Identity)
default_embedding_qat_qconfig = QConfig(
    activation=NoopObserver.with_args(dtype=float32), weight=default_embedding_fake_quant
)
default_embedding_qat_qconfig_4bit = QConfig(
    activation=NoopObserver.with_args(dtype=float32), weight=default_embedding_fake_quant_4bit
)

# Signed codes, of weights from -127 to 127: the scales of products stay above what XNNPACK can do.
_SIGNED = HistogramObserver.with_args(dtype=qint8, reduce_range=False, eps=2**-12)
default_symmetric_qnnpack_qconfig = QConfig(activation=_SIGNED, weight=weight_observer_range_neg_127_to_127)
default_per_channel_symmetric_qnnpack_qconfig = QConfig(
    activation=_SIGNED, weight=per_channel_weight_observer_range_neg_127_to_127
)
_SIGNED_QAT = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver, quant_min=-128, quant_max=127, dtype=qint8, reduce_range=False, eps=2**-12
)
default_symmetric_qnnpack_qat_qconfig = QConfig(activation=_SIGNED_QAT, weight=fused_wt_fake_quant_range_neg_127_to_127)
default_per_channel_symmetric_qnnpack_qat_qconfig = QConfig(
    activation=_SIGNED_QAT, weight=fused_per_channel_wt_fake_quant_range_neg_127_to_127
)

_default_fp32_placeholder_qconfig = QConfig(
    activation=PlaceholderObserver.with_args(dtype=float32), weight=PlaceholderObserver.with_args(dtype=float32)
)
_default_quint8_placeholder_qconfig = QConfig(activation=PlaceholderObserver.with_args(dtype=quint8), weight=None)

# Of each backend: whether activations have 7 bits, and whether weights have a scale for each channel.
_BACKENDS = {"fbgemm": (True, True), "x86": (True, True), "qnnpack": (False, False), "onednn": (False, True)}


def get_default_qconfig(backend: str = "x86", version: int = 0) -> QConfig:
    """Return how layers are quantized after training for PyTorch's backend of a name.

    Args:
        backend: ``x86``, ``fbgemm``, ``qnnpack`` or ``onednn``.
        version: 0.

    Raises:
        AssertionError: another backend or version.

    Example:
        >>> get_default_qconfig("qnnpack").activation().quant_max, get_default_qconfig().activation().quant_max
        (255, 127)
    """
    reduce_range, per_channel = _backend(backend)
    if version != 0:
        raise AssertionError(
            f"Version number: {version} in get_default_qconfig is not supported. Version number must be 0"
        )
    weight = default_per_channel_weight_observer if per_channel else default_weight_observer
    return QConfig(activation=HistogramObserver.with_args(reduce_range=reduce_range), weight=weight)


def get_default_qat_qconfig(backend: str = "x86", version: int = 1) -> QConfig:
    """Return how layers are fake-quantized while they train for PyTorch's backend of a name.

    Args:
        backend: ``x86``, ``fbgemm``, ``qnnpack`` or ``onednn``.
        version: 1 for fake quantization in fewer steps, 0 for observers apart from it.

    Raises:
        AssertionError: another backend or version.

    Example:
        >>> type(get_default_qat_qconfig("x86").weight()).__name__
        'FusedMovingAvgObsFakeQuantize'
    """
    reduce_range, per_channel = _backend(backend)
    if version not in (0, 1):
        raise AssertionError(
            f"Version number: {version} in get_default_qat_qconfig is not supported. Version number must be 0 or 1"
        )
    fake, per_tensor_weight, per_channel_weight = (
        (FusedMovingAvgObsFakeQuantize, default_fused_wt_fake_quant, default_fused_per_channel_wt_fake_quant)
        if version
        else (FakeQuantize, default_weight_fake_quant, default_per_channel_weight_fake_quant)
    )
    activation = fake.with_args(
        observer=MovingAverageMinMaxObserver, quant_min=0, quant_max=255, reduce_range=reduce_range
    )
    return QConfig(activation=activation, weight=per_channel_weight if per_channel else per_tensor_weight)


def _backend(name: str) -> tuple[bool, bool]:
    if name not in _BACKENDS:
        raise AssertionError(f"backend: {name} not supported. backend must be one of {list(_BACKENDS)}")
    return _BACKENDS[name]


def qconfig_equals(q1: Any, q2: Any) -> bool:
    """Return whether two qconfigs make the same observers with the same arguments.

    Example:
        >>> qconfig_equals(get_default_qconfig(), get_default_qconfig()), qconfig_equals(default_qconfig, None)
        (True, False)
    """
    if q1 is None or q2 is None:
        return q1 is q2
    return _makes_same(q1.activation, q2.activation) and _makes_same(q1.weight, q2.weight)


def _makes_same(a: Any, b: Any) -> bool:
    if not isinstance(a, _PartialWrapper) or not isinstance(b, _PartialWrapper):
        return bool(a == b)
    own, other = copy.copy(a.p.keywords), copy.copy(b.p.keywords)
    same = _makes_same(own.pop("observer", None), other.pop("observer", None))
    return same and own == other and a.p.args == b.p.args and _makes_same(a.p.func, b.p.func)
