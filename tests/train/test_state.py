from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trainctl
from trainctl import nn, optim
from trainctl.errors import CheckpointError
from trainctl.train.checkpoint import Checkpoint, Progress, encode, read_checkpoint
from trainctl.train.state import capture, load_weights, restore

OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "adam": lambda parameters: optim.Adam(parameters, lr=1e-3, betas=(0.8, 0.99)),
    "amsgrad": lambda parameters: optim.Adam(parameters, lr=1e-3, amsgrad=True),
    "groups": lambda parameters: optim.SGD(
        [{"params": [parameter], "lr": 0.1 / n} for n, parameter in enumerate(parameters, 3)], momentum=0.5
    ),
}


def through_files(checkpoint: Checkpoint, directory: Path) -> Checkpoint:
    for name, data in encode(checkpoint).items():
        (directory / name).write_bytes(b"".join(data))
    return read_checkpoint(directory)


def make_model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))


def steps(model: nn.Module, optimizer: Any, count: int) -> list[float]:
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = model(trainctl.ones(5, 3)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_run_goes_on_with_the_same_bits(name: str, tmp_path: Path):
    trainctl.manual_seed(5)
    model = make_model()
    optimizer = OPTIMIZERS[name](model.parameters())
    steps(model, optimizer, 3)
    saved = through_files(
        capture(model, optimizer, config="", threads=1, kernels="numpy", progress=Progress()), tmp_path
    )
    expected = steps(model, optimizer, 4)

    trainctl.manual_seed(99)
    other = make_model()
    other_optimizer = OPTIMIZERS[name](other.parameters())
    restore(saved, other, other_optimizer)
    assert steps(other, other_optimizer, 4) == expected
    assert other_optimizer.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


@pytest.mark.parametrize(
    ("model", "lines"),
    [
        (nn.Sequential(nn.Linear(3, 4)), ["2.bias: not in the model", "2.weight: not in the model"]),
        (
            nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 3)),
            ["2.weight: float32 [2, 4] in the checkpoint, float32 [3, 4] in the model"],
        ),
        (
            nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)),
            ["1.bias: missing in the checkpoint", "1.weight: missing in the checkpoint"],
        ),
        (make_model().double(), ["0.bias: float32 [4] in the checkpoint, float64 [4] in the model"]),
        (nn.Sequential(*[nn.Linear(1, 1, bias=False) for _ in range(9)]), ["and 6 more"]),
    ],
)
def test_weights_of_another_model_are_refused(model: nn.Module, lines: list[str]):
    source = make_model()
    optimizer = optim.SGD(source.parameters(), lr=0.1)
    checkpoint = capture(source, optimizer, config="", threads=1, kernels="numpy", progress=Progress())
    before = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="not this model's") as caught:
        load_weights(checkpoint, model)
    for line in lines:
        assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 7
    assert {name: tensor.tolist() for name, tensor in model.state_dict().items()} == before


def test_state_of_another_optimizer_is_refused():
    model = make_model()
    checkpoint = capture(
        model, optim.SGD(model.parameters(), lr=0.1), config="", threads=1, kernels="numpy", progress=Progress()
    )
    with pytest.raises(CheckpointError, match="optimizer state does not fit"):
        restore(checkpoint, model, optim.SGD(model[0].parameters(), lr=0.1))


def test_a_captured_position_does_not_move_on():
    model, progress = make_model(), Progress(history=[{"epoch": 1}])
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    checkpoint = capture(model, optimizer, config="", threads=1, kernels="numpy", progress=progress)
    progress.history.append({"epoch": 2})
    progress.step = 7
    assert (len(checkpoint.progress.history), checkpoint.progress.step) == (1, 0)
