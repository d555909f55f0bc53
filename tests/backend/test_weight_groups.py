"""Weights in few bits: the grids against plain formulas, packing against an independent reader."""

import numpy
import pytest

from trainctl.backend.weight_groups import (
    ROWS_OF_8_BITS,
    GroupFormat,
    nearest_codes,
    pack,
    packed_size,
    quantize_groups,
    unpack,
)

RNG = numpy.random.default_rng(0)


def squared_error(weight, form):
    return float(((quantize_groups(weight, form).dequantize() - weight) ** 2).sum())


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("shape", [(0,), (1,), (2,), (3,), (7,), (8,), (5, 3), (2, 1, 3)])
@pytest.mark.parametrize("signed", [False, True])
def test_packed_codes_come_back_whatever_their_number(bits, shape, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    codes = RNG.integers(low, high, shape).astype(numpy.int8 if signed else numpy.uint8)
    packed = pack(codes, bits)
    assert packed.size == packed_size(codes.size, bits)
    stream = int.from_bytes(packed.tobytes(), "little")
    assert [stream >> bits * place & 2**bits - 1 for place in range(codes.size)] == [
        int(code) % 2**bits for code in codes.ravel()
    ]
    back = unpack(packed, bits, shape, signed)
    assert back.dtype == codes.dtype
    numpy.testing.assert_array_equal(back, codes)


def test_packing_takes_what_is_not_contiguous():
    codes = numpy.arange(12, dtype=numpy.uint8).reshape(3, 4).T
    numpy.testing.assert_array_equal(unpack(pack(codes, 4), 4, (4, 3), False), codes)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_another_number_of_bytes_is_refused(size):
    with pytest.raises(ValueError, match="3 codes of 4 bits take 2 bytes, got"):
        unpack(numpy.zeros(size, numpy.uint8), 4, (3,), False)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("group_size", [1, 4, 5, 32, None])
@pytest.mark.parametrize("shape", [(3, 16), (2, 33), (4, 1), (2, 0), (0, 3)])
def test_a_code_is_the_nearest_of_its_group_s_grid(bits, symmetric, group_size, shape):
    weight = RNG.normal(size=shape).astype(numpy.float32)
    form = GroupFormat(bits, group_size, symmetric)
    found = quantize_groups(weight, form)
    size = shape[1] if group_size is None else group_size
    assert found.codes.shape == shape
    assert found.scale.shape == (shape[0], -(-shape[1] // size) if shape[1] else 0)
    low, high = found.form.codes
    values = found.dequantize()
    for row, column in numpy.ndindex(shape):
        group = column // size
        point = 0 if symmetric else int(found.zero_point[row, group])
        grid = (numpy.arange(low, high + 1) - point).astype(numpy.float64) * float(found.scale[row, group])
        at = int(found.codes[row, column])
        assert low <= at <= high
        assert values[row, column] == numpy.float32(grid[at - low])
        assert abs(grid[at - low] - weight[row, column]) <= abs(grid - weight[row, column]).min() * (1 + 1e-5)


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_searched_grid_is_never_worse_than_one_over_the_whole_range(symmetric):
    weight = RNG.standard_t(4, size=(64, 32)).astype(numpy.float32)
    found = quantize_groups(weight, GroupFormat(4, 32, symmetric, "float32"))
    for row, values in enumerate(weight):
        if symmetric:
            scale, point = abs(values).max() / 7, 0
        else:
            scale = (values.max() - values.min()) / 15
            point = round(-values.min() / scale)
        whole = (numpy.clip(numpy.rint(values / scale) + point, *found.form.codes) - point) * scale
        assert ((found.dequantize()[row] - values) ** 2).sum() <= ((whole - values) ** 2).sum() * (1 + 1e-5)


def test_smaller_groups_and_zero_points_and_bits_lower_the_error():
    weight = RNG.normal(size=(64, 256)).astype(numpy.float32)
    errors = [squared_error(weight, GroupFormat(4, size)) for size in (None, 64, 32, 16)]
    assert errors == sorted(errors, reverse=True)
    assert squared_error(weight, GroupFormat(4)) < squared_error(weight, GroupFormat(4, symmetric=True))
    by_bits = [squared_error(weight, GroupFormat(bits)) for bits in range(2, 9)]
    assert by_bits == sorted(by_bits, reverse=True)


def test_float16_scales_cost_next_to_nothing():
    weight = RNG.normal(size=(64, 256)).astype(numpy.float32)
    half, single = (squared_error(weight, GroupFormat(4, scale_dtype=name)) for name in ("float16", "float32"))
    assert half < single * 1.001


def test_8_bits_a_row_are_absmax_over_127():
    weight = RNG.normal(size=(5, 40)).astype(numpy.float32)
    found = quantize_groups(weight, ROWS_OF_8_BITS)
    scale = abs(weight).max(1, keepdims=True) / numpy.float32(127)
    numpy.testing.assert_array_equal(found.scale, scale)
    numpy.testing.assert_array_equal(found.codes, numpy.rint(weight / scale))
    assert found.codes.dtype == numpy.int8
    assert found.zero_point is None


@pytest.mark.parametrize("symmetric", [False, True])
def test_zeros_are_exact_and_have_a_scale_to_divide_by(symmetric):
    found = quantize_groups(numpy.zeros((2, 40), numpy.float32), GroupFormat(4, symmetric=symmetric))
    assert (found.scale == 1).all()
    assert not found.dequantize().any()
    weight = RNG.normal(size=(8, 32)).astype(numpy.float32)
    weight[:, ::3] = 0
    assert not quantize_groups(weight, GroupFormat(4, symmetric=symmetric)).dequantize()[:, ::3].any()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("value", [0.7, -0.7, 1e-3, 1e-30, 1e30, 3e-42])
def test_a_constant_group_is_that_constant(symmetric, value):
    weight = numpy.full((1, 32), value, numpy.float32)
    found = quantize_groups(weight, GroupFormat(4, symmetric=symmetric))
    numpy.testing.assert_allclose(found.dequantize(), weight, rtol=0.001, atol=3e-45)


@pytest.mark.parametrize(("size", "kept_as"), [(1e-30, 32), (1e-5, 32), (0.01, 16), (1.0, 16), (1e5, 16), (1e30, 32)])
def test_the_size_of_the_weights_does_not_matter(size, kept_as):
    weight = RNG.normal(size=(4, 64))
    found = quantize_groups((weight * size).astype(numpy.float32), GroupFormat(4))
    assert found.form.scale_dtype == found.scale.dtype == f"float{kept_as}"
    numpy.testing.assert_allclose(found.dequantize() / size, weight, atol=0.4)


def test_a_group_far_below_the_rest_keeps_float16_scales():
    weight = RNG.normal(size=(2, 64)).astype(numpy.float32)
    weight[1] *= 1e-9
    found = quantize_groups(weight, GroupFormat(4))
    assert found.scale.dtype == numpy.float16
    assert (found.scale > 0).all()
    assert abs(found.dequantize()[1] - weight[1]).max() < 1e-7


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf, -numpy.inf])
def test_what_is_not_finite_is_refused(bad):
    weight = numpy.ones((2, 3), numpy.float32)
    weight[1, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        quantize_groups(weight, GroupFormat())


@pytest.mark.parametrize("symmetric", [False, True])
def test_weights_up_to_a_grid_s_end_in_float32(symmetric):
    weight = numpy.full((1, 4), 3e38, numpy.float32)
    weight[0, 1] *= -1
    found = quantize_groups(weight, GroupFormat(8, symmetric=symmetric))
    assert numpy.isfinite(found.dequantize()).all()


def test_a_grid_past_the_end_of_float32_is_refused():
    largest = numpy.finfo(numpy.float32).max
    with pytest.raises(ValueError, match="too large"):
        quantize_groups(numpy.float32([[largest, -0.6 * largest, 0.5 * largest]]), GroupFormat(4))


def test_codes_of_other_weights_on_a_grid():
    weight = RNG.normal(size=(3, 40)).astype(numpy.float32)
    grid = quantize_groups(weight, GroupFormat())
    numpy.testing.assert_array_equal(nearest_codes(weight, grid), grid.codes)
    assert nearest_codes(weight + 100, grid).min() == 15


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": 1},
        {"bits": 9},
        {"bits": True},
        {"bits": 4.0},
        {"group_size": 0},
        {"group_size": 2.5},
        {"scale_dtype": "f"},
    ],
)
def test_a_format_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GroupFormat(**wrong)
