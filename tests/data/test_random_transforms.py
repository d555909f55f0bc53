"""Random transforms do what they say, and the same whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl.data import (
    CenterCrop,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    Standardize,
)
from trainctl.data.random_transforms import tried
from trainctl.data.streams import sample_uniforms

IMAGES = np.random.default_rng(0).random((50, 3, 6, 8), np.float32) + 1
EVERY = [
    RandomCrop((4, 5), padding=2),
    RandomErasing(p=0.7, scale=(0.1, 0.4)),
    RandomHorizontalFlip(),
    RandomRotation(30),
    RandomVerticalFlip(p=0.3),
]


def applied(transform, images=IMAGES, seed=0):
    uniforms = sample_uniforms(seed, 0, np.arange(len(images)), transform.draws)
    return transform.apply(trainctl.tensor(images), uniforms).numpy(), uniforms


@pytest.mark.parametrize("transform", EVERY, ids=repr)
def test_a_batch_is_its_samples(transform):
    images, uniforms = IMAGES.copy(), None
    whole, uniforms = applied(transform, images)
    np.testing.assert_array_equal(images, IMAGES)
    for number in (0, 7, 49):
        alone = transform.apply(trainctl.tensor(IMAGES[number : number + 1]), uniforms[number : number + 1])
        np.testing.assert_array_equal(alone.numpy()[0], whole[number])
    assert whole.dtype == np.float32
    assert len({each.tobytes() for each in whole}) == len(whole)


@pytest.mark.parametrize("transform", EVERY, ids=repr)
def test_called_it_draws_from_the_global_generator(transform):
    image = trainctl.tensor(IMAGES[0])
    trainctl.manual_seed(1)
    first = [transform(image).tolist() for _ in range(5)]
    trainctl.manual_seed(1)
    assert [transform(image).tolist() for _ in range(5)] == first
    assert any(each != first[0] for each in first)
    assert transform(trainctl.tensor(IMAGES)).shape[0] == 50
    state = trainctl.get_rng_state().tolist()
    tried(transform, image)
    assert trainctl.get_rng_state().tolist() == state


@pytest.mark.parametrize(("transform", "axis"), [(RandomHorizontalFlip(0.3), -1), (RandomVerticalFlip(0.3), -2)])
def test_flips(transform, axis):
    flipped, uniforms = applied(transform)
    for image, before, uniform in zip(flipped, IMAGES, uniforms, strict=True):
        np.testing.assert_array_equal(image, np.flip(before, axis) if uniform[0] < 0.3 else before)
    assert 5 < (uniforms < 0.3).sum() < 25
    np.testing.assert_array_equal(applied(type(transform)(0.0))[0], IMAGES)
    np.testing.assert_array_equal(applied(type(transform)(1.0))[0], np.flip(IMAGES, axis))


def test_a_crop_is_a_window_of_the_padded_image_and_every_place_comes():
    cropped, _ = applied(RandomCrop((5, 6), padding=[1, 2], fill=-1.0))
    places = set()
    for image, before in zip(cropped, IMAGES, strict=True):
        padded = np.pad(before, ((0, 0), (2, 2), (1, 1)), constant_values=-1)
        found = [
            (top, left)
            for top in range(6)
            for left in range(5)
            if np.array_equal(padded[:, top : top + 5, left : left + 6], image)
        ]
        assert len(found) == 1
        places.add(found[0])
    assert {top for top, _ in places} == set(range(6))
    assert {left for _, left in places} == set(range(5))


def test_four_paddings_are_left_top_right_bottom():
    cropped = tried(RandomCrop((9, 14), padding=[1, 2, 5, 1], padding_mode="edge"), trainctl.tensor(IMAGES[0]))
    expected = np.pad(IMAGES[0], ((0, 0), (2, 1), (1, 5)), "edge")
    np.testing.assert_array_equal(cropped.numpy(), expected)


def test_erasing_paints_one_rectangle():
    erased, uniforms = applied(RandomErasing(p=0.5, scale=(0.2, 0.3), value=7.0))
    for image, before, uniform in zip(erased, IMAGES, uniforms, strict=True):
        changed = (image != before).any(0)
        assert changed.any() == (uniform[0] < 0.5)
        if changed.any():
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            box = image[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert (box == 7).all()
            assert changed.sum() == box[0].size


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3), (0, 0)])
def test_right_angles_are_exact(degrees, turns):
    square = IMAGES[:, :, :6, :6]
    turned, _ = applied(RandomRotation([degrees, degrees]), square)
    np.testing.assert_array_equal(turned, np.rot90(square, turns, (2, 3)))


def test_what_comes_from_outside_is_filled():
    turned, _ = applied(RandomRotation([45, 45], fill=-3.0), IMAGES[:, :, :6, :6])
    assert (turned[:, :, 0, 0] == -3).all()
    assert (turned[:, :, 2:4, 2:4] > 0).all()


def test_resize_is_pytorch_s():
    torch = pytest.importorskip("torch", reason="compares with PyTorch's interpolate")
    ours = Resize((9, 4))(trainctl.tensor(IMAGES)).numpy()
    theirs = torch.nn.functional.interpolate(torch.tensor(IMAGES), (9, 4), mode="bilinear", antialias=True)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5)
    image = trainctl.tensor(IMAGES[0])
    assert Resize([6, 8])(image) is image


def test_the_middle_of_an_image():
    np.testing.assert_array_equal(CenterCrop([2, 4])(trainctl.tensor(IMAGES)).numpy(), IMAGES[:, :, 2:4, 2:6])
    with pytest.raises(ValueError, match=r"CenterCrop of size \[7, 7\] does not fit an image \[3, 6, 8\]"):
        CenterCrop(7)(trainctl.tensor(IMAGES[0]))


def test_rows_are_standardized():
    rows = np.random.default_rng(0).normal(3, 5, (100, 4)).astype(np.float32)
    mean, std = rows.mean(0), rows.std(0)
    changed = Standardize(mean.tolist(), std.tolist())(trainctl.tensor(rows)).numpy()
    np.testing.assert_allclose(changed, (rows - mean) / std, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="Standardize has a mean for 2 columns"):
        Standardize([1, 2], 1)(trainctl.tensor(rows))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomCrop(0), "size should be a number of 1 or more"),
        (lambda: RandomCrop([1, 2, 3]), "size should be a number of 1 or more"),
        (lambda: RandomCrop(4, padding=-1), "padding should be one number of 0 or more"),
        (lambda: RandomCrop(4, padding=[1, 2, 3]), "padding should be one number"),
        (lambda: RandomCrop(4, padding_mode="wrap"), "padding_mode should be constant"),
        (lambda: RandomHorizontalFlip(1.5), "p should be from 0 to 1"),
        (lambda: RandomErasing(scale=(0.5, 0.2)), "scale should be the least and the largest"),
        (lambda: RandomErasing(ratio=(0.0, 2.0)), "ratio should be the least and the largest"),
        (lambda: RandomRotation(-5), "degrees should be a number of 0 or more"),
        (lambda: RandomRotation([1, 2, 3]), "degrees should be a number of 0 or more"),
        (lambda: Resize(0), "size should be a number of 1 or more"),
        (lambda: Standardize(0.0, 0.0), "std should not be zero"),
        (lambda: tried(RandomCrop(9), trainctl.ones(1, 8, 8)), r"RandomCrop of size \[9, 9\] does not fit an image"),
        (lambda: tried(RandomCrop(1), trainctl.ones(8)), r"RandomCrop expects an image \[..., C, H, W\]"),
    ],
)
def test_arguments_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_uniform_numbers_are_uniform_and_independent():
    numbers = sample_uniforms(3, 5, np.arange(20_000), 3)
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert np.abs(counts - 3000).max() < 300
    others = [sample_uniforms(4, 5, np.arange(20_000), 3), sample_uniforms(3, 6, np.arange(20_000), 3), numbers[::-1]]
    pairs = [(numbers, other) for other in others] + [(numbers[:, :1], numbers[:, 1:2]), (numbers[1:], numbers[:-1])]
    assert all(abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.03 for a, b in pairs)


def splitmix64(state: int, count: int) -> list[int]:
    """The generator as it is published, on Python's integers."""
    numbers = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        numbers.append(mixed(state))
    return numbers


def mixed(word: int) -> int:
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


@pytest.mark.parametrize(("seed", "epoch", "sample"), [(0, 0, 0), (-1, 2, 2**40), (2**64 - 1, 7, 3)])
def test_a_sample_s_numbers_are_those_of_splitmix64(seed, epoch, sample):
    """They decide what a resumed run sees: no version may change them."""
    start = mixed(mixed(seed % 2**64) ^ mixed((epoch + 0x9E3779B97F4A7C15) % 2**64))
    expected = splitmix64(mixed((start + 0x9E3779B97F4A7C15 * sample) % 2**64), 3)
    found = sample_uniforms(seed, epoch, np.array([5, sample]), 3)[1]
    assert found.tolist() == [(number >> 11) * 2.0**-53 for number in expected]
