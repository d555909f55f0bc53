"""Processors without the best instructions get the same bits: LLVM is told of an older one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainctl.backend import jit

REPO = Path(__file__).parents[2]
PROGRAM = """
import sys
import numpy as np
from tests.backend.integer_reference import drawn, same
from trainctl.backend.integers import tile
assert (tile.way() or ("none",))[0] == sys.argv[1], tile.way()
for seed in range(150):
    case = drawn(np.random.default_rng(seed))
    assert same(case.computed(), case.expected()), seed
"""


@pytest.mark.skipif(not jit.available(), reason="needs the extra `fast`")
@pytest.mark.parametrize(
    ("processor", "features", "way"), [("haswell", "+avx,+avx2,+fma", "avx2.pmadd.wd"), ("x86-64", "+sse2", "none")]
)
def test_an_older_processor_gets_the_same_bits(processor, features, way):
    import llvmlite.binding

    if not llvmlite.binding.get_host_cpu_features().get("avx2"):
        pytest.skip("code for AVX2 does not run here")
    env = {**os.environ, "NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features, "PYTHONPATH": str(REPO)}
    ran = subprocess.run([sys.executable, "-c", PROGRAM, way], env=env, cwd=REPO, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
