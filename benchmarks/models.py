"""The models of the workloads, each written once against ``nn``: PyTorch's, or ours, which has the same names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def mlp(nn: Any, widths: Sequence[int]) -> Any:
    """Linear layers with ReLU between them: ``[N, widths[0]] -> [N, widths[-1]]``."""
    layers: list[Any] = []
    for before, width in pairwise(widths):
        layers += [nn.Linear(before, width), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn(nn: Any, channels: int, size: int, hidden: int, classes: int) -> Any:
    """Two rounds of convolution, ReLU and pooling, then two linear layers: ``[N, 1, size, size] -> [N, classes]``."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * channels * (size // 4) ** 2, hidden), nn.ReLU(), nn.Linear(hidden, classes),
    )  # fmt: skip


def residual(nn: Any, before: int, channels: int, stride: int) -> Any:
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the sizes differ."""

    def convolution(inputs: int, kernel: int, step: int) -> Any:
        conv = nn.Conv2d(inputs, channels, kernel, stride=step, padding=kernel // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(channels))

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(convolution(before, 3, stride), nn.ReLU(), convolution(channels, 3, 1))
            same = before == channels and stride == 1
            self.shortcut = nn.Identity() if same else convolution(before, 1, stride)

        def forward(self, x: Any) -> Any:
            return (self.body(x) + self.shortcut(x)).relu()

    return Residual()


def resnet8(nn: Any, channels: Sequence[int], classes: int) -> Any:
    """A residual network with one block a stage, as He et al. (2015) build them for small images."""
    first = channels[0]
    stem = [nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU()]
    sizes = zip([first, *channels], channels, [1, *[2] * len(channels)], strict=False)
    stages = [residual(nn, before, each, stride) for before, each, stride in sizes]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], classes))


def lstm_classifier(nn: Any, vocabulary: int, width: int, hidden: int, classes: int) -> Any:
    """The last state of an LSTM over embedded tokens, classified: ``[N, T] -> [N, classes]``."""

    class LSTMClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, width)
            self.lstm = nn.LSTM(width, hidden, batch_first=True)
            self.head = nn.Linear(hidden, classes)

        def forward(self, tokens: Any) -> Any:
            _, (last, _) = self.lstm(self.embedding(tokens))
            return self.head(last[-1])

    return LSTMClassifier()


def transformer_classifier(nn: Any, layers: int, width: int, heads: int, hidden: int, classes: int) -> Any:
    """The mean over time of a Transformer encoder's outputs, classified: ``[N, T, width] -> [N, classes]``."""

    class TransformerClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # No dropout: each library draws its own, and the losses are to be compared.
            layer = nn.TransformerEncoderLayer(width, heads, hidden, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
            self.head = nn.Linear(width, classes)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(x).mean(1))

    return TransformerClassifier()


def recommender(lib: Any, users: int, items: int, width: int, hidden: int) -> Any:
    """A score for each pair of user and item, from their embeddings: two of ``[N] -> [N]``."""
    nn = lib.nn

    class Recommender(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.user, self.item = nn.Embedding(users, width), nn.Embedding(items, width)
            self.score = mlp(nn, [2 * width, hidden, 1])

        def forward(self, user: Any, item: Any) -> Any:
            return self.score(lib.cat([self.user(user), self.item(item)], 1)).squeeze(-1)

    return Recommender()
