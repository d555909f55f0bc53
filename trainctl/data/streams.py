"""Random numbers of a sample's own: a function of (seed, epoch, sample), whoever asks, whenever, in whatever batch.

Each sample has a SplitMix64 stream (Steele, Lea and Flood 2014) per epoch, whose start is mixed from the three. The
arithmetic is that of 64-bit integers, so the numbers are the same everywhere.
"""

from __future__ import annotations

import numpy as np

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def sample_uniforms(seed: int, epoch: int, samples: np.ndarray, count: int) -> np.ndarray:
    """Return numbers from 0 to below 1, float64 [len(samples), count].

    Args:
        seed: any integer; its low 64 bits count.
        epoch: from 0.
        samples: their indices in the dataset, int64.
        count: numbers for each.

    Example:
        >>> both = sample_uniforms(0, 1, np.array([7, 3]), 2)
        >>> bool((both[1] == sample_uniforms(0, 1, np.array([3]), 2)[0]).all())
        True
    """
    start = _mix(_mix(_words(seed)) ^ _mix(_words(epoch) + _GAMMA))
    states = _mix(start + _GAMMA * samples.astype(np.uint64))
    steps = _GAMMA * np.arange(1, count + 1, dtype=np.uint64)
    return (_mix(states[:, None] + steps) >> np.uint64(11)) * 2.0**-53


def _words(value: int) -> np.ndarray:
    return np.array([value % 2**64], np.uint64)  # an array: arithmetic of NumPy's scalars warns where it wraps


def _mix(words: np.ndarray) -> np.ndarray:
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
