"""The seven workloads that speed is measured on: for each, its model, its data and one training step.

Everything is written against a library ``lib``, which is PyTorch or trainctl. Nothing here imports either, so that
a process may measure one without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from benchmarks import models

Arrays = tuple[np.ndarray, ...]
Weights = Mapping[str, np.ndarray]

SGD = ("SGD", {"lr": 0.01})
MOMENTUM = ("SGD", {"lr": 0.01, "momentum": 0.9})
ADAM = ("Adam", {"lr": 0.001})


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A model, its data, and how it is trained.

    Attributes:
        title: what a table calls it.
        bar: the time of a compiled step over that of the best peer's is to be at most this.
        batch_size: samples a step.
        classes: how many there are.
        optimizer: its name and its numbers.
        is_image: whether the input is ``[N, C, H, W]``, so that channels may lie last in memory.
        criterion: the name of the loss.
    """

    title: str
    bar: float
    batch_size: int
    classes: int = 10
    optimizer: tuple[str, Mapping[str, float]] = field(default=SGD)
    is_image: ClassVar[bool] = False
    criterion: ClassVar[str] = "CrossEntropyLoss"

    def model(self, lib: Any) -> Any:
        """A new model."""
        raise NotImplementedError

    def inputs(self, random: np.random.Generator) -> Arrays:
        """One batch of what the model takes."""
        raise NotImplementedError

    def targets(self, random: np.random.Generator) -> np.ndarray:
        """One batch of what the loss compares with."""
        return random.integers(0, self.classes, self.batch_size)

    def batch(self, seed: int = 0) -> Arrays:
        """The inputs and, last, the targets: the same for the same seed."""
        random = np.random.default_rng(seed)
        return (*self.inputs(random), self.targets(random))


@dataclass(frozen=True, kw_only=True)
class Dense(Workload):
    widths: tuple[int, ...] = (784, 128)

    def model(self, lib: Any) -> Any:
        return models.mlp(lib.nn, [*self.widths, self.classes])

    def inputs(self, random: np.random.Generator) -> Arrays:
        return (random.standard_normal((self.batch_size, self.widths[0]), np.float32),)


@dataclass(frozen=True, kw_only=True)
class ConvNet(Workload):
    channels: int = 32
    size: int = 28
    hidden: int = 128
    is_image = True

    def model(self, lib: Any) -> Any:
        return models.cnn(lib.nn, self.channels, self.size, self.hidden, self.classes)

    def inputs(self, random: np.random.Generator) -> Arrays:
        return (random.standard_normal((self.batch_size, 1, self.size, self.size), np.float32),)


@dataclass(frozen=True, kw_only=True)
class ResNet(Workload):
    channels: tuple[int, ...] = (16, 32, 64)
    size: int = 32
    is_image = True

    def model(self, lib: Any) -> Any:
        return models.resnet8(lib.nn, self.channels, self.classes)

    def inputs(self, random: np.random.Generator) -> Arrays:
        return (random.standard_normal((self.batch_size, 3, self.size, self.size), np.float32),)


@dataclass(frozen=True, kw_only=True)
class LSTMClassifier(Workload):
    vocabulary: int = 5000
    width: int = 64
    hidden: int = 128
    time: int = 64

    def model(self, lib: Any) -> Any:
        return models.lstm_classifier(lib.nn, self.vocabulary, self.width, self.hidden, self.classes)

    def inputs(self, random: np.random.Generator) -> Arrays:
        return (random.integers(0, self.vocabulary, (self.batch_size, self.time)),)


@dataclass(frozen=True, kw_only=True)
class Transformer(Workload):
    layers: int = 2
    width: int = 128
    heads: int = 4
    hidden: int = 512
    time: int = 64

    def model(self, lib: Any) -> Any:
        return models.transformer_classifier(lib.nn, self.layers, self.width, self.heads, self.hidden, self.classes)

    def inputs(self, random: np.random.Generator) -> Arrays:
        return (random.standard_normal((self.batch_size, self.time, self.width), np.float32),)


@dataclass(frozen=True, kw_only=True)
class Recommender(Workload):
    users: int = 50000
    items: int = 20000
    width: int = 32
    hidden: int = 64
    criterion = "BCEWithLogitsLoss"

    def model(self, lib: Any) -> Any:
        return models.recommender(lib, self.users, self.items, self.width, self.hidden)

    def inputs(self, random: np.random.Generator) -> Arrays:
        return random.integers(0, self.users, self.batch_size), random.integers(0, self.items, self.batch_size)

    def targets(self, random: np.random.Generator) -> np.ndarray:
        return random.integers(0, 2, self.batch_size).astype(np.float32)


WORKLOADS: dict[str, Workload] = {
    "mlp": Dense(title="MLP", bar=0.65, batch_size=64, optimizer=MOMENTUM),
    "cnn": ConvNet(title="CNN", bar=0.75, batch_size=64),
    "resnet8": ResNet(title="ResNet-8", bar=0.85, batch_size=64),
    "lstm": LSTMClassifier(title="LSTM classifier", bar=0.90, batch_size=32, classes=2, optimizer=ADAM),
    "transformer": Transformer(title="Transformer encoder", bar=0.75, batch_size=32, optimizer=ADAM),
    "recommender": Recommender(title="recommender", bar=0.20, batch_size=256, optimizer=ADAM),
    "big_mlp": Dense(title="big MLP", bar=0.85, batch_size=256, widths=(1024, 4096, 4096), optimizer=MOMENTUM),
}


@dataclass
class Training:
    """A workload in one library.

    Attributes:
        model: the model.
        batch: the tensors of one batch, targets last.
        step: takes a batch, trains on it, returns the loss.
    """

    model: Any
    batch: list[Any]
    step: Callable[..., Any]

    def __call__(self) -> Any:
        """Train one step."""
        return self.step(*self.batch)


def training(workload: Workload, lib: Any, weights: Weights | None = None, **options: Any) -> Training:
    """Set a workload up in ``lib``, from given weights or those of seed 0; ``options`` go to the optimizer too."""
    lib.manual_seed(0)
    model = workload.model(lib)
    if weights is not None:
        model.load_state_dict({name: lib.from_numpy(array.copy()) for name, array in weights.items()})
    criterion = getattr(lib.nn, workload.criterion)()
    name, numbers = workload.optimizer
    optimizer = getattr(lib.optim, name)(model.parameters(), **numbers, **options)

    def step(*batch: Any) -> Any:
        *inputs, targets = batch
        optimizer.zero_grad()
        loss = criterion(model(*inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return Training(model, [lib.from_numpy(array) for array in workload.batch()], step)


def weights_of(model: Any) -> Weights:
    """A copy of everything in the model's ``state_dict``."""
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}
