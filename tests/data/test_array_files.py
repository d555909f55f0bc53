"""NumPy's files become the right samples, or a DataError; nothing in them is executed."""

from __future__ import annotations

import io
import mmap
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trainctl
from tests.data.samples import outcome
from trainctl.data import NPY, NPZ
from trainctl.errors import DataError

X, Y = np.arange(24, dtype=np.float64).reshape(4, 2, 3), np.array([0, 2, 1, 2])


def npz(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(folder / "t.npz", **arrays)
    return folder / "t.npz"


def npy(folder: Path, inputs: np.ndarray, target: np.ndarray) -> tuple[Path, Path]:
    np.save(folder / "x.npy", inputs)
    np.save(folder / "y.npy", target)
    return folder / "x.npy", folder / "y.npy"


@pytest.mark.parametrize("dtype", ["u1", "i8", ">i2", "f2", ">f4", "f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_both_kinds_of_file_give_the_arrays(tmp_path, dtype, order):
    x = np.asarray(X % 2 if dtype == "?" else X).astype(dtype, order=order)
    kinds = [
        NPZ(npz(tmp_path, x_train=x, y_train=Y), shape=[2, 3], classes=3),
        NPY(*npy(tmp_path, x, Y), shape=[2, 3], classes=3),
    ]
    for data in kinds:
        inputs, targets = data.gather(np.array([3, 0, -1]))
        assert (inputs.dtype, targets.dtype) == (trainctl.float32, trainctl.int64)
        np.testing.assert_array_equal(inputs.numpy(), x[[3, 0, 3]].astype(np.float32))
        assert targets.tolist() == [2, 0, 2]
        assert (data[1][0].tolist(), data[1][1]) == (x[1].astype(np.float32).tolist(), 2)
        with pytest.raises(IndexError):
            data.gather(np.array([4]))


def test_the_inputs_of_an_npy_file_stay_on_disk_and_are_not_written_to(tmp_path):
    paths = npy(tmp_path, X.astype(np.float32), Y)
    data = NPY(*paths, shape=[2, 3], classes=3)
    before = paths[0].read_bytes()
    owner = data.arrays[0]
    while not isinstance(owner, mmap.mmap):
        owner = owner.base
    data[0][0].numpy()[:] = 7
    data.gather(np.array([0, 1]))[0].numpy()[:] = 7
    assert data[0][0].tolist() == X[0].tolist()
    assert paths[0].read_bytes() == before


def test_test_arrays(tmp_path):
    path = npz(tmp_path, x_train=X, y_train=Y, x_test=X[:1] + 1, y_test=Y[:1], b=X[1:2], by=Y[1:2])
    assert NPZ(path, [2, 3], 3, train=False)[0][0].tolist() == (X[0] + 1).tolist()
    other = NPZ(path, [2, 3], 3, test_inputs="b", test_target="by", test_file=path, train=False)
    assert (len(other), other[0][1]) == (1, 2)
    assert not NPZ.has_test_part(file=path, test_inputs=None)
    assert not NPY.has_test_part(inputs=path)


def test_dimensions_of_one_may_be_there_or_not(tmp_path):
    path = npz(tmp_path, x_train=X, y_train=Y[:, None], x_test=X[..., None], y_test=Y)
    assert NPZ(path, [1, 2, 3], 3).gather(np.array([0]))[0].shape == (1, 1, 2, 3)
    assert NPZ(path, [2, 3], 3, train=False).gather(np.array([0]))[0].shape == (1, 2, 3)


def test_targets_that_are_numbers_and_inputs_that_are_tokens(tmp_path):
    path = npz(tmp_path, x_train=X.astype(int), y_train=Y / 2, many=X[:, 0])
    assert NPZ(path, [2, 3])[1][1].tolist() == [1.0]
    assert NPZ(path, [2, 3], target="many", target_shape=[3])[1][1].tolist() == [6.0, 7.0, 8.0]
    tokens = NPZ(path, [2, 3], vocabulary=24)
    assert tokens[0][0].dtype == trainctl.int64
    assert NPZ.sample_spec(path, [2, 3], vocabulary=24).inputs.high == 24


@pytest.mark.parametrize(
    ("x", "y", "arguments", "message"),
    [
        (X, Y, {"shape": [6]}, r"x.npy: expected \[N, 6\], got float64 \[4, 2, 3\]"),
        (X, Y, {"shape": [3, 2]}, r"x.npy: expected \[N, 3, 2\]"),
        (X, Y[:3], {}, "y.npy: expected 4 targets, one for each input, got 3"),
        (X, Y, {"classes": 2}, "y.npy: expected whole numbers 0 to 1, got 2 in sample 1"),
        (X, -Y, {}, "y.npy: expected whole numbers 0 to 2, got -2 in sample 1"),
        (X, Y + 0.5, {}, "y.npy: expected whole numbers 0 to 2, got 0.5 in sample 0"),
        (X, np.array([np.nan] * 4), {}, "y.npy: expected whole numbers 0 to 2, got nan"),
        (X, np.full(4, np.nan), {"classes": None}, "y.npy: expected finite float32 numbers, got nan"),
        (X + np.inf, Y, {}, "x.npy: expected finite float32 numbers, got inf in sample 0"),
        (X * 1e38, Y, {}, "x.npy: expected finite float32 numbers, got 4e.38 in sample 0"),
        (X, Y, {"vocabulary": 23}, "x.npy: expected whole numbers 0 to 22, got 23.0 in sample 3"),
        (X[:0], Y[:0], {}, "x.npy: expected samples, got none"),
        (X[0, 0, 0], Y, {}, r"x.npy: expected \[N, 2, 3\], got float64 \[\]"),
        (X.astype(str), Y, {}, "x.npy: expected an array of numbers, got one of <U32"),
        (X + 0j, Y, {}, "x.npy: expected an array of numbers, got one of complex128"),
        (np.zeros(4, "f4,i4"), Y, {}, "x.npy: expected the header of an array of numbers"),
    ],
)
def test_arrays_that_are_not_as_declared(tmp_path, x, y, arguments, message):
    data = NPY(*npy(tmp_path, x, y), **{"shape": [2, 3], "classes": 3, **arguments})
    with pytest.raises(DataError, match=message) as caught:
        len(data)
    assert caught.value.hint


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("what is pickled was executed",))


def test_pickles_are_refused(tmp_path):
    objects = np.empty(1, object)
    objects[0] = Bomb()
    np.savez(tmp_path / "t.npz", x_train=objects, y_train=Y[:1])
    with pytest.raises(DataError, match="array 'x_train': expected an array of numbers, got one of object"):
        len(NPZ(tmp_path / "t.npz", [1], 2))
    for name in ("x.npy", "t.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(DataError, match="expected an array in NumPy's format"):
        len(NPY(tmp_path / "x.npy", tmp_path / "y.npy", [1], 2))
    with pytest.raises(DataError, match=r"expected a NumPy \.npz file"):
        len(NPZ(tmp_path / "t.npz", [1], 2))


def test_an_array_that_is_not_in_the_archive(tmp_path):
    with pytest.raises(DataError, match="there is no array 'x_train'") as caught:
        len(NPZ(npz(tmp_path, x=X, y=Y), [2, 3], 3))
    assert caught.value.hint == "its arrays are x, y"


def test_sizes_that_lie_reserve_no_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    (tmp_path / "x.npy").write_bytes(header.getvalue() + bytes(64))
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(DataError, match="expected 8796093022208 bytes of data"):
        len(NPY(tmp_path / "x.npy", tmp_path / "y.npy", [1], 2))
    with zipfile.ZipFile(tmp_path / "t.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", header.getvalue() + bytes(64))
    with pytest.raises(DataError, match="expected 8796093022208 bytes of data"):
        len(NPZ(tmp_path / "t.npz", [1], 2))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, bytes, bytes]:
    folder = tmp_path_factory.mktemp("arrays")
    archive = npz(folder, x_train=X, y_train=Y)
    path, _ = npy(folder, X, Y)
    return folder, archive.read_bytes(), path.read_bytes()


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 700), change=st.integers(1, 255), cut=st.booleans())
def test_a_changed_byte_of_an_archive_is_noticed_or_changes_nothing(whole, place, change, cut):
    folder, content, _ = whole
    place %= len(content)
    (folder / "t.npz").write_bytes(
        content[:place] if cut else content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]
    )
    read, error = outcome(lambda: NPZ(folder / "t.npz", [2, 3], 3).gather(np.arange(4)))
    if error:
        assert error.message.startswith(str(folder / "t.npz"))
    else:
        np.testing.assert_array_equal(read[0].numpy(), X)
        np.testing.assert_array_equal(read[1].numpy(), Y)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 400), change=st.binary(min_size=1, max_size=4))
def test_an_npy_file_with_other_bytes_is_read_as_numpy_reads_it_or_refused(whole, place, change):
    folder, _, content = whole
    place %= len(content)
    path = folder / "x.npy"
    path.write_bytes(content[:place] + change + content[place + len(change) :])
    read, error = outcome(lambda: NPY(path, folder / "y.npy", [2, 3], 3).gather(np.arange(4)))
    if error:
        assert error.message.startswith(str(path))
    else:
        expected = np.load(path, allow_pickle=False).reshape(4, 2, 3)
        np.testing.assert_array_equal(read[0].numpy(), expected.astype(np.float32))
