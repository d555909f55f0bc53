"""What can go wrong where a model is written as ONNX, or run as one."""

from __future__ import annotations

from trainctl.errors import GateError, UsageError


class OnnxExporterError(UsageError):
    """A model that ONNX cannot say, or not in this way (exit 2)."""


class ParityError(GateError):
    """ONNX Runtime's outputs are not the model's own (exit 3)."""


def missing(package: str, error: ImportError) -> UsageError:
    """Return the error for a package that is not installed, with the command that installs it."""
    return UsageError(f"ONNX needs the package {package}: {error}", hint="pip install 'trainctl[onnx]'")
