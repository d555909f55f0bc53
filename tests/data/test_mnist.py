"""MNIST's files become the right tensors, or a DataError."""

from __future__ import annotations

import gzip
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import trainctl
from tests.data.idx_files import idx_bytes, write_mnist
from trainctl.data import MNIST, Compose, DataLoader, Normalize
from trainctl.errors import DataError

ROOT = Path(__file__).parents[2] / "datasets/mnist"


@cache
def originals(part: str) -> tuple[np.ndarray, np.ndarray]:
    """The committed files, read by hand."""
    with gzip.open(ROOT / f"{part}-images-idx3-ubyte.gz") as file:
        assert struct.unpack(">4I", file.read(16)) == (2051, {"train": 60_000, "t10k": 10_000}[part], 28, 28)
        images = np.frombuffer(file.read(), np.uint8).reshape(-1, 28, 28)
    with gzip.open(ROOT / f"{part}-labels-idx1-ubyte.gz") as file:
        assert struct.unpack(">2I", file.read(8)) == (2049, len(images))
        return images, np.frombuffer(file.read(), np.uint8)


@cache
def digits(train: bool) -> MNIST:
    return MNIST(ROOT, train=train)


@pytest.fixture
def small(tmp_path) -> Path:
    """A folder of five training samples."""
    rng = np.random.default_rng(0)
    write_mnist(tmp_path, rng.integers(0, 256, (5, 28, 28), np.uint8), np.arange(5, dtype=np.uint8))
    return tmp_path


@pytest.mark.parametrize(("train", "part"), [(True, "train"), (False, "t10k")])
def test_every_sample_is_the_file_s(train, part):
    images, labels = originals(part)
    data = digits(train)
    assert len(data) == len(images)
    np.testing.assert_array_equal(data.data.numpy(), images)
    np.testing.assert_array_equal(data.targets.numpy(), labels)
    for start in range(0, len(data), 10_000):
        batch, batch_labels = data.gather(np.arange(start, start + 10_000))
        expected = images[start : start + 10_000, None].astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(batch.numpy(), expected)
        np.testing.assert_array_equal(batch_labels.numpy(), labels[start : start + 10_000])
        assert (batch.dtype, batch_labels.dtype) == (trainctl.float32, trainctl.int64)


def test_a_sample_is_an_image_and_a_label():
    image, label = digits(False)[-1]
    images, labels = originals("t10k")
    assert (type(label), label) == (int, labels[-1])
    np.testing.assert_array_equal(image.numpy(), images[-1:].astype(np.float32) / np.float32(255))
    with pytest.raises(IndexError):
        digits(False)[10_000]
    with pytest.raises(IndexError):
        digits(False).gather(np.array([10_000]))


def test_what_a_model_needs_to_know_takes_no_data():
    spec = MNIST.sample_spec(root="nowhere")
    assert (spec.inputs.shape, spec.target.dtype, spec.target.high) == ((1, 28, 28), "int64", 10)


def test_a_batch_is_never_overwritten():
    data = digits(False)
    first, _ = data.gather(np.array([0, 1]))
    before = first.numpy().copy()
    first_again, _ = data.gather(np.array([2, 3]))
    np.testing.assert_array_equal(first.numpy(), before)
    first_again.numpy()[:] = 7  # nor does writing to a batch reach the data
    np.testing.assert_array_equal(data.gather(np.array([2]))[0].numpy()[0, 0] * 255, originals("t10k")[0][2])


@pytest.mark.parametrize(
    "transform",
    [
        Normalize(0.1307, 0.3081),
        Compose([Normalize(0.5, 0.5), Normalize(0.1, 2.0)]),
        lambda image: image.flatten(),  # written for a sample; a batch would come out wrong
        Compose([Normalize(0.5, 0.5), lambda image: image.reshape(784)]),
    ],
)
def test_a_transformed_batch_is_its_transformed_samples(small, transform):
    data = MNIST(small, transform=transform)
    batch, labels = data.gather(np.array([4, 0, 2]))
    np.testing.assert_array_equal(batch.numpy(), np.stack([data[index][0].numpy() for index in (4, 0, 2)]))
    assert labels.tolist() == [4, 0, 2]


def test_plain_and_zipped_files_are_the_same(small):
    expected = MNIST(small).data.numpy()
    for path in list(small.iterdir()):
        (small / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(MNIST(small).data.numpy(), expected)


def test_nothing_is_read_before_it_is_needed(small):
    (small / "train-images-idx3-ubyte").write_bytes(b"")
    data = MNIST(small)
    with pytest.raises(DataError, match="got 0 bytes"):
        len(data)


def test_workers_give_the_same_batches(small):
    def batches(num_workers: int) -> list[list]:
        loader = DataLoader(MNIST(small), batch_size=2, num_workers=num_workers)
        return [[each.tolist() for each in batch] for batch in loader]

    assert batches(0) == batches(3)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_missing_file_is_said_at_once(small, name):
    (small / name).unlink()
    with pytest.raises(DataError) as caught:
        MNIST(small)
    assert f"{small / name}.gz: no such file" in caught.value.message
    assert caught.value.exit_code == 4
    assert "root" in caught.value.hint


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(DataError, match=r"nowhere/t10k-images-idx3-ubyte\.gz: no such file"):
        MNIST(tmp_path / "nowhere", train=False)


IMAGES, LABELS = np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (LABELS, IMAGES, r"images-idx3-ubyte: expected images, ubyte \[N, 28, 28\], got uint8 \[3\]"),
        (IMAGES, IMAGES, r"labels-idx1-ubyte: expected labels, ubyte \[N\], got uint8 \[3, 28, 28\]"),
        (IMAGES[:2], LABELS, "expected 2 labels, as train-images-idx3-ubyte has images, got 3"),
        (IMAGES[:, :27], LABELS, r"expected images.*got uint8 \[3, 27, 28\]"),
        (IMAGES.astype(np.int16), LABELS, r"expected images.*got int16 \[3, 28, 28\]"),
        (IMAGES, LABELS.astype(np.int32), r"expected labels.*got int32 \[3\]"),
        (IMAGES, np.array([0, 10, 255], np.uint8), "expected labels 0 to 9, got 10 at index 1"),
        (IMAGES[:0], LABELS[:0], r"got uint8 \[0, 28, 28\]"),
        (IMAGES, np.array(3, np.uint8), r"expected labels.*got uint8 \[\]"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, images, labels, message):
    write_mnist(tmp_path, images, labels)
    with pytest.raises(DataError, match=message) as caught:
        MNIST(tmp_path)[0]
    assert caught.value.hint


def test_a_damaged_file_is_refused(small):
    path = small / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"3920 bytes of data .* got 3919: the file is cut short"):
        MNIST(small)[0]
    path.write_bytes(idx_bytes(np.zeros((5, 28, 28), np.uint8)))
    assert len(MNIST(small)) == 5
