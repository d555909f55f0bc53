"""Random small models, their data, and the step that trains them: the same for the same number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trainctl
from trainctl import nn, optim

BATCH, CLASSES = 6, 4

ACTIVATIONS: list[Callable[[], Any]] = [
    nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Softplus, nn.Hardswish, nn.Mish,
]  # fmt: skip
OPTIMIZERS: list[Callable[[Any], Any]] = [
    lambda ps: optim.SGD(ps, lr=0.05),
    lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda ps: optim.Adam(ps, lr=0.01),
    lambda ps: optim.AdamW(ps, lr=0.01, amsgrad=True),
    lambda ps: optim.RMSprop(ps, lr=0.01, momentum=0.5),
    lambda ps: optim.Adagrad(ps, lr=0.05),
    lambda ps: optim.NAdam(ps, lr=0.01),
    lambda ps: optim.Rprop(ps, lr=0.01),
]
# A plan computes these in another order.
ROUNDED = (nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d, nn.LSTM, nn.GRU)


def rounds(model: Any) -> bool:
    """Return whether a plan of this model may differ from eager mode by rounding."""
    return any(isinstance(each, ROUNDED) for each in model.modules())


class Residual(nn.Module):
    """A layer beside a shortcut; the layer may be used twice, with the same weights."""

    def __init__(self, inner: Any, times: int) -> None:
        super().__init__()
        self.inner, self.times = inner, times

    def forward(self, x: Any) -> Any:
        for _ in range(self.times):
            x = x + self.inner(x)
        return x


class Recurrent(nn.Module):
    """A recurrent layer's last output."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x)[0][:, -1]


class MeanOverTime(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(1)


class TwoHeads(nn.Module):
    """Gives its scores and, as a second output, a number for each sample."""

    def __init__(self, body: Any, width: int) -> None:
        super().__init__()
        self.body = body
        self.scores = nn.Linear(width, CLASSES)
        self.value = nn.Linear(width, 1)

    def forward(self, x: Any) -> tuple[Any, Any]:
        h = self.body(x)
        return self.scores(h), self.value(h).squeeze(-1)


@dataclass
class Example:
    """A model with its data, and how it is trained."""

    model: Any
    x: Any
    target: Any
    optimizer: Any
    clip: bool

    def step(self) -> Callable[[Any, Any], Any]:
        """Return the training step."""
        model, optimizer, clip = self.model, self.optimizer, self.clip
        loss_of = nn.CrossEntropyLoss()

        def step(x: Any, target: Any) -> Any:
            optimizer.zero_grad()
            scores, value = model(x)
            loss = loss_of(scores, target) + 0.1 * value.square().mean()
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss, {"scores": scores, "value": value}

        return step


def example(number: int) -> Example:
    """Return the example of a number."""
    pick = random.Random(number)
    trainctl.manual_seed(number)
    kind = pick.choice([_dense, _convolutional, _sequential, _tokens])
    body, x, width = kind(pick)
    model = TwoHeads(body, width)
    target = trainctl.randint(0, CLASSES, (BATCH,))
    if pick.random() < 0.2:
        next(iter(model.parameters())).requires_grad_(False)
    wanted = [each for each in model.parameters() if each.requires_grad]
    # Where rounding differs, the other optimizers' steps would depend on signs of what is nearly 0.
    optimizer = pick.choice(OPTIMIZERS[:2] if rounds(body) else OPTIMIZERS)(wanted)
    return Example(model, x, target, optimizer, pick.random() < 0.25)


def _dense(pick: random.Random) -> tuple[Any, Any, int]:
    width = before = pick.choice([3, 8])
    layers: list[Any] = []
    for _ in range(pick.randint(1, 3)):
        width = pick.choice([4, 8])
        layers += [nn.Linear(before, width, bias=pick.random() < 0.8), pick.choice(ACTIVATIONS)()]
        layers += pick.choice([[], [nn.BatchNorm1d(width)], [nn.LayerNorm(width)], [nn.Dropout(0.3)]])
        if pick.random() < 0.4:
            layers.append(Residual(nn.Linear(width, width), pick.randint(1, 2)))
        before = width
    return nn.Sequential(*layers), trainctl.randn(BATCH, layers[0].in_features), width


def _convolutional(pick: random.Random) -> tuple[Any, Any, int]:
    channels = before = pick.choice([1, 2])
    layers: list[Any] = []
    for _ in range(pick.randint(1, 2)):
        channels = 4
        kernel = pick.choice([1, 3])
        groups = 2 if before % 2 == 0 and pick.random() < 0.3 else 1
        layers.append(nn.Conv2d(before, channels, kernel, pick.randint(1, 2), kernel // 2, groups=groups))
        layers.append(pick.choice(ACTIVATIONS)())
        layers += pick.choice(
            [[], [nn.BatchNorm2d(channels)], [nn.GroupNorm(2, channels)], [nn.Dropout2d(0.2)], [nn.InstanceNorm2d(4)]]
        )
        layers += pick.choice([[], [nn.MaxPool2d(2)], [nn.AvgPool2d(2, ceil_mode=True)], [nn.MaxPool2d(3, 2, 1)]])
        before = channels
    layers += pick.choice([[nn.AdaptiveAvgPool2d(1), nn.Flatten()], [nn.AdaptiveMaxPool2d(1), nn.Flatten()]])
    return nn.Sequential(*layers), trainctl.randn(BATCH, layers[0].in_channels, 12, 12), channels


def _sequential(pick: random.Random) -> tuple[Any, Any, int]:
    kind = pick.choice([nn.RNN, nn.LSTM, nn.GRU])
    layer = kind(3, 5, num_layers=pick.randint(1, 2), batch_first=True, bidirectional=pick.random() < 0.4)
    return Recurrent(layer), trainctl.randn(BATCH, 4, 3), 5 * (2 if layer.bidirectional else 1)


def _tokens(pick: random.Random) -> tuple[Any, Any, int]:
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=pick.choice([0.0, 0.1]), batch_first=True, norm_first=pick.random() < 0.5
    )
    body = nn.Sequential(nn.Embedding(20, 8), layer, MeanOverTime())
    return body, trainctl.randint(0, 20, (BATCH, 5)), 8
