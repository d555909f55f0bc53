"""Observers and fake quantizations on a few inputs: functions of a module `torch`, PyTorch or trainctl.

What is random comes from NumPy's ``RandomState``, whose stream NumPy has promised not to change.
"""

from __future__ import annotations

import importlib
import warnings
import zlib
from typing import Any

import numpy as np

Outcome = dict[str, list[Any]]  # by what it is: element type, shape, elements

TENSOR = ("per_tensor_affine", "per_tensor_symmetric")
CHANNEL = ("per_channel_affine", "per_channel_symmetric", "per_channel_affine_float_qparams")
DATA = (
    "normal", "positive", "negative", "shifted", "constant", "zeros", "tiny", "outlier", "growing", "one", "half", "double",
    "integers", "empty first", "a view",
)  # fmt: skip


def inputs(kind: str, name: str) -> list[np.ndarray]:
    """Return three inputs, ``[4, 6]`` but for those that are a single element."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    drawn = random.normal(0, 1.3, (3, 4, 6))
    made = {
        "positive": np.abs(drawn), "negative": -np.abs(drawn) - 0.1, "shifted": drawn + 7, "constant": drawn * 0 + 2.5,
        "zeros": drawn * 0, "tiny": drawn * 1e-9, "outlier": np.where(drawn > 2, drawn * 50, drawn),
        "growing": drawn * np.array([0.1, 3, 40])[:, None, None], "one": drawn[:, :1, :1], "integers": np.round(drawn * 9),
    }.get(kind, drawn)  # fmt: skip
    types = {"half": np.float16, "double": np.float64, "integers": np.int64}
    arrays = list(made.astype(types.get(kind, np.float32)))
    if kind == "empty first":
        arrays[0] = arrays[0][:0]
    return [each[:, ::2] for each in arrays] if kind == "a view" else arrays


def _cases() -> dict[str, tuple[str, dict[str, Any], str]]:
    """Return name -> (class or name of a maker, arguments, kind of inputs)."""
    found: dict[str, tuple[str, dict[str, Any], str]] = {}

    def add(maker: str, data: str = "normal", **kwargs: Any) -> None:
        said = " ".join(f"{key}={value}" for key, value in kwargs.items())
        found[f"{maker} {said} on {data}"] = (maker, kwargs, data)

    for maker, schemes in (
        ("MinMaxObserver", TENSOR), ("MovingAverageMinMaxObserver", TENSOR), ("HistogramObserver", TENSOR),
        ("PerChannelMinMaxObserver", CHANNEL), ("MovingAveragePerChannelMinMaxObserver", CHANNEL),
    ):  # fmt: skip
        bins = {"bins": 64} if maker == "HistogramObserver" else {}
        for data in DATA:
            if maker != "HistogramObserver" or data not in ("half", "double", "integers"):  # which PyTorch has none for
                add(maker, data, **bins)
                add(maker, data, qscheme=schemes[1], dtype="qint8", **bins)
        for scheme in schemes:
            for dtype in ("quint8", "qint32", "quint4x2", "int8", "uint8", "int16"):
                add(maker, qscheme=scheme, dtype=dtype, **bins)
            add(maker, qscheme=scheme, dtype="qint8", reduce_range=True, **bins)
            for low, high in ((-127, 127), (-8, 7)):
                add(maker, qscheme=scheme, dtype="qint8", quant_min=low, quant_max=high, eps=2**-12, **bins)
            add(maker, qscheme=scheme, quant_min=0, quant_max=15, **bins)
        if maker.startswith("Moving"):
            add(maker, averaging_constant=0.3)
        if "Channel" in maker:
            add(maker, ch_axis=1)
            add(maker, ch_axis=-1)
    add("HistogramObserver", "outlier")  # with all of its bins
    add("HistogramObserver", "growing", qscheme="per_tensor_symmetric", dtype="qint8")
    for name in FAKE:
        for data in ("normal", "growing") if "histogram" in name else ("normal", "shifted", "growing", "zeros", "tiny"):
            add(name, data)
    add("default_fake_quant", "empty first")
    add("default_fused_act_fake_quant", "empty first")
    for maker in ("FakeQuantize", "FusedMovingAvgObsFakeQuantize"):
        add(maker, "half" if maker == "FakeQuantize" else "normal", averaging_constant=0.5, quant_min=0, quant_max=7)
        add(maker, "a view", quant_min=-8, quant_max=7, dtype="qint8", qscheme="per_tensor_symmetric")
    return found


FAKE = (
    "default_fake_quant", "default_weight_fake_quant", "default_per_channel_weight_fake_quant", "default_dynamic_fake_quant",
    "default_embedding_fake_quant", "default_embedding_fake_quant_4bit", "default_fused_act_fake_quant",
    "default_fused_wt_fake_quant", "default_fused_per_channel_wt_fake_quant", "fused_wt_fake_quant_range_neg_127_to_127",
    "fused_per_channel_wt_fake_quant_range_neg_127_to_127", "default_fixed_qparams_range_neg1to1_fake_quant",
    "default_fixed_qparams_range_0to1_fake_quant", "default_histogram_fake_quant",
)  # fmt: skip
CASES = _cases()


def outcome(torch: Any, name: str) -> Outcome:
    """Return the state, the scale and the zero point after three inputs and, of a fake quantization, what it gives."""
    maker, kwargs, data = CASES[name]
    library = "trainctl" if torch.__name__ == "trainctl" else "torch.ao"
    makers = importlib.import_module(f"{library}.quantization")
    given = {key: getattr(torch, each) if isinstance(each, str) else each for key, each in kwargs.items()}
    found: Outcome = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = getattr(makers, maker)(**given)
        for number, array in enumerate(inputs(data, name)):
            x = torch.from_numpy(array.copy())
            if hasattr(module, "fake_quant_enabled"):
                y = module(x.requires_grad_())
                y.backward(torch.from_numpy(np.arange(x.numel()).reshape(array.shape).astype(array.dtype) - 2))
                found |= {f"output {number}": _plain(y), f"gradient {number}": _plain(x.grad)}
            else:
                module(x)
        found |= {key: _plain(each) for key, each in module.state_dict().items() if each.numel() < 100}
        scale, zero_point = module.calculate_qparams()
    return found | {"its scale": _plain(scale), "its zero point": _plain(zero_point)}


def _plain(tensor: Any) -> list[Any]:
    array = tensor.detach().clone().numpy()
    return [array.dtype.name, list(array.shape), array.ravel().tolist()]


def outcomes(torch: Any) -> dict[str, Outcome]:
    """Return the outcome of every case."""
    return {name: outcome(torch, name) for name in CASES}
