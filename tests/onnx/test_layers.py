"""Each layer exported and compared with ONNX Runtime."""

from __future__ import annotations

from typing import Any

import pytest

import trainctl
from tests.onnx.layers import CANNOT, HOLDERS, TABLE
from tests.test_surface import names
from trainctl import nn
from trainctl.onnx import OnnxExporterError, export
from trainctl.registry.layers import LAYERS

pytest.importorskip("onnx", reason="needs the extra `onnx`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")

FORMS = {"Parallel", "Permute", "Repeat", "Residual"}  # of a config alone: test_models has them


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_layer_equals_itself_in_onnx_runtime(name):
    trainctl.manual_seed(0)
    for settings, inputs in TABLE[name]:
        layer, args = getattr(nn, name)(**settings), inputs()
        if name.startswith("Lazy"):
            layer(args)
        for each in (*layer.parameters(), *layer.buffers()):
            if each.is_floating_point() and each.ndim == 1:  # else norms would multiply by 1 and add 0
                each.data = trainctl.rand_like(each) + 0.5
        report = export(layer, args).report
        assert report is not None
        assert report.error <= 1e-5
        assert {1, 2, 7} < set(report.sizes)


@pytest.mark.parametrize("name", sorted(CANNOT))
def test_what_onnx_cannot_say_is_refused_by_name(name):
    reason, settings, inputs = CANNOT[name]
    with pytest.raises(OnnxExporterError, match=reason):
        export(getattr(nn, name.partition(" ")[0])(**settings), inputs(), dynamic_axes={})


def test_every_layer_is_in_the_tables():
    known = set(TABLE) | {name.partition(" ")[0] for name in CANNOT}
    wanted: Any = {*names("nn"), *LAYERS} - HOLDERS - FORMS
    assert wanted - known == set()
    assert {name for name in known if not hasattr(nn, name)} == set()
