"""From a float model to a quantized one in one call; follows ``torch.ao.quantization.quantize``."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from trainctl import nn
from trainctl.backend.dtypes import float16
from trainctl.backend.quantized_dtypes import qint8, quint4x2, quint8
from trainctl.nn.modules.module import Module
from trainctl.quantization import mappings
from trainctl.quantization.convert import convert
from trainctl.quantization.prepare import prepare, prepare_qat, propagate_qconfig_
from trainctl.quantization.qconfig import (
    default_dynamic_qconfig,
    float16_dynamic_qconfig,
    float_qparams_weight_only_qconfig,
    float_qparams_weight_only_qconfig_4bit,
)

__all__ = ["default_eval_fn", "quantize", "quantize_dynamic", "quantize_qat"]

_RECURRENT = (nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.RNNCell, nn.GRUCell)
_DYNAMIC = {
    qint8: (default_dynamic_qconfig, _RECURRENT),
    float16: (float16_dynamic_qconfig, _RECURRENT),
    quint8: (float_qparams_weight_only_qconfig, (nn.EmbeddingBag, nn.Embedding)),
    quint4x2: (float_qparams_weight_only_qconfig_4bit, (nn.EmbeddingBag,)),
}


def quantize(
    model: Any,
    run_fn: Callable[..., Any],
    run_args: Sequence[Any],
    mapping: Mapping[Any, Any] | None = None,
    inplace: bool = False,
) -> Any:
    """Quantize a float model after training: prepare it, let ``run_fn`` calibrate it, convert it.

    Args:
        model: has ``qconfig`` on itself or on modules below it; it is set to evaluation mode.
        run_fn: called with the prepared model and ``run_args``; runs it on some data.
        run_args: further arguments of ``run_fn``.
        mapping: as for :func:`trainctl.quantization.convert`.
        inplace: change ``model`` itself, not a copy.

    Returns:
        The model, or the copy.
    """
    if not inplace:
        model = copy.deepcopy(model)
    prepare(model.eval(), inplace=True)
    run_fn(model, *run_args)
    return convert(model, mapping, inplace=True)


def quantize_qat(model: Any, run_fn: Callable[..., Any], run_args: Sequence[Any], inplace: bool = False) -> Any:
    """Quantize a model with training: prepare it, let ``run_fn`` train it, convert it.

    Args:
        model: has ``qconfig`` on itself or on modules below it; it is set to training mode.
        run_fn: called with the prepared model and ``run_args``; trains it.
        run_args: further arguments of ``run_fn``.
        inplace: change ``model`` itself, not a copy.

    Returns:
        The model, or the copy.
    """
    if not inplace:
        model = copy.deepcopy(model)
    prepare_qat(model.train(), inplace=True)
    run_fn(model, *run_args)
    return convert(model, inplace=True)


def quantize_dynamic(
    model: Any,
    qconfig_spec: Mapping[Any, Any] | Collection[Any] | None = None,
    dtype: Any = qint8,
    mapping: Mapping[Any, Any] | None = None,
    inplace: bool = False,
) -> Any:
    """Quantize the weights of a float model now, and what goes through its layers each time they run.

    Args:
        model: the model; it is set to evaluation mode.
        qconfig_spec: which layers: a set of types or paths; or qconfigs by type or path, and ``dtype`` does not count.
            Default: linear and recurrent layers, or, for ``quint8``, embeddings; for ``quint4x2``, bags of them.
        dtype: of the weights: ``qint8``, ``float16``, ``quint8`` or ``quint4x2``.
        mapping: from types to types with ``from_float``; default:
            :func:`trainctl.quantization.get_default_dynamic_quant_module_mappings`.
        inplace: change ``model`` itself, not a copy.

    Returns:
        The model, or the copy.

    Raises:
        ValueError: there is no default for ``dtype``; or a path that no module has.
        RuntimeError: an unknown ``dtype`` for a set of types.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        >>> quantize_dynamic(model, {nn.Linear})(trainctl.ones(1, 3)).shape
        trainctl.Size([1, 4])
    """
    spec = _dynamic_qconfigs(qconfig_spec, dtype)
    _check_paths(model, spec)
    if not inplace:
        model = copy.deepcopy(model)
    propagate_qconfig_(model.eval(), spec)
    return convert(model, mappings.get_default_dynamic_quant_module_mappings() if mapping is None else mapping, True)


def _dynamic_qconfigs(spec: Any, dtype: Any) -> Mapping[Any, Any]:
    if isinstance(spec, Mapping):
        return spec
    if dtype not in _DYNAMIC:
        if spec is not None:
            raise RuntimeError(f"Unknown dtype specified for quantize_dynamic: {dtype}")
        raise ValueError(f"Don't know how to quantize with default settings for {dtype}. Provide full qconfig please")
    qconfig, kinds = _DYNAMIC[dtype]
    return dict.fromkeys(kinds if spec is None else spec, qconfig)


def _check_paths(model: Module, spec: Mapping[Any, Any]) -> None:
    paths = [name for name, _ in model.named_modules(remove_duplicate=False)]
    for name in spec:
        if isinstance(name, str) and name not in paths:
            near = difflib.get_close_matches(name, paths, 3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(paths[1:])}"
            raise ValueError(f"quantize_dynamic: the model has no module {name!r}; {hint}")


def default_eval_fn(model: Any, calib_data: Iterable[Any]) -> None:
    """Call a model on the inputs of a dataset of pairs; the simplest ``run_fn``.

    Args:
        model: the model.
        calib_data: pairs of inputs and targets.
    """
    for data, _ in calib_data:
        model(data)
