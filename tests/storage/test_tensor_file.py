from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

import trainctl
from trainctl.storage.tensor_file import array_of, encode_tensors, parse_header

DTYPES = ["bool", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8"]
arrays = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).filter(
        lambda name: name != "__metadata__" and not set(name) & set("/\\\x7f")
    ),
    st.sampled_from(DTYPES).flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0))),
    max_size=6,
)


def written(tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    return b"".join(encode_tensors(tensors, metadata))


@given(arrays)
def test_the_bytes_are_those_of_the_format_s_own_package(tensors: dict[str, np.ndarray]):
    assert written(tensors) == save(tensors)


@given(arrays)
def test_what_was_written_is_read_here_and_there(tensors: dict[str, np.ndarray]):
    data = written(tensors)
    entries = parse_header(data, len(data)).entries
    for found in ({name: array_of(data, entry) for name, entry in entries.items()}, load(data)):
        assert found.keys() == tensors.keys()
        for name, array in tensors.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            assert found[name].tobytes() == array.tobytes()


def test_metadata_comes_back():
    data = written({"w": np.zeros(2, np.float32)}, {"format": "np", "é": '"\n'})
    assert parse_header(data, len(data)).metadata == {"format": "np", "é": '"\n'}


@pytest.mark.parametrize(
    "layout", [lambda a: a.T, lambda a: a[::2, 1::3], lambda a: a[::-1], lambda a: a.astype(">f4")]
)
def test_the_layout_in_memory_does_not_matter(layout):
    array = layout(np.arange(24, dtype=np.float32).reshape(4, 6))
    data = written({"w": array})
    np.testing.assert_array_equal(load(data)["w"], array)


def test_tensors_at_odd_places_are_read():
    header = (
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}'
    )
    data = len(header).to_bytes(8, "little") + header + b"\7" + np.array([1.5, -2], "<f4").tobytes()
    entries = parse_header(data, len(data)).entries
    assert array_of(data, entries["b"]).tolist() == [1.5, -2]


def test_bfloat16_comes_back_bit_for_bit(tmp_path):
    weight = trainctl.tensor([1.0, -0.333, 3e38, float("nan")]).to(trainctl.bfloat16)
    trainctl.save({"w": weight}, tmp_path / "w.safetensors")
    found = trainctl.load(tmp_path / "w.safetensors")["w"]
    assert found.dtype is trainctl.bfloat16
    assert found._array.bits.tolist() == weight._array.bits.tolist()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([object()]), np.zeros(2, "c16"), np.zeros(2, "u8")])
def test_what_the_format_has_no_type_for_is_named(array):
    with pytest.raises(ValueError, match=r"tensor 'w': .* has no place in a safetensors file"):
        encode_tensors({"w": array})


@pytest.mark.parametrize("name", ["../w", "/w", "a\0b", "a/../../w", "..\\w", "x" * 1001, "\ud800"])
def test_a_name_that_is_none_is_not_written(name):
    with pytest.raises(ValueError, match="no name of a tensor"):
        encode_tensors({name: np.zeros(2, np.float32)})
