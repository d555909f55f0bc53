"""Converters of ops that ONNX has under another name."""

from __future__ import annotations

from typing import Any

from trainctl.onnx.operands import Applied, Converter


def same(kind: str, **attributes: Any) -> Converter:
    """Return the converter to the operator ``kind`` of the same inputs."""

    def convert(a: Applied) -> str:
        return a.graph.op(kind, *(a.name(number) for number in range(len(a.inputs))), **attributes)

    return convert
