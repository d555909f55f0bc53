"""The tutorial code this project grew from runs with one word changed: torch became trainctl."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import trainctl
from tests.parity import mlp

CODE = Path(__file__).parent / "fixtures" / "seed_document"
SAMPLES = 1280


def digits() -> trainctl.utils.data.TensorDataset:
    """The first images of MNIST and their labels."""
    images, labels = (np.concatenate(arrays)[:SAMPLES] for arrays in zip(*mlp.batches(), strict=True))
    return trainctl.utils.data.TensorDataset(trainctl.from_numpy(images), trainctl.from_numpy(labels))


@pytest.mark.parametrize("block", ["network_and_training", "data_parallel"])
def test_the_network_trains(block, capsys):
    trainctl.manual_seed(0)
    trainloader = trainctl.utils.data.DataLoader(digits(), batch_size=64, shuffle=True)
    runpy.run_path(str(CODE / f"{block}.py"), init_globals={"trainloader": trainloader})
    lines = capsys.readouterr().out.splitlines()
    losses = [float(re.fullmatch(r"Epoch \d+/10, Loss: (\S+)", line)[1]) for line in lines]
    assert len(losses) == 10
    assert losses[1] < losses[0] < np.log(10)
    assert losses[-1] < 0.2 * losses[0]


def test_the_network_trains_quantization_aware(capsys):
    trainctl.manual_seed(0)
    trainloader = trainctl.utils.data.DataLoader(digits(), batch_size=64, shuffle=True)
    net = runpy.run_path(str(CODE / "quantization.py"), init_globals={"trainloader": trainloader})["net"]
    losses = [float(line.rpartition(" ")[2]) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 10
    assert losses[-1] < 0.2 * losses[0]
    images, labels = digits()[:]
    converted = trainctl.quantization.convert(net.eval())
    for name in ("fc1", "fc2"):
        trained, codes = getattr(net, name), getattr(converted, name).weight()
        assert trainctl.equal(codes.dequantize(), trained.weight_fake_quant(trained.weight))
        assert codes.int_repr().abs().max() == 127
    outputs, wanted = converted(images).detach(), net(images).detach()
    np.testing.assert_allclose(outputs, wanted, atol=1.01 * (converted.fc1.scale + converted.fc2.scale))
    assert (outputs.argmax(1) == labels).float().mean() > 0.95


def test_the_custom_layer_trains():
    trainctl.manual_seed(0)
    layer = runpy.run_path(str(CODE / "custom_layer.py"))["CustomConv2d"]
    nn = trainctl.nn
    net = nn.Sequential(layer(1, 4, kernel_size=3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(784, 10))
    assert [name for name, _ in net[0].named_parameters()] == ["conv.weight", "conv.bias"]
    images, labels = digits()[:64]
    criterion = nn.CrossEntropyLoss()
    optimizer = trainctl.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
