"""Models written as ONNX, under the names of PyTorch's ``torch.onnx``."""

from trainctl.onnx.errors import OnnxExporterError, ParityError
from trainctl.onnx.exporter import export

__all__ = ["OnnxExporterError", "ParityError", "export"]
