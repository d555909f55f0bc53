"""Initial values: PyTorch's distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.nn import init

scripts = Scripts()


@scripts.gives([[0.0, 0.0], [1.0, 1.0], [0.3, 0.3], True])
def constants(lib):
    x = lib.empty(2, dtype=lib.float64)
    zeros, ones = lib.nn.init.zeros_(x).tolist(), lib.nn.init.ones_(x).tolist()
    return [zeros, ones, lib.nn.init.constant_(x, 0.3).tolist(), lib.nn.init.zeros_(x) is x]


@scripts.gives([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
def eye(lib):
    return lib.nn.init.eye_(lib.empty(2, 3))


@scripts.agrees()
def dirac(lib):
    shapes = [((4, 2, 3), 1), ((6, 2, 3, 3), 3), ((3, 6, 2), 1), ((4, 2, 1, 2, 3), 2), ((0, 2, 3), 1), ((2, 0, 3), 1)]
    return [lib.nn.init.dirac_(lib.empty(shape), groups) for shape, groups in shapes]


@scripts.gives([True] * 5)
def rows_or_columns_are_orthogonal(lib):
    found = []
    for shape in ((3, 5), (5, 3), (4, 2, 3), (1, 1), (3, 3)):
        q = lib.nn.init.orthogonal_(lib.empty(shape, dtype=lib.float64), gain=2.0).reshape(shape[0], -1)
        product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        found.append(lib.allclose(product, 4 * lib.eye(len(product), dtype=lib.float64)))
    return found


@scripts.gives([[4] * 7, [0] * 7, [10] * 7, [5] * 7])
def each_column_has_its_zeros(lib):
    return [(lib.nn.init.sparse_(lib.empty(10, 7), part) == 0).sum(0) for part in (0.33, 0.0, 1.0, 0.5)]


@scripts.raises(ValueError, "dim 0 must be divisible by groups")
def groups_that_do_not_divide(lib):
    lib.nn.init.dirac_(lib.empty(3, 2, 3), 2)


@scripts.raises(ValueError, "Only tensors with 3, 4, or 5 dimensions are supported")
def dirac_of_a_matrix(lib):
    lib.nn.init.dirac_(lib.empty(3, 2))


@scripts.raises(ValueError, "Only tensors with 2 or more dimensions are supported")
def an_orthogonal_vector(lib):
    lib.nn.init.orthogonal_(lib.empty(3))


@scripts.raises(ValueError, "Only tensors with 2 dimensions are supported")
def a_sparse_vector(lib):
    lib.nn.init.sparse_(lib.empty(3), 0.5)


@scripts.gives([1.0, 1.0, 5 / 3, 2**0.5, (2 / (1 + 0.01**2)) ** 0.5, (2 / 1.04) ** 0.5, 0.75, 1.0])
def gains(lib):
    gain = lib.nn.init.calculate_gain
    return [
        float(each)
        for each in (
            gain("linear"), gain("sigmoid"), gain("tanh"), gain("relu"), gain("leaky_relu"), gain("leaky_relu", 0.2),
            gain("selu"), gain("conv2d"),
        )
    ]  # fmt: skip


@scripts.gives([[True, None, True]] * 6)
def parameters_are_filled_without_recording(lib):
    found = []
    for name in ("uniform_", "normal_", "xavier_uniform_", "kaiming_normal_", "trunc_normal_", "orthogonal_"):
        fill = getattr(lib.nn.init, name)
        p = lib.nn.Parameter(lib.zeros(2, 2))
        fill(p)
        found.append([p.is_leaf and p.requires_grad, p.grad_fn, bool((p != 0).any())])
    return found


@scripts.raises(ValueError, "Unsupported nonlinearity swish")
def an_unknown_nonlinearity(lib):
    lib.nn.init.calculate_gain("swish")


@scripts.raises(ValueError, "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
def fans_of_a_vector(lib):
    lib.nn.init.xavier_uniform_(lib.empty(3))


@scripts.raises(ValueError, "Mode fan_sideways not supported, please use one of")
def an_unknown_mode(lib):
    lib.nn.init.kaiming_uniform_(lib.empty(2, 2), mode="fan_sideways")


@scripts.raises(ValueError, "Only tensors with 2 dimensions are supported")
def the_identity_of_a_vector(lib):
    lib.nn.init.eye_(lib.empty(3))


@scripts.gives([[[[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]], [[[1.0]], [[1.0]]]])
def where_dirac_puts_its_ones(lib):
    one, two = lib.empty(2, 2, 2), lib.empty(2, 1, 1)
    return [lib.nn.init.dirac_(one).tolist(), lib.nn.init.dirac_(two, groups=2).tolist()]


@scripts.gives([[3, 3], True])
def sparse_columns(lib):
    filled = lib.nn.init.sparse_(lib.empty(5, 2), sparsity=0.5, std=1.0)
    return [(filled == 0).sum(0), bool((filled != 0).any())]


@scripts.gives([True, True])
def truncated_normal_values(lib):
    filled = lib.nn.init.trunc_normal_(lib.empty(1000), mean=1.0, std=2.0, a=0.5, b=1.5)
    return [bool(((filled >= 0.5) & (filled <= 1.5)).all()), bool(abs(filled.mean() - 1.0) < 0.05)]


test_script = scripts.test()


def uniform_of(bound):
    return (-bound, bound, bound / 3**0.5)


def normal_of(std):
    return (-math.inf, math.inf, std)


# [out, in, kernel]: fan_in = 100 * 9, fan_out = 80 * 9
DISTRIBUTIONS = {
    "uniform": (lambda x: init.uniform_(x, -2, 2), uniform_of(2)),
    "uniform default": (lambda x: init.uniform_(x).sub_(0.5), uniform_of(0.5)),
    "normal": (lambda x: init.normal_(x, 0, 3), normal_of(3)),
    "truncated normal": (lambda x: init.trunc_normal_(x, std=2.0, a=-2.0, b=2.0), (-2.0, 2.0, 1.0791)),
    "truncated in the tails": (
        lambda x: init.trunc_normal_(x, 0.0, 1.0, 2.0, 4.0).sub_(2.3706),
        (2 - 2.3706, 4 - 2.3706, 0.3310),
    ),
    "sparse": (lambda x: init.sparse_(x.view(80, -1), 0.25, std=2.0), normal_of(2 * 0.75**0.5)),
    "normal default": (lambda x: init.normal_(x), normal_of(1)),
    "normal with a mean": (lambda x: init.normal_(x, 5.0, 0.1).sub_(5.0), normal_of(0.1)),
    "xavier uniform": (lambda x: init.xavier_uniform_(x), uniform_of((6 / 1620) ** 0.5)),
    "xavier uniform gain": (lambda x: init.xavier_uniform_(x, gain=2), uniform_of(2 * (6 / 1620) ** 0.5)),
    "xavier normal": (lambda x: init.xavier_normal_(x), normal_of((2 / 1620) ** 0.5)),
    "kaiming uniform": (lambda x: init.kaiming_uniform_(x), uniform_of((6 / 900) ** 0.5)),
    "kaiming uniform a": (lambda x: init.kaiming_uniform_(x, a=math.sqrt(5)), uniform_of(900**-0.5)),
    "kaiming uniform fan_out": (lambda x: init.kaiming_uniform_(x, mode="fan_out"), uniform_of((6 / 720) ** 0.5)),
    "kaiming uniform tanh": (
        lambda x: init.kaiming_uniform_(x, nonlinearity="tanh"),
        uniform_of(5 / 3 * (3 / 900) ** 0.5),
    ),
    "kaiming normal relu": (lambda x: init.kaiming_normal_(x, nonlinearity="relu"), normal_of((2 / 900) ** 0.5)),
    "kaiming normal fan_out": (lambda x: init.kaiming_normal_(x, mode="fan_out"), normal_of((2 / 720) ** 0.5)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_distribution_has_its_bounds_and_its_spread(name):
    fill, (low, high, std) = DISTRIBUTIONS[name]
    trainctl.manual_seed(0)
    values = fill(trainctl.empty(80, 100, 3, 3)).numpy()
    assert low <= values.min() < values.max() <= high
    assert values.mean() == pytest.approx(0, abs=0.02 * std)
    assert values.std() == pytest.approx(std, rel=0.01)
    if high < math.inf:
        assert values.max() > 0.999 * high


@pytest.mark.parametrize("dtype", [trainctl.float16, trainctl.float32, trainctl.float64])
def test_the_dtype_stays(dtype):
    for fill in (init.uniform_, init.normal_, init.kaiming_uniform_, init.xavier_normal_):
        assert fill(trainctl.empty(4, 4, dtype=dtype)).dtype is dtype


def test_a_generator_decides():
    draws = [
        init.normal_(trainctl.empty(5), generator=trainctl.Generator().manual_seed(seed)).tolist() for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_uniform_draw_fills_the_interval_evenly():
    trainctl.manual_seed(0)
    counts, _ = np.histogram(init.uniform_(trainctl.empty(100_000), -1, 1).numpy(), bins=10, range=(-1, 1))
    assert abs(counts - 10_000).max() < 500


def test_tensors_of_size_zero_stay_as_they_are():
    assert init.kaiming_uniform_(trainctl.empty(0, 3)).shape == (0, 3)
    assert init.kaiming_normal_(trainctl.empty(3, 0)).shape == (3, 0)


def test_a_mean_far_from_what_may_stay_is_warned_of():
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        values = init.trunc_normal_(trainctl.empty(100), mean=10.0, std=1.0, a=-2.0, b=2.0)
    assert (values.abs() <= 2).all()
