"""Transforms do the plain formula, to a sample as to a batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainctl
from trainctl.data import Compose, Normalize
from trainctl.data.transforms import takes_batches

NUMBERS = st.floats(-10, 10, width=32)
POSITIVE = st.floats(0.0625, 10, width=32)


def images(*shape: int, dtype=np.float32) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(dtype)


@given(mean=st.lists(NUMBERS, min_size=3, max_size=3), std=st.lists(POSITIVE, min_size=3, max_size=3))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize_is_the_plain_formula(mean, std, dtype):
    batch = images(2, 3, 4, 5, dtype=dtype)
    before = batch.copy()
    actual = Normalize(mean, std)(trainctl.from_numpy(batch))
    expected = np.empty_like(batch)
    for channel in range(3):
        expected[:, channel] = (batch[:, channel] - dtype(mean[channel])) / dtype(std[channel])
    np.testing.assert_array_equal(actual.numpy(), expected)
    np.testing.assert_array_equal(batch, before)
    assert actual.dtype == trainctl.from_numpy(batch).dtype


@pytest.mark.parametrize("normalize", [Normalize(0.1307, 0.3081), Normalize([0.1, 0.2, 0.3], 0.5)])
def test_a_sample_is_treated_as_in_its_batch(normalize):
    batch = images(4, 3, 2, 2)
    whole = normalize(trainctl.from_numpy(batch)).numpy()
    for index, sample in enumerate(batch):
        np.testing.assert_array_equal(normalize(trainctl.from_numpy(sample)).numpy(), whole[index])


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (0.0, 0.0, "std should not be zero"),
        ([0.0, 0.0], [1.0, 0.0], "std should not be zero"),
        (0.0, 1e-60, "so small that float32 makes it so"),
        (1e300, 1.0, "mean should be a finite float32 number"),
        (float("nan"), 1.0, "mean should be a finite float32 number"),
        (0.0, [float("inf")], "std should be a finite float32 number"),
        ([], 1.0, "mean should be a finite float32 number or a list"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(mean, std, message):
    with pytest.raises(ValueError, match=message):
        Normalize(mean, std)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((3, 2, 2), np.uint8), TypeError, "floating point, got .*uint8"),
        (np.zeros((2, 2), np.float32), ValueError, r"\[\.\.\., C, H, W\], got shape \[2, 2\]"),
        (np.zeros((1, 2, 2), np.float32), ValueError, "mean for 3 channels, got an image of 1"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(image, error, message):
    with pytest.raises(error, match=message):
        Normalize([0.0, 0.0, 0.0], 1.0)(trainctl.from_numpy(image))


def test_compose_is_one_after_another():
    image = trainctl.from_numpy(images(1, 2, 2))
    both = Compose([Normalize(0.5, 0.5), lambda image: image * 2])
    np.testing.assert_array_equal(both(image).numpy(), 2 * Normalize(0.5, 0.5)(image).numpy())
    assert Compose([])(image) is image


def test_batches_are_taken_only_by_what_says_so():
    assert takes_batches(Compose([Normalize(0, 1), Compose([])]))
    assert not takes_batches(Compose([Normalize(0, 1), abs]))
    assert not takes_batches(abs)


def test_a_transform_shows_its_arguments():
    assert repr(Compose([Normalize(0.5, [1, 2])])) == "Compose([Normalize(mean=[0.5], std=[1.0, 2.0])])"
