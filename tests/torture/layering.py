"""Integer layers drawn at random, by the million: each gives what int64 sums and a rounding of their own give.

``python -m tests.torture.layering COUNT [FIRST]`` tries the seeds from FIRST on, every fourth with NumPy alone, and ends
with 1 at the first that differs; ``python -m tests.torture.layering 1 SEED`` tries that one again.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.backend.integer_reference import drawn, same, with_numpy_alone


def main(count: int, first: int = 0) -> int:
    """Try seeds and say how many numbers were compared; return 1 if there is one that differs."""
    started, numbers = time.perf_counter(), 0
    for seed in range(first, first + count):
        case = drawn(np.random.default_rng(seed))
        wanted = case.expected()
        if seed % 4:
            got = case.computed()
        else:
            with with_numpy_alone():
                got = case.computed()
        if not same(got, wanted):
            print(f"seed {seed}: {case}", file=sys.stderr)
            return 1
        numbers += wanted.size
    print(f"{count} integer layers, {numbers} numbers, all exact, in {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
