"""Write the golden files of training from PyTorch: python -m tests.golden.make_golden."""

from __future__ import annotations

from tests import golden
from tests.parity import mlp, optimizers, quantized_models, quantizers, trainings


def main() -> None:
    import torch

    paths = {name: path.tolist() for name, path in optimizers.paths(torch).items()}
    golden.write(golden.OPTIMIZERS, torch.__version__, paths=paths)
    golden.write(golden.MLP, torch.__version__, losses=mlp.losses(torch))
    golden.write(golden.QUANTIZERS, torch.__version__, outcomes=quantizers.outcomes(torch))
    golden.write(golden.TRAININGS, torch.__version__, losses=trainings.losses(torch))
    golden.write(golden.QUANTIZED_MODELS, torch.__version__, models=quantized_models.results(torch))


if __name__ == "__main__":
    main()
