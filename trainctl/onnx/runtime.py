"""Models run by ONNX Runtime; the only file that imports it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from trainctl.onnx.errors import OnnxExporterError, missing


def package() -> Any:
    """Return the package ``onnxruntime``.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime", error) from error
    return onnxruntime


class Session:
    """A model that ONNX Runtime has loaded, on the CPU.

    Args:
        model: a file, or the bytes of one.
        threads: how many it computes on.
        optimized: let it fuse operators.

    Attributes:
        inputs: the names of the inputs.
        outputs: the names of the outputs.
        metadata: what the file says of itself.

    Raises:
        OnnxExporterError: ONNX Runtime cannot load it.
        UsageError: ONNX Runtime is not installed.
    """

    def __init__(self, model: bytes | str | Path, threads: int = 1, optimized: bool = True) -> None:
        onnxruntime = package()
        self._errors = _errors(onnxruntime)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread would take a core
        if not optimized:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise OnnxExporterError(f"ONNX Runtime cannot load the model: {_first_line(error)}") from error
        self.inputs = [each.name for each in self._session.get_inputs()]
        self.outputs = [each.name for each in self._session.get_outputs()]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, inputs: Mapping[str, numpy.ndarray], outputs: list[str] | None = None) -> dict[str, numpy.ndarray]:
        """Return the outputs by name.

        Raises:
            OnnxExporterError: ONNX Runtime cannot run it.
        """
        names = self.outputs if outputs is None else outputs
        given = {name: array for name, array in inputs.items() if name in self.inputs}
        try:
            return dict(zip(names, self._session.run(names, given), strict=True))
        except self._errors as error:
            raise OnnxExporterError(f"ONNX Runtime cannot run the model: {_first_line(error)}") from error


def _errors(onnxruntime: Any) -> tuple[type[Exception], ...]:
    """Return the classes of what ONNX Runtime raises, which have no base of their own."""
    module = onnxruntime.capi.onnxruntime_pybind11_state
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Exception)]
    return (*found, RuntimeError, ValueError)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
