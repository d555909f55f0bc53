"""Write the golden files from PyTorch: python -m tests.golden.make_golden."""

from __future__ import annotations

from tests import golden
from tests.parity import cases, mlp


def main() -> None:
    import torch

    results = cases.run_all(torch)
    golden.write(golden.OPS, torch.__version__, results={name: array.tolist() for name, array in results.items()})
    golden.write(golden.MLP, torch.__version__, losses=mlp.losses(torch))


if __name__ == "__main__":
    main()
