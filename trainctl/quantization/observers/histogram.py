"""Observers that count how often values occur, and choose a range that need not hold all of them."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import numpy

from trainctl.autograd.ops.creation import tensor, zeros
from trainctl.autograd.ops.histogram import histc
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import float32, iinfo
from trainctl.backend.quantized_dtypes import per_tensor_affine, per_tensor_symmetric, qscheme, quint8
from trainctl.quantization.observers import clipping, histogram_search
from trainctl.quantization.observers.base import EPS, RangeObserver, buffer_kwargs
from trainctl.quantization.observers.histogram_merge import UPSAMPLE, moved
from trainctl.quantization.observers.min_max import fit

_INF = float("inf")
Method = Literal["norm", "mse", "kl"]


class HistogramObserver(RangeObserver):
    """Counts values in equal bins over the range seen so far, and leaves out what costs more steps than it is worth.

    Args:
        bins: how many.
        dtype: of the codes.
        qscheme: a scheme for all elements together.
        reduce_range: one bit less.
        quant_min: lowest code; default: the type's.
        quant_max: highest code.
        factory_kwargs: ``device`` and ``dtype`` of the buffers.
        eps: least scale.
        is_dynamic: not with a histogram.
        method: how the range is chosen: ``norm`` walks in from both ends while the squared error falls, as PyTorch;
            ``mse`` tries many ranges for the least squared error on the grid that they give; ``kl`` likewise for the
            least divergence of the distribution on the grid from that of the values (Migacz, 2017).
        kwargs: none is known.

    Raises:
        NotImplementedError: a scheme for channels, or ``is_dynamic``.
        ValueError: another ``method``.
        AssertionError: as :class:`UniformQuantizationObserverBase`.

    Example:
        >>> import trainctl
        >>> observer = HistogramObserver(bins=8, method="mse")
        >>> _ = observer(trainctl.tensor([0.0, 1.0, 1.0, 2.0]))
        >>> observer.histogram
        tensor([1., 0., 0., 0., 2., 0., 0., 1.])
    """

    histogram: Tensor

    def __init__(
        self,
        bins: int = 2048,
        dtype: Any = quint8,
        qscheme: qscheme = per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        *,
        method: Method = "norm",
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if qscheme not in (per_tensor_affine, per_tensor_symmetric):
            raise NotImplementedError(
                f"{name}'s qscheme only support torch.per_tensor_symmetric and torch.per_tensor_affine, "
                f"but got: {qscheme}"
            )
        if is_dynamic:
            raise NotImplementedError(f"{name} doesn't support dynamic quantization")
        if method not in ("norm", "mse", "kl"):
            raise ValueError(f"method must be 'norm', 'mse' or 'kl', got {method!r}")
        super().__init__(
            dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic=is_dynamic, **kwargs
        )
        self.bins, self.method, self.upsample_rate = bins, method, UPSAMPLE
        self.dst_nbins = 2 ** iinfo(dtype).bits
        place = buffer_kwargs(factory_kwargs)
        self.register_buffer("histogram", zeros(bins, **place))
        self.register_buffer("min_val", tensor(_INF, **place))
        self.register_buffer("max_val", tensor(-_INF, **place))

    def forward(self, x_orig: Tensor) -> Tensor:
        """Count the elements of ``x_orig`` and return it; infinite ones are left out, with a warning.

        Raises:
            RuntimeError: an element is NaN.
        """
        values = _finite(x_orig.detach())
        if values._array.size:
            low, high = (numpy.asarray(each.item(), values._array.dtype) for each in (values.min(), values.max()))
            self._count(values, low, high)
        return x_orig

    def _count(self, values: Tensor, low: Any, high: Any) -> None:
        """Add elements from ``low`` to ``high`` to the histogram, whose range grows to hold them."""
        old_low, old_high = (each.cpu().numpy() for each in (self.min_val, self.max_val))
        if old_low == _INF or old_high == -_INF:
            counts = histc(values, self.bins, float(low), float(high)).cpu().numpy()
        else:
            low, high = numpy.minimum(old_low, low), numpy.maximum(old_high, high)
            counts = histc(values, self.bins, float(low), float(high)).cpu().numpy()
            counts = counts + self._on_range(old_low, old_high, low, high)
        self.min_val.copy_(Tensor._wrap(low))
        self.max_val.copy_(Tensor._wrap(high))
        self.histogram.copy_(Tensor._wrap(counts))

    def _on_range(self, low: Any, high: Any, new_low: Any, new_high: Any) -> Any:
        """Return what the histogram from ``low`` to ``high`` has counted, in bins of a range that holds it."""
        counts = self.histogram.cpu().numpy()
        if (low, high) == (new_low, new_high):
            return counts
        if low != high:
            return moved(counts, low, high, new_low, new_high)
        one = histc(self.min_val.reshape(1), self.bins, float(new_low), float(new_high)).cpu().numpy()
        return one * histogram_search.cascade_sum(counts)

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return scale and zero point for the range that was chosen: 1 and 0, with a warning, before the first input.

        Raises:
            AssertionError: the histogram has not as many bins as the observer.
        """
        low, high = (each.cpu().numpy() for each in (self.min_val, self.max_val))
        if low == _INF and high == -_INF:
            return super().calculate_qparams()
        if self.bins != self.histogram._array.size:
            raise AssertionError(
                "The number of bins in histogram should be equal to the number of bins supplied while making this "
                f"observer, got {self.histogram._array.size} and {self.bins}"
            )
        ends = self._chosen(self.histogram.float().cpu().numpy(), low, high)
        return self._calculate_qparams(*(tensor(each.item(), dtype=self.min_val.dtype) for each in ends))

    def _chosen(self, counts: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """Return the ends of the range that codes shall cover."""
        if self.method == "norm":
            return histogram_search.by_norm(counts, low, high, self.dst_nbins)
        return clipping.best(
            counts, float(low), float(high), self.quant_max - self.quant_min, self.method, self.qscheme.is_symmetric
        )

    def reset_min_max_vals(self) -> None:
        """Forget what has been seen."""
        self.histogram.zero_()
        self.min_val.fill_(_INF)
        self.max_val.fill_(-_INF)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load as every module, and from files in which a range that was not there had no element."""
        for name, nothing in (("min_val", _INF), ("max_val", -_INF)):
            saved = state_dict.get(prefix + name)
            if isinstance(saved, Tensor) and not saved._array.size:
                state_dict[prefix + name] = tensor(nothing)
            fit(getattr(self, name), state_dict.get(prefix + name))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class PercentileObserver(HistogramObserver):
    """A histogram of which the outermost elements at both ends are left out.

    Args:
        percentile: of the elements lie below the upper end of the range, and as many above the lower end.
        bins: how many.
        kwargs: as :class:`HistogramObserver`, but for ``method``.

    Raises:
        ValueError: a percentile that is not from 50 to 100.

    Example:
        >>> import trainctl
        >>> observer = PercentileObserver(percentile=90.0)
        >>> _ = observer(trainctl.linspace(0.0, 100.0, 1001))
        >>> scale, _ = observer.calculate_qparams()
        >>> round(255 * scale.item())
        90
    """

    def __init__(self, percentile: float = 99.99, bins: int = 2048, **kwargs: Any) -> None:
        if not 50 < percentile <= 100:
            raise ValueError(f"percentile must be above 50 and not above 100, got {percentile}")
        super().__init__(bins, **kwargs)
        self.percentile = percentile

    def _chosen(self, counts: Any, low: Any, high: Any) -> tuple[Any, Any]:
        cumulative = numpy.concatenate([[0.0], numpy.cumsum(counts, dtype=numpy.float64)])
        edges = numpy.linspace(float(low), float(high), len(counts) + 1)
        share = self.percentile / 100 * cumulative[-1]
        ends = numpy.interp([cumulative[-1] - share, share], cumulative, edges)
        return ends[0], ends[1]


def _finite(x: Tensor) -> Tensor:
    """Return the elements that are finite or NaN, in a type that can be counted."""
    if not x.is_floating_point() or x.dtype.itemsize == 2:
        x = x.to(float32)
    if not x._array.size or not (x.min().item() == -math.inf or x.max().item() == math.inf):
        return x
    warnings.warn("torch.inf detected in input tensor, ignoring input", stacklevel=4)
    return x[x.abs() != math.inf]
