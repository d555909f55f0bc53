"""Averages of weights: PyTorch's values, and the running statistics that go with them."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn
from trainctl.optim import swa_utils

scripts = Scripts()


def model(lib, value=0.0):
    """Return a layer with a buffer, all of one value."""
    made = lib.nn.BatchNorm1d(2)
    fill(lib, made, value)
    return made


def fill(lib, module, value):
    with lib.no_grad():
        for each in (*module.parameters(), *module.buffers()):
            each.fill_(value)


FUNCTIONS = {
    "default": lambda swa: {},
    "ema": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.75)},
    "ema_of_lists": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.75)},
    "swa": lambda swa: {"avg_fn": swa.get_swa_avg_fn()},
    "swa_of_lists": lambda swa: {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    "own": lambda swa: {"avg_fn": lambda mean, value, count: mean + value * (count + 1)},
}

for _function in FUNCTIONS.values():

    @scripts.agrees(rtol=1e-6)
    def averages(lib, options=_function):
        trained = model(lib)
        averaged, trace = lib.optim.swa_utils.AveragedModel(trained, **options(lib.optim.swa_utils)), []
        for step in range(5):
            fill(lib, trained, float(step + 1))
            averaged.update_parameters(trained)
            trace.append([averaged.module.weight.detach(), averaged.module.running_mean, averaged.n_averaged])
        return trace, list(averaged.state_dict())


for _name in ("ema", "swa", "own"):

    @scripts.agrees(rtol=1e-6)
    def averages_of_buffers_too(lib, name=_name):
        trained = model(lib)
        swa = lib.optim.swa_utils
        averaged = swa.AveragedModel(trained, use_buffers=True, **FUNCTIONS[name](swa))
        for step in range(4):
            fill(lib, trained, 2.0**step)
            averaged.update_parameters(trained)
        return averaged.module.weight.detach(), averaged.module.running_mean, averaged.module.num_batches_tracked


@scripts.gives(([3.0], [1.0], True))
def the_model_itself_is_left_alone(lib):
    trained = lib.nn.Linear(1, 1, bias=False)
    fill(lib, trained, 1.0)
    averaged = lib.optim.swa_utils.AveragedModel(trained)
    averaged.update_parameters(trained)
    with lib.no_grad():
        averaged.module.weight.fill_(3.0)
    return averaged(lib.ones(1)).detach(), trained(lib.ones(1)).detach(), averaged.module.weight.requires_grad


@scripts.gives(([2.0, 20.0], [2.0, 200.0], 0.1, True, 2))
def running_statistics_anew(lib):
    norm = lib.nn.BatchNorm1d(2)
    net = lib.nn.Sequential(norm, lib.nn.Flatten()).eval()
    fill(lib, norm, 9.0)
    batches = [lib.tensor([[0.0, 0.0], [2.0, 20.0]]), [lib.tensor([[2.0, 20.0], [4.0, 40.0]]), "labels"]]
    lib.optim.swa_utils.update_bn(batches, net, "cpu")
    return norm.running_mean, norm.running_var, norm.momentum, not net.training, int(norm.num_batches_tracked)


@scripts.gives(([1.0], [1.0]))
def a_model_without_batch_norm_is_not_run(lib):
    layer = lib.nn.Linear(1, 1)
    fill(lib, layer, 1.0)
    lib.optim.swa_utils.update_bn([None], layer)
    return layer.weight[0].detach(), layer.bias.detach()


for _decay in (-0.1, 1.1):
    for _kind in ("get_ema_avg_fn", "get_ema_multi_avg_fn"):

        @scripts.raises(ValueError, f"Invalid decay value {_decay} provided")
        def decays(lib, kind=_kind, decay=_decay):
            getattr(lib.optim.swa_utils, kind)(decay)


@scripts.raises(AssertionError, "Only one of avg_fn and multi_avg_fn should be provided")
def two_functions(lib):
    swa = lib.optim.swa_utils
    swa.AveragedModel(lib.nn.Linear(1, 1), avg_fn=swa.get_swa_avg_fn(), multi_avg_fn=swa.get_swa_multi_avg_fn())


test_script = scripts.test()


def test_an_averaged_model_is_saved_and_loaded_as_any_other():
    trained = nn.Linear(2, 3)
    averaged = swa_utils.AveragedModel(trained)
    averaged.update_parameters(trained)
    other = swa_utils.AveragedModel(nn.Linear(2, 3))
    other.load_state_dict(averaged.state_dict())
    assert other.n_averaged.item() == 1
    assert trainctl.equal(other.module.weight, trained.weight)


def test_averaging_records_nothing():
    trained = nn.Linear(1, 1)
    averaged = swa_utils.AveragedModel(trained, avg_fn=lambda mean, value, count: mean * 0.5 + value * 0.5)
    for _ in range(3):
        averaged.update_parameters(trained)
    assert averaged.module.weight.is_leaf
    assert averaged.module.weight.grad_fn is None


@pytest.mark.parametrize("training", [True, False])
def test_a_model_s_mode_is_put_back(training):
    net = nn.BatchNorm1d(1).train(training)
    swa_utils.update_bn([trainctl.zeros(2, 1)], net)
    assert net.training is training
