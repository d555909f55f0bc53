"""Products in parts, on tiles and by BLAS, are those of the whole."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.plan.kernels.harness import check, like, run, uniform
from trainctl.autograd.ops.linalg import Linear, MatMul
from trainctl.backend import jit
from trainctl.plan.kernels import tile

numba = pytest.mark.skipif(not jit.available(), reason="kernels are compiled by the extra fast")


@pytest.fixture(autouse=True)
def everywhere(monkeypatch):
    """Let tiles be used for products whatever this processor is faster with."""
    monkeypatch.setattr(tile, "pays", lambda: True)


@pytest.mark.parametrize(
    ("n", "k", "m"), [(300, 70, 45), (1000, 600, 1), (3, 300, 1100), (512, 64, 128), (90, 513, 1060)]
)
@pytest.mark.parametrize("turned", [(), (0,), (1,), (0, 1)])
def test_matrices(n, k, m, turned):
    x = uniform(n, k, order=(1, 0) if 0 in turned else (0, 1))
    y = uniform(k, m, seed=1, order=(1, 0) if 1 in turned else (0, 1))
    check(MatMul, {}, [x, y], [lambda: np.empty((n, m), np.float32)], atol=1e-4)


def test_columns_far_apart():
    """Neither factor, nor the result, has its elements side by side."""
    x, y = uniform(200, 160)[:, ::2], uniform(80, 300, seed=1)[:, ::3]
    check(MatMul, {}, [x, y], [lambda: np.empty((200, 200), np.float32)[:, ::2]], atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear(bias, dtype):
    arrays = [uniform(300, 70), uniform(75, 70, seed=1), uniform(75, seed=2)]
    arrays = [each.astype(dtype) for each in arrays[: 3 if bias else 2]]
    check(Linear, {}, arrays, [lambda: np.empty((300, 75), dtype)], atol=1e-4)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((4, 8, 40, 16), (4, 8, 16, 40)),
        ((100, 1, 30, 20), (1, 20, 30)),
        ((2, 40, 50, 20), (40, 20, 10)),
        ((90, 20, 30), (30, 20)),
    ],
)
def test_stacks(x, y):
    x, y = uniform(*x), uniform(*y, seed=1)
    check(MatMul, {}, [x, y], [like(x @ y)], atol=1e-4)


def test_a_weight_that_is_read_only():
    """Numba has another type for it."""
    weight = uniform(75, 70)
    weight.flags.writeable = False
    check(Linear, {}, [uniform(300, 70), weight], [lambda: np.empty((300, 75), np.float32)], atol=1e-4)


def test_small_ones_are_left_alone():
    assert run(MatMul, {}, [uniform(8, 8), uniform(8, 8)], [like(uniform(8, 8))], 1) is None


@numba
@pytest.mark.parametrize(
    ("n", "k", "m"), [(1, 1, 1), (17, 5, 33), (40, 300, 16), (33, 20, 9), (8, 256, 32), (7, 257, 31), (40, 600, 70)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_tiles(n, k, m, bias):
    """Every way a tile can stick out of the result."""
    x, y, b = uniform(n, k), uniform(k, m, seed=1), uniform(m if bias else 0, seed=2)
    packed, out = tile.panels(k, m), np.full((n, m), np.nan, np.float32)
    tile.pack.compiled(y, packed, 0)
    tile.multiply.compiled(x, packed, out, b)
    np.testing.assert_allclose(out, x @ y + (b if bias else 0), rtol=1e-5, atol=1e-4)


@numba
def test_tiles_keep_nan_and_infinity():
    x, y = uniform(20, 40), uniform(40, 50, seed=1)
    x[3, 4], x[5, 6] = np.nan, np.inf
    packed, out = tile.panels(40, 50), np.empty((20, 50), np.float32)
    tile.pack.compiled(y, packed, 0)
    tile.multiply.compiled(x, packed, out, np.empty(0, np.float32))
    assert np.isnan(out[3]).all()
    assert np.isinf(out[5]).all()
    assert np.isfinite(np.delete(out, [3, 5], 0)).all()


@numba
def test_narrower_registers_give_the_same_bits(tmp_path):
    """Those of a processor without AVX-512, in a process of their own."""
    script = (
        "import sys, hashlib, numpy as np; from trainctl.plan.kernels import tile\n"
        "if sys.argv[1] == 'narrow': tile.lanes = lambda: 8\n"
        "r = np.random.RandomState(0); x, y = (r.randn(*s).astype('f4') for s in ((41, 600), (600, 70)))\n"
        "p, out = tile.panels(600, 70), np.empty((41, 70), 'f4')\n"
        "tile.pack.compiled(y, p, 0); tile.multiply.compiled(x, p, out, np.empty(0, 'f4'))\n"
        "assert np.allclose(out, x @ y, atol=1e-3); print(p.shape[2], hashlib.sha256(out.tobytes()).hexdigest())"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", script, each],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TRAINCTL_CACHE_DIR": str(tmp_path / each)},
        ).stdout.split()
        for each in ("own", "narrow")
    ]
    assert found[1][0] == "16"
    assert found[0][1] == found[1][1]
