"""configs/mlp.yaml as a PyTorch script: same data, split, net, optimizer, batches, validation, checkpoints.

`--batches dataloader` reads batches as PyTorch's own tutorials do. `--batches index` is the best that plain
PyTorch offers for data in memory: one gather a batch, no DataLoader.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

SAMPLES_AT_ONCE = 1000  # in evaluation


def read_idx(path: Path, header: int) -> np.ndarray:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), dtype=np.uint8)[header:]


def load(root: Path, part: str) -> tuple[Tensor, Tensor]:
    images = read_idx(root / f"{part}-images-idx3-ubyte.gz", header=16).reshape(-1, 1, 28, 28)
    labels = read_idx(root / f"{part}-labels-idx1-ubyte.gz", header=8)
    scaled = torch.from_numpy(images.astype(np.float32)).div_(255)
    return scaled.sub_(0.1307).div_(0.3081), torch.from_numpy(labels.astype(np.int64))


class IndexedBatches:
    """Batches gathered by index from tensors in memory."""

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int, shuffle: bool = False) -> None:
        self.images, self.labels, self.batch_size, self.shuffle = images, labels, batch_size, shuffle

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.labels)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        for indices in order.split(self.batch_size):
            yield self.images[indices], self.labels[indices]


def make_loaders(kind: str, root: Path, batch_size: int) -> tuple:
    """Batches for training, validation and test."""
    train_set, test_set = TensorDataset(*load(root, "train")), TensorDataset(*load(root, "t10k"))
    train_part, val_part = random_split(train_set, [0.9, 0.1])
    if kind == "dataloader":
        return (
            DataLoader(train_part, batch_size=batch_size, shuffle=True),
            DataLoader(val_part, batch_size=SAMPLES_AT_ONCE),
            DataLoader(test_set, batch_size=SAMPLES_AT_ONCE),
        )
    train_index, val_index = torch.tensor(train_part.indices), torch.tensor(val_part.indices)
    return (
        IndexedBatches(*train_set[train_index], batch_size, shuffle=True),
        IndexedBatches(*train_set[val_index], SAMPLES_AT_ONCE),
        IndexedBatches(*test_set.tensors, SAMPLES_AT_ONCE),
    )


@torch.no_grad()
def evaluate(net: nn.Module, criterion: nn.Module, loader: DataLoader | IndexedBatches) -> tuple[float, float]:
    """Mean loss and accuracy."""
    net.eval()
    loss = correct = count = 0
    for inputs, labels in loader:
        outputs = net(inputs)
        loss += criterion(outputs, labels).item() * len(labels)
        correct += (outputs.argmax(dim=1) == labels).sum().item()
        count += len(labels)
    net.train()
    return loss / count, correct / count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", choices=["dataloader", "index"], required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    train_loader, val_loader, test_loader = make_loaders(args.batches, args.root, batch_size=64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    args.output_dir.mkdir(parents=True)

    for epoch in range(1, args.epochs + 1):
        running_loss = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        val_loss, val_accuracy = evaluate(net, criterion, val_loader)
        state = {"epoch": epoch, "model": net.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state, args.output_dir / f"epoch-{epoch}.pt")
        print(f"epoch {epoch}: {running_loss / len(train_loader):.4f} {val_loss:.4f} {val_accuracy:.4f}")

    test_loss, test_accuracy = evaluate(net, criterion, test_loader)
    summary = {"test_loss": test_loss, "test_metrics": {"accuracy": test_accuracy}}
    (args.output_dir / "summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()
