"""Folders of images become the right samples, or an error that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.samples import outcome
from trainctl.data import DataLoader, ImageFolder
from trainctl.data.images import read_image
from trainctl.errors import DataError, UsageError

Image = pytest.importorskip("PIL.Image", reason="needs the extra `images`")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), np.uint8)


@pytest.fixture
def pets(tmp_path) -> Path:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
    for number, name in enumerate(["cat/b.png", "cat/a.PNG", "dog/1.bmp"]):
        Image.fromarray(PIXELS[number]).save(tmp_path / "train" / name)
    Image.fromarray(PIXELS[3]).save(tmp_path / "test/cat/x.png")
    Image.fromarray(PIXELS[4]).save(tmp_path / "test/dog/x.png")
    (tmp_path / "train/cat/notes.txt").write_text("not an image")
    (tmp_path / "train/.hidden").mkdir()
    return tmp_path


@pytest.mark.parametrize("workers", [0, 3])
def test_images_are_read_in_the_order_of_their_names(pets, workers):
    data = ImageFolder(pets, classes=2, size=[8, 10])
    batch = next(iter(DataLoader(data, batch_size=3, num_workers=workers)))
    expected = PIXELS[[1, 0, 2]].transpose(0, 3, 1, 2) / np.float32(255)
    np.testing.assert_array_equal(batch[0].numpy(), expected)
    assert batch[1].tolist() == [0, 0, 1]
    np.testing.assert_array_equal(data[-1][0].numpy(), expected[2])
    assert (data[-1][1], data.classes, data.place(0)) == (1, ["cat", "dog"], str(pets / "train/cat/a.PNG"))


def test_classes_in_an_order_of_their_own_and_the_test_part(pets):
    data = ImageFolder(pets, classes=["dog", "cat"], size=[8, 10], train=False)
    assert [data[number][1] for number in range(2)] == [0, 1]
    np.testing.assert_array_equal(data[1][0].numpy()[:, 2, 3] * 255, PIXELS[3, 2, 3])


def test_other_sizes_and_kinds_are_converted_and_photographs_turned_upright(pets):
    path = pets / "train/dog/1.bmp"
    Image.fromarray(np.full((20, 30), 51, np.uint8)).save(path)
    image, _ = ImageFolder(pets, 2, size=5)[2]
    assert image.shape == (3, 5, 5)
    np.testing.assert_allclose(image.numpy(), 0.2, atol=1e-6)
    assert ImageFolder(pets, 2, size=5, channels=1)[0][0].shape == (1, 5, 5)
    half = np.zeros((10, 20), np.uint8)
    half[:, 10:] = 255
    picture = Image.fromarray(half)
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned clockwise
    picture.save(pets / "train/dog/1.png", exif=exif)
    path.unlink()
    turned = ImageFolder(pets, 2, size=[20, 10], channels=1)[2][0].numpy()[0]
    np.testing.assert_array_equal(turned, np.rot90(half, -1) / 255)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 3}, "train: expected 3 folders, one for each class, got 2"),
        ({"classes": ["cat", "dgo"]}, "train: there is no folder 'dgo' for that class"),
        ({"train_dir": "trian"}, "trian: expected a folder of images, got No such file or directory"),
    ],
)
def test_folders_that_are_not_as_declared(pets, arguments, message):
    with pytest.raises(DataError, match=message) as caught:
        ImageFolder(pets, **{"classes": 2, "size": 8, **arguments})
    assert caught.value.hint


def test_a_class_without_images_and_a_damaged_image(pets):
    path = pets / "train/cat/b.png"
    path.write_bytes(path.read_bytes()[:60])
    data = ImageFolder(pets, 2, size=8)
    with pytest.raises(DataError, match=r"train/cat/b\.png: expected an intact image, got"):
        data[1]
    (pets / "train/dog/1.bmp").unlink()
    with pytest.raises(DataError, match="train/dog: expected images, got none"):
        len(ImageFolder(pets, 2, size=8))


def test_16_bits_a_channel_are_not_cut_off_at_8(pets):
    Image.fromarray(np.full((8, 10), 60_000, np.uint16)).save(pets / "train/cat/b.png")
    with pytest.raises(DataError, match="expected 8 bits a channel"):
        ImageFolder(pets, 2, size=8, channels=1)[1]


def test_an_image_of_too_many_pixels(pets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(DataError, match="an image of far too many pixels"):
        ImageFolder(pets, 2, size=8)[0]


def test_without_pillow_the_extra_is_named(pets, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        ImageFolder(pets, 2, size=8)
    assert caught.value.hint == "pip install 'trainctl[images]'"


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 200), change=st.binary(min_size=1, max_size=6), cut=st.booleans())
def test_damaged_image_files_are_read_or_refused(tmp_path_factory, place, change, cut):
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    Image.fromarray(PIXELS[0]).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:place] + change + (b"" if cut else content[place + len(change) :]))
    read, error = outcome(lambda: read_image(path, 3, (8, 10)))
    assert error is None or error.message.startswith(f"{path}: ")
    assert read is None or read.shape == (3, 8, 10)
