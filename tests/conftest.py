"""What every test starts from."""

from __future__ import annotations

import gc
import os

# Before NumPy and PyTorch are imported: the tests' arrays are small, and idle workers of NumPy's BLAS library and of
# PyTorch's OpenMP spin on cores that other tests need. What tests about threads ask for by name they still get.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# Files a test runs or reads; not tests themselves.
collect_ignore = ["fixtures"]

# Timing varies on shared machines; CI's answer must not vary with the examples drawn.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_finish() -> None:
    """Take the tests themselves, tens of thousands of objects, out of what each garbage collection goes through."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the person who runs the tests decide nothing in them."""
    for name in list(os.environ):
        if name.startswith("TRAINCTL__") or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}:
            monkeypatch.delenv(name)
