"""Codes and their grids: PyTorch's rounding to the bit, the grid that spans numbers, codes two to a byte."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.backend.quantized_array import QuantizedArray, chosen, codes_of, packed, unpacked
from trainctl.backend.quantized_dtypes import qint8, qint32, quint4x2, quint8

KINDS = [quint8, qint8, qint32, quint4x2]
LIMITS = {quint8: (0, 255), qint8: (-128, 127), qint32: (-(2**31), 2**31 - 1), quint4x2: (0, 15)}


def near_ties(count: int, seed: int = 0) -> tuple[np.ndarray, float, int]:
    """Return numbers that lie half-way between two steps as far as float32 can tell, a scale and a zero point."""
    rng = np.random.default_rng(seed)
    scale = float(rng.uniform(1e-3, 0.2))
    return (np.float32(scale) * (rng.integers(-100, 200, count) + 0.5)).astype(np.float32), scale, int(rng.integers(15))


@pytest.mark.parametrize("kind", [quint8, qint8])
def test_bytes_are_rounded_once(kind):
    x, scale, zero_point = near_ties(200)
    inverse = np.float32(1) / np.float32(scale)
    low, high = LIMITS[kind]
    for number, code in zip(x, codes_of(x, kind, scale, zero_point), strict=True):
        exact = (
            Fraction(float(number)) * Fraction(float(inverse)) + zero_point
        )  # then to float32, then to a whole number
        assert code == min(max(round(Fraction(float(np.float32(float(exact))))), low), high)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_codes_stay_within_their_limits(kind):
    low, high = LIMITS[kind]
    codes = codes_of(np.float32([np.inf, 1e30, -1e30, -np.inf]), kind, 0.1, 3)
    assert codes.tolist() == [high, high, low, low]
    assert codes_of(np.float32([np.nan]), kind, 0.1, 3).tolist() == [low if kind is qint32 else high]
    assert codes_of(np.zeros((0, 2), np.float32), kind, 0.1, 3).shape == (0, 2)
    assert codes_of(np.float32(0.5), kind, 0.5, 3).item() == 4
    assert codes_of(np.float32([[1, 2], [3, 4]]).T, kind, 1.0, 0).tolist() == [[1, 3], [2, 4]]


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
@pytest.mark.parametrize("kind", [quint8, qint8, qint32], ids=repr)
def test_codes_are_pytorch_s_to_the_bit(kind):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    theirs = getattr(torch, kind.name)
    for seed in range(20):
        x, scale, zero_point = near_ties(333, seed)
        x[::3] = np.random.default_rng(seed).normal(size=111)
        wanted = torch.quantize_per_tensor(torch.from_numpy(x), scale, zero_point, theirs)
        assert np.array_equal(codes_of(x, kind, scale, zero_point), wanted.int_repr().numpy())
        rows, scales, zero_points = (
            np.stack([x, x, x], 1),
            scale * np.float64([1, 1.1, 0.7]),
            np.int64([0, 3, zero_point]),
        )
        grids = torch.from_numpy(scales), torch.from_numpy(zero_points)
        of_channels = torch.quantize_per_channel(torch.from_numpy(rows), *grids, 1, theirs)
        assert np.array_equal(codes_of(rows, kind, scales, zero_points, 1), of_channels.int_repr().numpy())


@pytest.mark.parametrize("limits", [(0, 255), (0, 127), (-128, 127)])
@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=5))
def test_a_grid_that_is_found_spans_the_numbers_and_0(limits, values):
    x = np.float32(values)
    scale, zero_point = chosen(x, *limits)
    assert scale > 0
    assert limits[0] <= zero_point <= limits[1]
    ends = (np.float64(limits) - zero_point) * scale
    assert ends[0] - scale <= min(x.min(), 0)
    assert ends[1] + scale >= max(x.max(), 0)


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
@pytest.mark.parametrize("reduces", [True, False])
def test_a_grid_that_is_found_is_pytorch_s(reduces):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    rng = np.random.default_rng(0)
    cases = [rng.normal(rng.normal(), 10.0 ** rng.integers(-6, 4), 9).astype(np.float32) for _ in range(50)]
    for x in [*cases, np.float32([0, 0]), np.float32([1e-30]), np.float32([-1e-6, 0]), np.float32([5, 5])]:
        wanted = torch.quantize_per_tensor_dynamic(torch.from_numpy(x), torch.quint8, reduces)
        assert chosen(x, 0, 127 if reduces else 255) == (wanted.q_scale(), wanted.q_zero_point())


@given(codes=st.lists(st.integers(0, 15), max_size=9))
def test_halves_of_bytes_come_back(codes):
    array = np.uint8(codes)
    halves = packed(array)
    assert len(halves) == (len(codes) + 1) // 2
    assert np.array_equal(unpacked(halves, array.shape), array)


def test_an_array_of_codes_is_no_array_of_numbers():
    array = QuantizedArray(np.uint8([3, 4]), quint8, 0.5, 2)
    with pytest.raises(TypeError, match=r"use int_repr\(\) or dequantize\(\)"):
        np.asarray(array)
    with pytest.raises(TypeError, match="operand 'QuantizedArray' does not support ufuncs"):
        np.add(array, 1)
    with pytest.raises(RuntimeError, match="is not cast"):
        array.astype(np.float32)
    with pytest.raises(AttributeError):
        _ = array.mean
    assert array.values.tolist() == [0.5, 1.0]
    assert len(array) == array.size == array.nbytes == 2
