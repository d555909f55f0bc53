"""Models through fuse, prepare, calibrate or train, and convert: functions of a module `torch`, PyTorch or trainctl."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np


def modules(torch: Any) -> tuple[Any, Any]:
    """Return where a library has quantization, and its layers on codes."""
    prefix = f"{torch.__name__}.ao"
    return importlib.import_module(f"{prefix}.quantization"), importlib.import_module(f"{prefix}.nn.quantized")


def filled(net: Any, torch: Any) -> Any:
    """Return a net with fixed weights and statistics."""
    random = np.random.RandomState(0)
    for parameter in net.parameters():
        values = random.uniform(-0.5, 0.6, tuple(parameter.shape))
        parameter.data = torch.from_numpy(values.astype(np.float32))
    for name, buffer in net.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            low = 0.5 if name.endswith("var") else -0.5
            values = random.uniform(low, low + 1, tuple(buffer.shape))
            buffer.copy_(torch.from_numpy(values.astype(np.float32)))
    return net


def drawn(torch: Any, *shape: int, seed: int = 1) -> Any:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def mlp(torch: Any) -> tuple[Any, list[list[str]], tuple[int, ...]]:
    nn, (quantization, _) = torch.nn, modules(torch)
    net = nn.Sequential(
        quantization.QuantStub(), nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.0), nn.Linear(8, 4), nn.ReLU(),
        nn.Linear(4, 3, bias=False), quantization.DeQuantStub(),
    )  # fmt: skip
    return net, [["1", "2"], ["4", "5"]], (16, 6)


def cnn(torch: Any) -> tuple[Any, list[list[str]], tuple[int, ...]]:
    nn, (quantization, _) = torch.nn, modules(torch)
    net = nn.Sequential(
        quantization.QuantStub(),
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(24, 3), quantization.DeQuantStub(),
    )  # fmt: skip
    return net, [["1", "2", "3"], ["5", "6"]], (8, 1, 8, 8)


def residual(torch: Any) -> tuple[Any, list[list[str]], tuple[int, ...]]:
    nn, (quantization, layers) = torch.nn, modules(torch)

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
            self.first, self.norm, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU()
            self.second, self.sum, self.both = nn.Conv2d(2, 2, 1), layers.FloatFunctional(), layers.FloatFunctional()

        def forward(self, x: Any) -> Any:
            x = self.quant(x)
            y = self.second(self.relu(self.norm(self.first(x))))
            return self.dequant(self.both.cat([self.sum.add(y, x), x], 1))

    return Residual(), [["first", "norm", "relu"]], (4, 2, 5, 5)


def calibrated(torch: Any, make: Callable[..., Any], backend: str) -> dict[str, Any]:
    """Return what is left of a model after calibration on three batches."""
    quantization, (net, groups, size) = modules(torch)[0], make(torch)
    net = quantization.fuse_modules(filled(net, torch).eval(), groups)
    net.qconfig = quantization.get_default_qconfig(backend)
    net = quantization.prepare(net)
    for seed in range(1, 4):
        net(drawn(torch, *size, seed=seed))
    return {"keys": list(net.state_dict()), **converted(torch, net, drawn(torch, *size))}


def trained(torch: Any, make: Callable[..., Any], backend: str) -> dict[str, Any]:
    """Return what is left of a model after three steps of quantization-aware training."""
    quantization, (net, groups, size) = modules(torch)[0], make(torch)
    net = quantization.fuse_modules_qat(filled(net, torch).train(), groups)
    net.qconfig = quantization.get_default_qat_qconfig(backend)
    net = quantization.prepare_qat(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    losses = []
    for seed in range(1, 4):
        output = net(drawn(torch, *size, seed=seed))
        loss = ((output - 0.5) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval().apply(quantization.disable_observer)
    parameters = {name: each.detach().flatten().tolist() for name, each in net.named_parameters()}
    result = converted(torch, net, drawn(torch, *size))
    return {"keys": list(net.state_dict()), "losses": losses, "parameters": parameters, **result}


def converted(torch: Any, net: Any, x: Any) -> dict[str, Any]:
    """Return a prepared model's output, and that of the quantized one with its grids and codes."""
    observed = net(x)
    net = modules(torch)[0].convert(net)
    grids, codes, scales = {}, {}, {}
    for name, layer in net.named_modules():
        if hasattr(layer, "scale") and hasattr(layer, "zero_point"):
            grids[name] = [float(layer.scale), int(layer.zero_point)]
        if callable(getattr(layer, "weight", None)):
            weight = layer.weight()
            codes[name] = weight.int_repr().flatten().tolist()
            per_channel = "channel" in str(weight.qscheme())
            scales[name] = weight.q_per_channel_scales().tolist() if per_channel else [weight.q_scale()]
    return {
        "observed": observed.detach().flatten().tolist(), "output": net(x).detach().flatten().tolist(), "grids": grids,
        "codes": codes, "scales": scales, "types": [type(each).__name__ for _, each in net.named_children()],
    }  # fmt: skip


def dynamic(torch: Any, **options: Any) -> dict[str, Any]:
    """Return the output of an embedding and recurrent layers, and the types of its layers."""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.fc, self.cell = nn.Embedding(20, 6), nn.Linear(4, 3), nn.LSTMCell(3, 2)
            self.lstm = nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
            self.gru = nn.GRU(10, 4, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.cell(self.fc(self.gru(self.lstm(self.table(x))[0])[0][:, -1]))[0]

    net = modules(torch)[0].quantize_dynamic(filled(Net(), torch), **options)
    output = net(torch.from_numpy(np.arange(14).reshape(2, 7)))
    kinds = [type(each).__module__.partition(".nn.")[2].partition(".")[0] for each in net.children()]
    return {"output": output.detach().flatten().tolist(), "quantized": [each != "modules" for each in kinds]}


CASES: dict[str, Callable[[Any], dict[str, Any]]] = {
    **{
        f"{make.__name__}-{backend}-{how.__name__}": lambda torch, how=how, make=make, backend=backend: how(
            torch, make, backend
        )
        for make in (mlp, cnn, residual)
        for backend in ("fbgemm", "qnnpack")
        for how in (calibrated, trained)
    },
    "dynamic": dynamic,
    "dynamic-by-name": lambda torch: dynamic(torch, qconfig_spec={torch.nn.Linear, "lstm"}),
    "dynamic-half": lambda torch: dynamic(torch, dtype=torch.float16),
    "dynamic-tables": lambda torch: dynamic(torch, dtype=torch.quint8),
}


def results(torch: Any) -> dict[str, Any]:
    """Return what every case gives."""
    return {name: case(torch) for name, case in CASES.items()}
