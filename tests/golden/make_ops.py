"""Write the golden files of the op tables from PyTorch: ``python -m tests.golden.make_ops [family ...]``."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

import tests.autograd.ops as tables
from tests.autograd.ops.harness import Row, key, run
from tests.golden import ops


def families() -> dict[str, list[Row]]:
    """Return each family's rows: those of ``tests/autograd/ops/test_<family>.py``."""
    names = [each.name for each in pkgutil.iter_modules(tables.__path__) if each.name.startswith("test_")]
    modules = {name.removeprefix("test_"): importlib.import_module(f"{tables.__name__}.{name}") for name in names}
    return {family: module.ROWS for family, module in modules.items() if hasattr(module, "ROWS")}


def outcomes(rows: list[Row], torch: Any) -> ops.Cases:
    """Return what PyTorch gives for every case."""
    cases: ops.Cases = {}
    for row in rows:
        for number in range(len(row.cases)):
            outcome = run(row, number, torch)
            cases[key(row, number)] = (outcome.results, outcome.grads)
    return cases


def main(wanted: list[str]) -> None:
    import torch

    torch.manual_seed(0)  # what is left of elements that are random: their signs where they are multiplied by 0
    for family, rows in families().items():
        if not wanted or family in wanted:
            ops.save(family, outcomes(rows, torch), torch.__version__.partition("+")[0])
            print(f"{ops.path(family).name}: {ops.path(family).stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
