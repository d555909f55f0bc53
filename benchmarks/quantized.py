"""Models in int8 against the same in float32, and against ONNX Runtime's int8 where it is installed, in one run."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import report, timing
from benchmarks.workloads import WORKLOADS

FLOAT, INT8, RUNTIME = "float", "int8", "ONNX Runtime int8"
STACKS = ("mlp", "cnn", "resnet8", "big_mlp")
BATCHES = (1, 64, 256)

Make = Callable[[Any], Any]


def linear(inputs: int, outputs: int) -> tuple[Make, tuple[int, ...]]:
    """A linear layer with a ReLU, and the shape of a sample."""
    return lambda nn: nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU()), (inputs,)


def convolution(
    inputs: int, outputs: int, kernel: int, size: int, groups: int = 1
) -> tuple[Make, tuple[int, ...]]:  # fmt: skip
    """A convolution with a ReLU, and the shape of a sample."""
    options: dict[str, Any] = {"padding": kernel // 2, "groups": groups}
    return lambda nn: nn.Sequential(nn.Conv2d(inputs, outputs, kernel, **options), nn.ReLU()), (inputs, size, size)


LAYERS = {
    "linear 784-128": linear(784, 128),
    "linear 1024-1024": linear(1024, 1024),
    "3x3, 3-16 channels": convolution(3, 16, 3, 32),
    "3x3, 64-64 channels": convolution(64, 64, 3, 32),
    "1x1, 64-64 channels": convolution(64, 64, 1, 32),
    "3x3 depthwise, 64 channels": convolution(64, 64, 3, 32, 64),
}


def models() -> dict[str, tuple[Make, tuple[int, ...]]]:
    """What is measured: how it is made, and the shape of a sample."""
    stacks = {}
    for name in STACKS:
        workload = WORKLOADS[name]
        sample = workload.inputs(np.random.default_rng(0))[0].shape[1:]
        stacks[workload.title] = (partial(_stack, workload), sample)
    return {**LAYERS, **stacks}


def _stack(workload: Any, nn: Any) -> Any:
    import trainctl

    return workload.model(trainctl)


def sides_of(make: Make, x: Any, threads: int, kernels: str | None) -> dict[str, timing.Call]:
    """The calls that are compared, on one batch; int8's results are near to float's, and the runtime's nearer."""
    import trainctl
    from trainctl.quantization.post_training import quantize_model

    trainctl.manual_seed(0)
    model = make(trainctl.nn).eval()
    batch = trainctl.from_numpy(x)
    small = quantize_model(model, [batch]).model.eval()
    calls = {name: _planned(each, batch, threads, kernels) for name, each in ((FLOAT, model), (INT8, small))}
    other = _runtime(small, batch, threads)
    if other is not None:
        calls[RUNTIME] = other
    for _ in range(3):  # the third is the plan's
        results = {name: np.asarray(call()) for name, call in calls.items()}
    reach = float(np.abs(results[FLOAT]).max())
    for name in results.keys() - {FLOAT}:
        error = float(np.abs(results[name] - results[INT8 if name == RUNTIME else FLOAT]).max())
        assert error <= 0.1 * reach, f"{name} is off by {error:.3g} of {reach:.3g}"
    return calls


def _planned(model: Any, batch: Any, threads: int, kernels: str | None) -> timing.Call:
    import trainctl

    def infer(x: Any) -> Any:
        with trainctl.no_grad():
            return model(x)

    options = {} if kernels is None else {"kernels": kernels}
    compiled = trainctl.compile(infer, threads=threads, **options)
    return lambda: compiled(batch).numpy()


def _runtime(model: Any, batch: Any, threads: int) -> timing.Call | None:
    """ONNX Runtime's session of the exported model."""
    try:
        import onnxruntime
    except ImportError:
        return None
    import trainctl.onnx

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        trainctl.onnx.export(model, (batch[:2],), file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: batch.numpy()}
    return lambda: session.run(None, inputs)[0]


def row_of(name: str, size: int, threads: int, rounds: int, kernels: str | None) -> report.Row:
    """Time one model on one size of batch."""
    make, sample = models()[name]
    x = np.random.default_rng(1).standard_normal((size, *sample), np.float32)
    calls = sides_of(make, x, threads, kernels)
    times = timing.interleaved(calls, rounds)
    milliseconds = {f"{side}, ms": median(times[side]) if side in times else "-" for side in (FLOAT, INT8, RUNTIME)}
    others = {
        f"int8 / {side}": round(timing.ratio(times, INT8, side), 2) if side in times else "-"
        for side in (FLOAT, RUNTIME)
    }
    return {"model": name, "batch": size, **milliseconds, **others}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantized", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(models())}; default: all")
    parser.add_argument("--batch", type=int, nargs="*", default=BATCHES)
    parser.add_argument("--threads", type=int, default=report.cores(), help="for each side, default: all cores")
    parser.add_argument("--kernels", choices=("numba", "numpy"), help="whose loops our plans run, default: Numba's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    args = parser.parse_args()
    timing.fix_threads(args.threads)
    rows = [
        row_of(name, size, args.threads, args.rounds, args.kernels)
        for name in args.models or models()
        for size in args.batch
    ]
    settings = {"threads": args.threads, "rounds": args.rounds, "kernels": args.kernels or "default"}
    report.publish("Models in int8", settings, rows, args.json)


if __name__ == "__main__":
    main()
