"""Modules of fake quantization: switches, what they save, what they refuse, and the step size that is learned."""

from __future__ import annotations

import copy
import importlib

import numpy as np
import pytest

import trainctl
from tests.quantization.test_observers import of
from tests.scripts import Scripts
from trainctl import nn, optim
from trainctl import quantization as Q
from trainctl.quantization.learnable import _LearnableFakeQuantize

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's warn that they will be moved to torchao

scripts = Scripts()


def refuses(error, match, kind="FakeQuantize", **kwargs):
    """Add a script in which a module is made with arguments that it refuses."""

    def make(lib):
        q = of(lib)
        given = {key: getattr(q, each) if key == "observer" else each for key, each in kwargs.items()}
        getattr(q, kind)(**given)

    make.__name__ = "_".join(map(str, [kind, *kwargs.values()]))
    scripts.raises(error, match)(make)


refuses(AssertionError, "less than or equal", quant_min=7, quant_max=5)
refuses(AssertionError, "quant_max out of bound", quant_min=0, quant_max=256)
refuses(AssertionError, "quant_min out of bound", quant_min=-1, quant_max=255)
refuses(AssertionError, "must be a FixedQParamsObserver", kind="FixedQParamsFakeQuantize", observer="MinMaxObserver")
refuses(AssertionError, "only works with Moving", kind="FusedMovingAvgObsFakeQuantize", observer="MinMaxObserver")
refuses(NotImplementedError, "dynamic", is_dynamic=True)
refuses(TypeError, "is_dynamic", observer="NoopObserver")
refuses(TypeError, "nonsense", nonsense=1)


@scripts.agrees()
def reprs(lib):
    q = of(lib)
    made = q.FakeQuantize(), q.FusedMovingAvgObsFakeQuantize(), q.default_fixed_qparams_range_0to1_fake_quant()
    return [repr(each) for each in made]


@scripts.agrees()
def what_is_saved(lib):
    q = of(lib)
    made = (
        q.default_fake_quant(),
        q.default_fused_per_channel_wt_fake_quant(),
        q.default_fixed_qparams_range_0to1_fake_quant(),
    )
    return [{key: [str(x.dtype), list(x.shape)] for key, x in each.state_dict().items()} for each in made]


def switched(lib, maker, *switches):
    """Return outputs and grids of a module whose observer and rounding are switched before each input."""
    q = of(lib)
    module, found = getattr(q, maker)(), []
    for number, (observe, fake) in enumerate(switches):
        module.apply(q.enable_observer if observe else q.disable_observer)
        module.apply(q.enable_fake_quant if fake else q.disable_fake_quant)
        x = lib.tensor([[-1.0, 0.3, 2.0], [0.1, -0.7, 0.5]]) * (number + 1)
        found += [module(x), module.scale.clone(), module.zero_point.clone()]
    return found + list(module.state_dict().values())


MAKERS = ("default_fake_quant", "default_per_channel_weight_fake_quant", "default_fused_act_fake_quant",
          "default_fused_per_channel_wt_fake_quant", "default_fixed_qparams_range_0to1_fake_quant")  # fmt: skip


@scripts.agrees(rtol=0)
def every_switch_in_every_order(lib):
    orders = ([1, 1], [1, 0], [0, 1]), ([1, 1], [1, 0], [0, 0], [0, 1]), ([1, 1], [0, 0], [0, 1], [1, 1])
    return [[maker, switched(lib, maker, *each)] for maker in MAKERS for each in orders]


@scripts.agrees()
def a_switch_that_is_set_by_hand(lib):
    module = of(lib).default_fake_quant()
    module(lib.tensor([1.0, 2.0]))
    module.observer_enabled[0] = 0
    module(lib.tensor([100.0]))
    module.fake_quant_enabled[0] = 0
    return [module.scale, module(lib.tensor([0.123]))]


@scripts.gives([[2], True, [0]])
def a_grid_becomes_as_large_as_the_saved_one(lib):
    q = of(lib)
    module, fresh = q.default_per_channel_weight_fake_quant(), q.default_per_channel_weight_fake_quant()
    x = lib.tensor([[-1.0, 0.3], [0.1, -0.7]])
    module(x)
    module.disable_observer()
    fresh.load_state_dict(module.state_dict())
    return [list(fresh.scale.shape), bool((fresh(x * 2) == module(x * 2)).all()), fresh.observer_enabled.tolist()]


def learnable(lib, maker="MovingAverageMinMaxObserver", **kwargs):
    place = "trainctl.quantization.learnable" if lib is trainctl else "torch.ao.quantization._learnable_fake_quantize"
    q = of(lib)
    given = {key: getattr(lib, each) if isinstance(each, str) else each for key, each in kwargs.items()}
    return importlib.import_module(place)._LearnableFakeQuantize(getattr(q, maker), **given)


