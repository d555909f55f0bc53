"""A run's first weights from ONNX models, ours and PyTorch's, and from files that PyTorch wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.errors import CheckpointError
from trainctl.onnx import export
from trainctl.train.initial import load_initial

onnx = pytest.importorskip("onnx", reason="needs the extra `onnx`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


def small(library: Any) -> Any:
    parts = (
        library.Conv2d(1, 4, 3),
        library.BatchNorm2d(4),
        library.Flatten(),
        library.Linear(144, 5),
        library.Linear(5, 5),
    )
    return library.Sequential(*parts)


def states_equal(one: Any, other: Any) -> bool:
    return all(
        np.array_equal(tensor.numpy(), other.state_dict()[name].numpy()) for name, tensor in one.state_dict().items()
    )


def test_a_model_of_ours_comes_back(tmp_path):
    source, target = small(nn), small(nn)
    source[1].running_mean.add_(1)
    export(source, trainctl.randn(2, 1, 8, 8), tmp_path / "model.onnx")
    digest, left_out = load_initial(target, str(tmp_path / "model.onnx"))
    assert (len(digest), left_out) == (64, None)
    assert states_equal(source, target)


def stored(path: Path, arrays: dict[str, np.ndarray], nodes: list[Any]) -> str:
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    x, y = (onnx.helper.make_tensor_value_info(name, 1, None) for name in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [x], [y], tensors)), path)
    return str(path)


def test_a_matrix_stored_for_matmul_is_turned_and_named_by_its_operator(tmp_path):
    weight, bias = np.arange(15, dtype=np.float32).reshape(3, 5), np.arange(5, dtype=np.float32)
    square = np.arange(25, dtype=np.float32).reshape(5, 5)
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["a"], "/0/MatMul"),
        onnx.helper.make_node("Gemm", ["a", "1.weight"], ["y"], "/1/Gemm"),
    ]
    arrays = {"onnx::MatMul_7": weight, "0.bias": bias, "1.weight": square, "shape": np.int64([1, 2])}
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 5, bias=False))
    load_initial(model, stored(tmp_path / "other.onnx", arrays, nodes))
    assert np.array_equal(model[0].weight.detach().numpy(), weight.T)
    assert np.array_equal(model[0].bias.detach().numpy(), bias)
    assert np.array_equal(model[1].weight.detach().numpy(), square)  # under its own name it is as it should be


def test_what_is_missing_and_what_is_no_model_is_told(tmp_path):
    path = stored(tmp_path / "other.onnx", {"0.bias": np.zeros(5, np.float32)}, [])
    with pytest.raises(CheckpointError, match=r"0\.weight: missing there"):
        load_initial(nn.Sequential(nn.Linear(3, 5)), path)
    (tmp_path / "text.onnx").write_text("no model")
    for name, message in (("text.onnx", "not an ONNX model"), ("none.onnx", "No such file")):
        with pytest.raises(CheckpointError, match=message):
            load_initial(small(nn), str(tmp_path / name))


def test_pytorch_s_own_exports_are_taken(tmp_path):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    for shape in ((2, 4), (2, 3, 4)):
        with pytest.warns():  # its older exporter, whose files there are most of
            torch.onnx.export(theirs, (torch.randn(shape),), tmp_path / "theirs.onnx", dynamo=False)
        ours = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
        load_initial(ours, str(tmp_path / "theirs.onnx"))
        assert states_equal(theirs, ours)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16", "float64"])
def test_state_dicts_of_pytorch_in_safetensors(kind, tmp_path):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    save_file = pytest.importorskip("safetensors.torch", reason="needs safetensors").save_file
    theirs, ours = small(torch.nn), small(nn)
    theirs(torch.randn(3, 1, 8, 8))
    theirs = theirs.to(getattr(torch, kind))
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    assert load_initial(ours, str(tmp_path / "theirs.safetensors"))[1] is None
    assert states_equal(theirs.float(), ours)
    assert ours[1].num_batches_tracked.item() == 1


def tied(library: Any) -> Any:
    model = library.Sequential(library.Embedding(5, 4), library.Linear(4, 5, bias=False))
    model[1].weight = model[0].weight
    return model


def test_a_tensor_that_a_file_holds_once_is_both_of_those_it_is(tmp_path):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    save_model = pytest.importorskip("safetensors.torch", reason="needs safetensors").save_model
    theirs, ours = tied(torch.nn), tied(nn)
    save_model(theirs, str(tmp_path / "tied.safetensors"))
    assert load_initial(ours, str(tmp_path / "tied.safetensors"))[1] is None
    assert np.array_equal(ours[1].weight.detach().numpy(), theirs[0].weight.detach().numpy())
    assert ours[1].weight is ours[0].weight
