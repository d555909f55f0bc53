"""A training step on the stand-in device: the CPU's weights, and no transfer that nobody asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trainctl
from tests.backend.standin import installed
from trainctl import nn, optim


class LastStep(nn.Module):
    """The output of a recurrent layer at the last time step."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x)[0][:, -1]


class MeanOverTime(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(1)


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)), (4, 1, 4, 4)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        ),
        (4, 1, 4, 4),
    ),
    "lstm": (lambda: nn.Sequential(LastStep(nn.LSTM(5, 6, batch_first=True)), nn.Linear(6, 3)), (4, 7, 5)),
    "transformer": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), MeanOverTime(), nn.Linear(8, 3)
        ),
        (4, 5, 8),
    ),
}
OPTIMIZERS = {"SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9), "Adam": lambda p: optim.Adam(p, lr=0.01)}


def steps(where: str, model: str, optimizer: str, counts: Any = None) -> list[np.ndarray]:
    """Return the weights after three steps."""
    trainctl.manual_seed(0)
    make, shape = MODELS[model]
    net = make().to(where)
    update = OPTIMIZERS[optimizer](net.parameters())
    inputs = trainctl.randn(*shape).to(where)
    target = trainctl.tensor([0, 1, 2, 0]).to(where)
    loss_of = nn.CrossEntropyLoss()
    for number in range(3):
        if counts is not None and number == 2:
            counts.to_host = counts.to_device = counts.synchronised = 0
        update.zero_grad()
        loss_of(net(inputs), target).backward()
        update.step()
    if counts is not None:
        assert (counts.to_host, counts.to_device, counts.synchronised) == (0, 0, 0)
    return [each.detach().cpu().numpy() for each in net.parameters()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_three_steps(model: str, optimizer: str) -> None:
    with installed() as counts:
        mine = steps("cuda", model, optimizer, counts)
        for one, other in zip(mine, steps("cpu", model, optimizer), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_data_parallel_is_the_module_on_the_whole_batch() -> None:
    with installed():
        net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).to("cuda:0")
        x = trainctl.randn(5, 4).to("cuda:0")
        whole = nn.DataParallel(net, device_ids=[0, 1])(x)
        np.testing.assert_allclose(whole.detach().cpu().numpy(), net(x).detach().cpu().numpy(), rtol=1e-6)
        whole.sum().backward()
        parts = [each.grad.cpu().numpy() for each in net.parameters()]
        net.zero_grad()
        net(x).sum().backward()
        for one, other in zip(parts, net.parameters(), strict=True):
            np.testing.assert_allclose(one, other.grad.cpu().numpy(), rtol=1e-5)


def test_devices_do_not_mix() -> None:
    with installed():
        with pytest.raises(RuntimeError, match=r"same device.*cpu and cuda"):
            trainctl.ones(2).to("cuda") + trainctl.ones(2)
        assert (trainctl.ones(2).to("cuda") + trainctl.tensor(1.0)).device.type == "cuda"  # a number joins any device
        with pytest.raises(TypeError, match="to copy the tensor to host memory first"):
            trainctl.ones(2).to("cuda").numpy()


@pytest.fixture
def config(tmp_path: Any) -> Any:
    from tests.data.idx_files import write_mnist

    random = np.random.RandomState(0)
    for part, count in (("train", 96), ("t10k", 32)):
        images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        write_mnist(tmp_path / "data", images, random.randint(0, 10, count).astype(np.uint8), part)
    config = tmp_path / "net.yaml"
    config.write_text(
        f"data: {{dataset: {{MNIST: {{root: {tmp_path / 'data'}}}}}, batch_size: 16, split: {{val: 0.25}}}}\n"
        "model: [Flatten, {Linear: {out_features: 8}}, ReLU, {Linear: {out_features: 10}}]\n"
        "loss: CrossEntropyLoss\noptimizer: {Adam: {lr: 0.01}}\nmetrics: [accuracy]\ntrain: {epochs: 2}\n"
    )
    return config


def test_a_run_from_a_config(tmp_path: Any, config: Any) -> None:
    from trainctl.config import load_config
    from trainctl.jobs import run_evaluation, run_training

    with installed():
        summaries = {
            where: run_training(load_config(config, [f"device={where}"], environ={}), output_dir=tmp_path / where)
            for where in ("cpu", "auto")
        }
        assert summaries["auto"]["device"] == "cuda:0"
        assert summaries["auto"]["test_loss"] == pytest.approx(summaries["cpu"]["test_loss"], rel=1e-5)
        assert run_evaluation(tmp_path / "auto")["loss"] == pytest.approx(summaries["auto"]["test_loss"], rel=1e-6)


def test_a_run_on_two_gpus(tmp_path: Any, config: Any) -> None:
    from trainctl.config import load_config
    from trainctl.jobs import run_evaluation, run_training

    with installed():
        for name, setting in (("cpu", "device=cpu"), ("two", "devices=[cuda:0, cuda:1]")):
            run_training(load_config(config, [setting, "train.ema.decay=0.5"], environ={}), output_dir=tmp_path / name)
        one, two = (run_evaluation(tmp_path / name) for name in ("cpu", "two"))
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
        keys = [
            sorted(trainctl.load(tmp_path / name / "checkpoints/best/model.safetensors")) for name in ("cpu", "two")
        ]
        assert keys[0] == keys[1]  # as if there were one: the checkpoint goes anywhere


def test_each_gpu_that_is_not_there(config: Any) -> None:
    from trainctl.build import check
    from trainctl.config import load_config
    from trainctl.errors import ConfigError

    with installed(), pytest.raises(ConfigError) as caught:
        check(load_config(config, ["devices=[cuda:0, cuda:7, cuda:9]"], environ={}))
    assert [each.message.split(":")[0] for each in caught.value.problems] == ["devices.1", "devices.2"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["devices=[cpu]"], "got ['cpu'] (a list)"),
        (["devices=cuda:0"], "expected a list of GPUs such as [cuda:0, cuda:1]"),
        (["devices=[cuda:0, cuda:0]"], "'cuda:0' is there already"),
        (["devices=[cuda:0]", "device=cpu"], "device is 'cpu' already"),
    ],
)
def test_devices_that_make_no_sense(config: Any, settings: list[str], message: str) -> None:
    from trainctl.config import load_config
    from trainctl.errors import ConfigError

    with pytest.raises(ConfigError) as caught:
        load_config(config, settings, environ={})
    assert message in caught.value.problems[0].message
