"""The MLP of configs/mlp.yaml from fixed weights on fixed batches, trained by PyTorch or by trainctl."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

MNIST = Path(__file__).parents[2] / "datasets" / "mnist"
STEPS, BATCH = 100, 64


def read_bytes(path: Path, header: int, count: int) -> np.ndarray:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(header + count), dtype=np.uint8)[header:]


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """The first images of the training set, normalised, and their labels, in the file's order."""
    samples = STEPS * BATCH
    images = read_bytes(MNIST / "train-images-idx3-ubyte.gz", header=16, count=samples * 28 * 28)
    images = ((images.astype(np.float32) / 255 - 0.1307) / 0.3081).astype(np.float32)
    images = images.reshape(STEPS, BATCH, 1, 28, 28)
    labels = (
        read_bytes(MNIST / "train-labels-idx1-ubyte.gz", header=8, count=samples).astype(np.int64).reshape(STEPS, BATCH)
    )
    return list(zip(images, labels, strict=True))


def initial_weights() -> dict[str, np.ndarray]:
    """Weights of the usual size from a stream that no version of NumPy changes."""
    random, weights = np.random.RandomState(0), {}
    for name, outputs, inputs in (("1", 128, 784), ("3", 10, 128)):
        bound = inputs**-0.5
        weights[f"{name}.weight"] = random.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)
        weights[f"{name}.bias"] = random.uniform(-bound, bound, outputs).astype(np.float32)
    return weights


def losses(torch: Any) -> list[float]:
    """The loss of every step."""
    nn = torch.nn
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    net.load_state_dict({name: torch.from_numpy(array) for name, array in initial_weights().items()})
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    history = []
    for images, labels in batches():
        optimizer.zero_grad()
        loss = criterion(net(torch.from_numpy(images)), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history