SYMMETRIC = {"quant_min": -8, "quant_max": 7, "dtype": "qint8", "use_grad_scaling": True}
LEARNERS = (
    {}, {"quant_max": 15, "use_grad_scaling": True}, {"qscheme": "per_tensor_symmetric", **SYMMETRIC},
    {"maker": "MovingAveragePerChannelMinMaxObserver", "channel_len": 2, "qscheme": "per_channel_symmetric", **SYMMETRIC},
    {"maker": "MovingAveragePerChannelMinMaxObserver", "channel_len": 2, "qscheme": "per_channel_affine", **SYMMETRIC},
)  # fmt: skip


@scripts.agrees(rtol=1e-5)
def a_step_size_learns(lib):
    """First it is estimated, then a few steps of gradient descent move weight, scale and zero point."""
    found = []
    for options in LEARNERS:
        module = learnable(lib, **options)
        weight = lib.tensor([[-1.01, 0.33, 2.02], [0.17, -0.71, 0.53]], requires_grad=True)
        found.append(module(weight).detach().clone())
        module.enable_param_learning()
        for _ in range(3):
            for each in (weight, module.scale, module.zero_point):
                each.grad = None
            ((module(weight) - lib.ones(3)) ** 2).sum().backward()
            with lib.no_grad():
                for each in (weight, module.scale, module.zero_point):
                    each -= 0.01 * each.grad
        found += [module.scale.clone(), module.zero_point.clone(), weight.clone(), *module.calculate_qparams()]
    return found


@scripts.agrees()
def what_a_learner_does(lib):
    module, found = learnable(lib), []
    x = lib.tensor([0.123, 1.0])
    for method in ("enable_static_observation", "enable_static_estimate", "enable_param_learning"):
        getattr(module, method)()
        switches = (module.static_enabled, module.learning_enabled, module.fake_quant_enabled)
        found.append([method, module(x), module.scale.requires_grad, *(each.tolist() for each in switches)])
    return [*found, module.bitwidth, list(module.state_dict())]


@scripts.raises(AssertionError, "strictly less")
def a_learner_with_one_code(lib):
    learnable(lib, quant_min=5, quant_max=5)


@scripts.raises(AssertionError, "quant_min out of bound")
def a_learner_with_codes_that_its_type_has_not(lib):
    learnable(lib, quant_min=-5, quant_max=5)


@scripts.raises(AssertionError, "positive integer")
def a_learner_without_channels(lib):
    learnable(lib, channel_len=0)


test_script = scripts.test()


def test_a_base_does_nothing_itself():
    with pytest.raises(TypeError, match="abstract"):
        Q.FakeQuantizeBase()


def test_a_copy_has_switches_of_its_own():
    module = Q.default_fused_act_fake_quant()
    again = copy.deepcopy(module)
    again.disable_observer()
    assert (module.observer_enabled.item(), again.observer_enabled.item()) == (1, 0)


def test_an_empty_batch_changes_nothing():
    for maker in MAKERS:
        module = getattr(Q, maker)()
        module(trainctl.tensor([[1.0, -2.0], [0.5, 3.0]]))
        before = {key: each.tolist() for key, each in module.state_dict().items()}
        assert module(trainctl.zeros(0, 2) if "channel" not in maker else trainctl.zeros(2, 0)).numel() == 0
        assert {key: each.tolist() for key, each in module.state_dict().items()} == before


def test_a_model_of_two_bits_fits_better_with_steps_that_learn():
    """The point of LSQ: the same model, started alike, ends at a lower loss than with steps that follow the range."""
    random = np.random.RandomState(0)
    x = trainctl.from_numpy(random.randn(64, 8).astype(np.float32))
    y = trainctl.from_numpy(random.randn(64, 2).astype(np.float32))
    codes = {"quant_min": -2, "quant_max": 1, "dtype": trainctl.qint8, "qscheme": trainctl.per_tensor_symmetric}
    makers = Q.FakeQuantize, _LearnableFakeQuantize.with_args(use_grad_scaling=True)
    losses = []
    for make in makers:
        trainctl.manual_seed(0)
        net = nn.Linear(8, 2)
        fake = make(observer=Q.MovingAverageMinMaxObserver, **codes)
        fake(net.weight)
        if isinstance(fake, _LearnableFakeQuantize):
            fake.enable_param_learning()
        optimizer = optim.SGD([*net.parameters(), *fake.parameters()], lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(nn.functional.linear(x, fake(net.weight), net.bias), y)
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
