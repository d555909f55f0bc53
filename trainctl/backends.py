"""``torch.backends``: what a program asks and sets before it begins. The same kernels run whatever is set.

``quantized.engine`` chooses among PyTorch's libraries for integers; here there is one arithmetic, and the engine's name
only chooses the defaults of ``trainctl.quantization.get_default_qconfig``, which takes it as an argument. The flags of
``cudnn`` choose among a GPU's algorithms; results here are the same each time without them.
"""

from __future__ import annotations

from typing import Any

from trainctl import cuda as _cuda

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "quantized"]


class _Quantized:
    """``backends.quantized``: the engine that a program asks for, one of ``supported_engines``."""

    supported_engines = ("qnnpack", "onednn", "x86", "fbgemm")

    def __init__(self) -> None:
        self._engine = "x86"

    @property
    def engine(self) -> str:
        """The engine's name; settable.

        Raises:
            RuntimeError: set to a name that is not supported.
        """
        return self._engine

    @engine.setter
    def engine(self, name: str) -> None:
        if name not in self.supported_engines:
            raise RuntimeError(f"{name} is not a valid value for quantized engine")
        self._engine = name


class _Library:
    """A library that PyTorch may be built with, and that is not here."""

    def is_available(self) -> bool:
        """Return False."""
        return False

    def is_built(self) -> bool:
        """Return False."""
        return False

    def version(self) -> None:
        """Return None: there is none."""


class _Cudnn(_Library):
    """``backends.cudnn``: flags that may be set, to no effect."""

    enabled: bool
    benchmark: bool
    deterministic: bool

    def __init__(self) -> None:
        self.enabled, self.benchmark, self.deterministic = True, False, False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("enabled", "benchmark", "deterministic") and not isinstance(value, bool):
            raise RuntimeError(f"set_{name}_cudnn expects a bool, but got {type(value).__name__}")
        super().__setattr__(name, value)


class _Cuda:
    """``backends.cuda``."""

    def is_built(self) -> bool:
        """Return whether there is a GPU to use."""
        return _cuda.is_available()


quantized, cudnn, cuda = _Quantized(), _Cudnn(), _Cuda()
mkl, mkldnn, mps, openmp = _Library(), _Library(), _Library(), _Library()
