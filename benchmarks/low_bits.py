"""What weights of few bits cost a small convolutional network in accuracy, by how they are rounded and prepared."""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy

import trainctl
from benchmarks import report
from trainctl import nn, optim
from trainctl.data.mnist import MNIST
from trainctl.data.small_mnist import FOLDER
from trainctl.quantization.adaround import adaround
from trainctl.quantization.bias_correction import bias_correction
from trainctl.quantization.equalization import equalize_layers
from trainctl.quantization.fuse import fuse_modules
from trainctl.quantization.groups import ROWS_OF_8_BITS, GroupFormat, quantize_weights
from trainctl.quantization.neighbours import fusable

MEAN, DEVIATION = 0.1307, 0.3081


def network() -> Any:
    """A convolution, two that are separated into depthwise and pointwise ones, each with a batch norm; two dense layers."""

    def block(conv: nn.Module, channels: int) -> list[nn.Module]:
        return [conv, nn.BatchNorm2d(channels), nn.ReLU()]

    return nn.Sequential(
        *block(nn.Conv2d(1, 16, 3, padding=1), 16),
        nn.MaxPool2d(2),
        *block(nn.Conv2d(16, 16, 3, padding=1, groups=16), 16),
        *block(nn.Conv2d(16, 32, 1), 32),
        nn.MaxPool2d(2),
        *block(nn.Conv2d(32, 32, 3, padding=1, groups=32), 32),
        *block(nn.Conv2d(32, 64, 1), 64),
        nn.Flatten(),
        nn.Linear(3136, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def images(root: Path, train: bool) -> tuple[Any, Any]:
    """The images, scaled, and their labels."""
    data = MNIST(root, train)
    loaded = data.gather(numpy.arange(len(data)))
    return (loaded[0].float() - MEAN) / DEVIATION, loaded[1]


def train(model: Any, x: Any, y: Any, epochs: int) -> None:
    """Train with Adam, its learning rate falling to 0."""
    steps = epochs * (len(x) // 64)
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=steps)
    for epoch in range(epochs):
        order = numpy.random.default_rng(epoch).permutation(len(x))
        for start in range(0, len(x) - 63, 64):
            some = trainctl.from_numpy(order[start : start + 64])
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[some]), y[some]).backward()
            optimizer.step()
            schedule.step()


def scores(model: Any, x: Any) -> Any:
    """What the model makes of all images."""
    with trainctl.no_grad():
        return numpy.concatenate([model(x[start : start + 500]).numpy() for start in range(0, len(x), 500)])


def methods(model: Any, data: list[Any], bits: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each way to few bits, by what it does."""
    rows, groups = GroupFormat(bits, None), GroupFormat(bits)
    halves = GroupFormat(bits, symmetric=True)
    even = equalize_layers(model, data[0]).model

    def corrected(net: Any, quantized: Any) -> Any:
        bias_correction(net, quantized, data)  # towards the model that it is made of: an equalized one has other means
        return quantized

    def learnt(net: Any, form: GroupFormat) -> Any:
        return quantize_weights(net, form, given=adaround(net, data, form).codes)

    yield "nearest, a symmetric scale a row", lambda: quantize_weights(model, GroupFormat(bits, None, symmetric=True))
    yield "nearest, a scale a row", lambda: quantize_weights(model, rows)
    yield "nearest, a scale a row, equalized", lambda: quantize_weights(even, rows)
    yield "nearest, a scale a row, biases corrected", lambda: corrected(model, quantize_weights(model, rows))
    yield "nearest, a scale a row, both", lambda: corrected(even, quantize_weights(even, rows))
    yield "AdaRound, a scale a row", lambda: learnt(model, rows)
    yield "nearest, symmetric groups of 32", lambda: quantize_weights(model, halves)
    yield "nearest, groups of 32", lambda: quantize_weights(model, groups)
    yield (
        "nearest, groups of 32, float32 scales",
        lambda: quantize_weights(model, replace(groups, scale_dtype="float32")),
    )
    yield "nearest, groups of 32, biases corrected", lambda: corrected(model, quantize_weights(model, groups))
    yield "AdaRound, symmetric groups of 32", lambda: learnt(model, halves)
    yield "AdaRound, groups of 32", lambda: learnt(model, groups)
    yield "AdaRound, groups of 32, biases corrected", lambda: corrected(model, learnt(model, groups))
    yield "AdaRound, groups of 32, both", lambda: corrected(even, learnt(even, groups))


def measured(name: str, bits: Any, make: Callable[[], Any], model: Any, x: Any, y: Any) -> dict[str, Any]:
    """One row of the table."""
    start = time.perf_counter()
    found = make().eval()
    seconds = time.perf_counter() - start
    expected, got = scores(model, x), scores(found, x)
    noise = float(((got - expected) ** 2).sum())
    sizes = [sum(each.nbytes for each in net.state_dict().values()) for net in (found, model)]
    return {
        "bits": bits,
        "weights": name,
        "accuracy": round(float((got.argmax(1) == y.numpy()).mean()), 4),
        "dB": round(10 * float(numpy.log10((expected**2).sum() / noise)), 2) if noise else "exact",
        "same answer": round(float((got.argmax(1) == expected.argmax(1)).mean()), 4),
        "size": round(sizes[0] / sizes[1], 4),
        "seconds": round(seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.low_bits", description=__doc__)
    parser.add_argument("--data", type=Path, default=FOLDER, help="a folder of MNIST's files; default: the package's")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 3])
    parser.add_argument("--calibration", type=int, default=1024, help="training images")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()
    trainctl.manual_seed(0)
    model, (x, y), (held, labels) = network(), images(args.data, True), images(args.data, False)
    train(model, x, y, args.epochs)
    model = fuse_norms(model.eval(), held[:2])
    data = [x[start : start + 64] for start in range(0, args.calibration, 64)]
    rows = [measured("float", 32, lambda: copy.deepcopy(model), model, held, labels)]
    rows.append(
        measured("nearest, a scale a row", 8, lambda: quantize_weights(model, ROWS_OF_8_BITS), model, held, labels)
    )
    for bits in args.bits:
        rows += [measured(name, bits, make, model, held, labels) for name, make in methods(model, data, bits)]
    about = {
        "data": args.data.name,
        "training images": len(x),
        "test images": len(held),
        "calibration": args.calibration,
    }
    report.publish("Weights in few bits", about, rows, args.json)


def fuse_norms(model: Any, inputs: Any) -> Any:
    """Fold batch norms into the layers before them."""
    return fuse_modules(model, [names[:2] for names in fusable(model, inputs)])


if __name__ == "__main__":
    main()
