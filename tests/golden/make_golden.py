"""Write the golden files of training from PyTorch: python -m tests.golden.make_golden."""

from __future__ import annotations

from tests import golden
from tests.parity import mlp, optimizers, quantization, trainings


def main() -> None:
    import torch

    paths = {name: path.tolist() for name, path in optimizers.paths(torch).items()}
    golden.write(golden.OPTIMIZERS, torch.__version__, paths=paths)
    golden.write(golden.MLP, torch.__version__, losses=mlp.losses(torch))
    golden.write(golden.TRAININGS, torch.__version__, losses=trainings.losses(torch))
    golden.write(golden.QUANTIZED, torch.__version__, models=quantization.results(torch))


if __name__ == "__main__":
    main()
