"""Schedules of learning rates: PyTorch's values, states, warnings and errors."""

from __future__ import annotations

import copy
import math
import pickle
import random
import warnings

import pytest

import trainctl
from tests.scripts import Scripts, assert_same, load, plain
from trainctl.optim import lr_scheduler

scripts = Scripts()


def optimizer(lib, lr=1.0, other=0.1, kind="SGD", **options):
    """Return an optimizer of two groups with different learning rates."""
    a, b = lib.zeros(2, requires_grad=True), lib.zeros(3, requires_grad=True)
    options = options or ({"momentum": 0.9} if kind == "SGD" else {})
    return getattr(lib.optim, kind)([{"params": [a]}, {"params": [b], "lr": other}], lr=lr, **options)


def halve(epoch):
    return 0.5**epoch


def ninth(epoch):
    return 0.9


# name -> constructor's options; a function of the library where parts are schedules themselves
TABLE = {
    "StepLR": [{"step_size": 3}, {"step_size": 1, "gamma": 0.5}],
    "MultiStepLR": [{"milestones": [2, 5]}, {"milestones": [3, 3, 8], "gamma": 0.5}, {"milestones": []}],
    "ConstantLR": [{}, {"factor": 0.5, "total_iters": 3}, {"factor": 1.0, "total_iters": 0}],
    "LinearLR": [{}, {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 8}, {"start_factor": 1.0, "end_factor": 0.2, "total_iters": 1}],
    "ExponentialLR": [{"gamma": 0.9}, {"gamma": 1.1}],
    "PolynomialLR": [{}, {"total_iters": 15, "power": 2.0}],
    "CosineAnnealingLR": [{"T_max": 4}, {"T_max": 7, "eta_min": 0.01}, {"T_max": 1}],
    "CosineAnnealingWarmRestarts": [{"T_0": 3}, {"T_0": 2, "T_mult": 2, "eta_min": 0.01}],
    "LambdaLR": [{"lr_lambda": halve}, {"lr_lambda": [halve, ninth]}],
    "MultiplicativeLR": [{"lr_lambda": ninth}, {"lr_lambda": (halve, ninth)}],
    "CyclicLR": [
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4}, {"base_lr": [0.01, 0.02], "max_lr": [0.1, 0.3], "step_size_up": 2, "step_size_down": 3, "mode": "triangular2"},
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9, "base_momentum": 0.7, "max_momentum": [0.8, 0.95]},
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "cycle_momentum": False, "scale_fn": halve, "scale_mode": "iterations"},
    ],
    "OneCycleLR": [
        {"max_lr": 0.5, "total_steps": 20}, {"max_lr": [0.5, 1.0], "epochs": 4, "steps_per_epoch": 5, "anneal_strategy": "linear", "pct_start": 0.25},
        {"max_lr": 0.5, "total_steps": 20, "three_phase": True, "div_factor": 10.0, "final_div_factor": 100.0, "cycle_momentum": False},
    ],
    "ReduceLROnPlateau": [
        {"patience": 1}, {"mode": "max", "factor": 0.5, "patience": 0, "threshold_mode": "abs", "threshold": 0.1}, {"patience": 0, "cooldown": 2, "min_lr": [0.3, 0.05]},
        {"mode": "max", "patience": 2, "eps": 0.5}, {"threshold": 0.5, "patience": 0, "min_lr": 0.01, "threshold_mode": "abs"},
    ],
}  # fmt: skip
ROWS = [(name, options) for name, each in TABLE.items() for options in each]
METRICS = [3.0, 2.0, 2.5, 2.0, 2.0, 1.0, 1.5, 2.0, 1.9, 2.2, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 3.0, 2.0, 1.0]


def advance(schedule, epoch, name):
    schedule.optimizer.step()
    if name == "ReduceLROnPlateau":
        schedule.step(METRICS[epoch])
    else:
        schedule.step()


def seen(schedule):
    """Return the learning rates, and all that the groups know of the schedule."""
    groups = [
        {key: value for key, value in group.items() if key != "params"} for group in schedule.optimizer.param_groups
    ]
    return schedule.get_last_lr(), groups, schedule.last_epoch


def state_of(schedule):
    """Return the state but for references to methods, which PyTorch's has."""
    return dict(sorted((key, value) for key, value in schedule.state_dict().items() if not callable(value)))


for _name, _options in ROWS:
    for _kind in ("SGD", "Adam"):

        @scripts.agrees(rtol=1e-12)
        def rates(lib, name=_name, options=_options, kind=_kind):
            schedule = getattr(lib.optim.lr_scheduler, name)(optimizer(lib, kind=kind), **options)
            trace = [seen(schedule)]
            for epoch in range(20):
                advance(schedule, epoch, name)
                trace.append(copy.deepcopy(seen(schedule)))
            return trace, state_of(schedule)

    @scripts.agrees(rtol=1e-12)
    def going_on_from_a_state(lib, name=_name, options=_options):
        schedule = getattr(lib.optim.lr_scheduler, name)(optimizer(lib), **options)
        for epoch in range(7):
            advance(schedule, epoch, name)
        state, groups = copy.deepcopy(schedule.state_dict()), copy.deepcopy(schedule.optimizer.state_dict())
        schedule = getattr(lib.optim.lr_scheduler, name)(optimizer(lib), **options)
        schedule.load_state_dict(state)
        schedule.optimizer.load_state_dict(groups)
        trace = []
        for epoch in range(7, 20):
            advance(schedule, epoch, name)
            trace.append(copy.deepcopy(seen(schedule)))
        return trace


CHAINABLE = [name for name in TABLE if name not in ("CyclicLR", "OneCycleLR", "ReduceLROnPlateau")]

for _name in CHAINABLE:

    @scripts.agrees(rtol=1e-12)
    def continuing_at_an_epoch(lib, name=_name):
        options, before = TABLE[name][0], optimizer(lib)
        for group in before.param_groups:
            group["initial_lr"] = group["lr"]
        schedule = getattr(lib.optim.lr_scheduler, name)(before, last_epoch=3, **options)
        trace = [seen(schedule)]
        for epoch in range(4):
            advance(schedule, epoch, name)
            trace.append(copy.deepcopy(seen(schedule)))
        return trace

    @scripts.agrees(rtol=1e-12)
    def jumping(lib, name=_name):
        schedule, trace = getattr(lib.optim.lr_scheduler, name)(optimizer(lib), **TABLE[name][0]), []
        schedule.optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (4, 1, None, 9, None):
                schedule.step(epoch)
                trace.append(copy.deepcopy(seen(schedule)))
        return trace


def parts(lib, base):
    s = lib.optim.lr_scheduler
    return [s.LinearLR(base, 0.5, total_iters=3), s.CosineAnnealingLR(base, 4), s.ExponentialLR(base, 0.9)]


COMBINED = {
    "one_after_the_other": lambda lib, base: lib.optim.lr_scheduler.SequentialLR(base, parts(lib, base), [3, 8]),
    "the_first_not_at_all": lambda lib, base: lib.optim.lr_scheduler.SequentialLR(base, parts(lib, base), [0, 5]),
    "all_at_once": lambda lib, base: lib.optim.lr_scheduler.ChainedScheduler(parts(lib, base)),
    "a_chain_in_a_sequence": lambda lib, base: lib.optim.lr_scheduler.SequentialLR(base, [lib.optim.lr_scheduler.ChainedScheduler(parts(lib, base), base), lib.optim.lr_scheduler.ConstantLR(base, 0.5)], [4]),
    "averaging": lambda lib, base: lib.optim.swa_utils.SWALR(base, [0.05, 0.2], anneal_epochs=5),
    "averaging_at_once": lambda lib, base: lib.optim.swa_utils.SWALR(base, 0.05, 0, "linear"),
    "averaging_in_a_line": lambda lib, base: lib.optim.swa_utils.SWALR(base, 2.0, 3, "linear"),
}  # fmt: skip


def follow(lib, make):
    """Return the learning rates of a combination that is saved and loaded on the way."""
    schedule, trace = make(lib, optimizer(lib)), []
    for epoch in range(12):
        trace.append((list(schedule.get_last_lr()), [group["lr"] for group in schedule.optimizer.param_groups]))
        advance(schedule, epoch, "")
        if epoch == 6:
            state, options = copy.deepcopy(schedule.state_dict()), schedule.optimizer.state_dict()
            schedule = make(lib, optimizer(lib))
            schedule.load_state_dict(state)
            schedule.optimizer.load_state_dict(options)
    return trace


for _make in COMBINED.values():

    @scripts.agrees(rtol=1e-12)
    def combinations(lib, make=_make):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a chain that begins a sequence is stepped before the optimizer
            return follow(lib, make)


@scripts.gives(([[0.25, 0.1], [0.125, 0.1], [0.125, 0.05]], True))
def a_tensor_keeps_its_identity(lib):
    lr = lib.tensor(0.25, dtype=lib.float64)
    base = optimizer(lib, lr=lr)
    schedule = lib.optim.lr_scheduler.MultiStepLR(base, [1], gamma=0.5)
    trace = [[float(each) for each in schedule.get_last_lr()]]
    base.step()
    schedule.step()
    trace.append([float(base.param_groups[0]["lr"]), 0.1])
    trace.append([float(each) for each in schedule.get_last_lr()])
    return trace, base.param_groups[0]["lr"] is lr


# -- warnings and errors ------------------------------------------------------------------------------------


def warned(act):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return [str(each.message)[:60] for each in caught]


@scripts.gives([["Detected call of `lr_scheduler.step()` before `optimizer.ste"], [], []])
def the_order_of_calls(lib):
    schedule = lib.optim.lr_scheduler.StepLR(optimizer(lib), 2)
    wrong = [warned(schedule.step), warned(schedule.step)]
    schedule = lib.optim.lr_scheduler.StepLR(optimizer(lib), 2)
    schedule.optimizer.step()
    return [*wrong, warned(schedule.step)]


@scripts.gives(
    [
        ["To get the last learning rate computed by the scheduler, ple"],
        ["The epoch parameter in `scheduler.step()` was not necessary "],
        ["The epoch parameter in `scheduler.step()` was not necessary "],
    ]
)
def what_is_better_not_called(lib):
    schedule = lib.optim.lr_scheduler.StepLR(optimizer(lib), 2)
    schedule.optimizer.step()
    plateau = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer(lib))
    return [warned(schedule.get_lr), warned(lambda: schedule.step(1)), warned(lambda: plateau.step(1.0, 3))]


ERRORS = [
    (TypeError, "int is not an Optimizer", "s.StepLR(3, 1)"),
    (TypeError, "int is not an Optimizer", "s.CyclicLR(3, 0.1, 0.2)"),
    (TypeError, "int is not an Optimizer", "s.OneCycleLR(3, 0.1, 10)"),
    (TypeError, "int is not an Optimizer", "s.ReduceLROnPlateau(3)"),
    (KeyError, r"param 'initial_lr' is not specified in param_groups\[0\] when resuming", "s.StepLR(o, 1, last_epoch=2)"),
    (NotImplementedError, "", "s.LRScheduler(o)"),
    (ValueError, "Constant multiplicative factor expected to be between 0 and 1", "s.ConstantLR(o, 1.5)"),
    (ValueError, "Starting multiplicative factor expected to be greater than 0 and less or equal to 1", "s.LinearLR(o, 0)"),
    (ValueError, "Ending multiplicative factor expected to be between 0 and 1", "s.LinearLR(o, 0.5, -1)"),
    (ValueError, "Expected 2 lr_lambdas, but got 1", "s.LambdaLR(o, [abs])"),
    (TypeError, "lr_lambda should be a function, but got int", "s.MultiplicativeLR(o, 3)"),
    (ValueError, "Expected positive integer T_0, but got 0", "s.CosineAnnealingWarmRestarts(o, 0)"),
    (ValueError, "Expected integer T_mult >= 1, but got 0", "s.CosineAnnealingWarmRestarts(o, 1, 0)"),
    (ValueError, "Expected float or int eta_min, but got x", "s.CosineAnnealingWarmRestarts(o, 1, 1, 'x')"),
    (ValueError, "Expected non-negative epoch, but got -1", "s.CosineAnnealingWarmRestarts(o, 1).step(-1)"),
    (ValueError, "mode is invalid and scale_fn is None", "s.CyclicLR(o, 0.1, 0.2, mode='x')"),
    (ValueError, r"max_lr must have the same length as optimizer.param_groups. max_lr has 1 values, param_groups has 2", "s.CyclicLR(o, 0.1, [0.2])"),
    (ValueError, "optimizer must support momentum or beta1 with `cycle_momentum` option enabled", "s.CyclicLR(r, 0.1, 0.2)"),
    (ValueError, "optimizer must support momentum or beta1 with `cycle_momentum` option enabled", "s.OneCycleLR(r, 0.1, 10)"),
    (ValueError, r"You must define either total_steps OR \(epochs AND steps_per_epoch\)", "s.OneCycleLR(o, 0.1, epochs=3)"),
    (ValueError, "Expected positive integer total_steps, but got 0", "s.OneCycleLR(o, 0.1, 0)"),
    (ValueError, "Expected positive integer epochs, but got 1.5", "s.OneCycleLR(o, 0.1, epochs=1.5, steps_per_epoch=2)"),
    (ValueError, "Expected positive integer steps_per_epoch, but got -1", "s.OneCycleLR(o, 0.1, epochs=1, steps_per_epoch=-1)"),
    (ValueError, "Expected float between 0 and 1 pct_start, but got 2.0", "s.OneCycleLR(o, 0.1, 10, pct_start=2.0)"),
    (ValueError, "anneal_strategy must be one of 'cos' or 'linear', instead got x", "s.OneCycleLR(o, 0.1, 10, anneal_strategy='x')"),
    (ValueError, "Tried to step 2 times. The specified number of total steps is 1", "[x.step() for x in [s.OneCycleLR(o, 0.1, 1)] * 2]"),
    (ValueError, "Factor should be < 1.0", "s.ReduceLROnPlateau(o, factor=1.0)"),
    (ValueError, "mode x is unknown!", "s.ReduceLROnPlateau(o, 'x')"),
    (ValueError, "threshold mode x is unknown!", "s.ReduceLROnPlateau(o, threshold_mode='x')"),
    (ValueError, "expected 2 min_lrs, got 1", "s.ReduceLROnPlateau(o, min_lr=[0.1])"),
    (ValueError, "SequentialLR expects at least one scheduler, but got no scheduler", "s.SequentialLR(o, [], [])"),
    (ValueError, "expects number of schedulers provided to be one more than the number of milestone points", "s.SequentialLR(o, [s.StepLR(o, 1)], [1])"),
    (ValueError, "SequentialLR does not support `ReduceLROnPlateau`", "s.SequentialLR(o, [s.ReduceLROnPlateau(o)], [])"),
    (ValueError, "SequentialLR expects all schedulers to belong to the same optimizer", "s.SequentialLR(o, [s.StepLR(r, 1)], [])"),
    (TypeError, "ChainedScheduler at index 0 should have `optimizer` as its attribute", "s.ChainedScheduler([3], o)"),
    (ValueError, "expects at least one scheduler to be chained, but got no scheduler", "s.ChainedScheduler([])"),
    (ValueError, "expects all schedulers to belong to the same optimizer", "s.ChainedScheduler([s.StepLR(o, 1), s.StepLR(r, 1)])"),
    (ValueError, "anneal_strategy must be one of 'cos' or 'linear', instead got x", "swa.SWALR(o, 0.1, anneal_strategy='x')"),
    (ValueError, "anneal_epochs must be equal or greater than 0, got -1", "swa.SWALR(o, 0.1, -1)"),
]  # fmt: skip

for _error, _match, _code in ERRORS:

    @scripts.raises(_error, _match or "^")
    def errors(lib, code=_code):
        s, swa = lib.optim.lr_scheduler, lib.optim.swa_utils
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            eval(code, {"s": s, "swa": swa, "o": optimizer(lib), "r": optimizer(lib, kind="Rprop")})


test_script = scripts.test()


# -- what needs no PyTorch to be known ------------------------------------------------------------------------


def rates_of(make, epochs, lr=1.0):
    schedule, found = make(optimizer(trainctl, lr)), []
    for epoch in range(epochs):
        found.append(schedule.get_last_lr()[0])
        advance(schedule, epoch, type(schedule).__name__)
    return found


FORMULAS = {
    "StepLR": (lambda o: lr_scheduler.StepLR(o, 2, 0.5), lambda t: 0.5 ** (t // 2)),
    "MultiStepLR": (lambda o: lr_scheduler.MultiStepLR(o, [1, 4], 0.5), lambda t: 0.5 ** ((t >= 1) + (t >= 4))),
    "ExponentialLR": (lambda o: lr_scheduler.ExponentialLR(o, 0.9), lambda t: 0.9**t),
    "ConstantLR": (lambda o: lr_scheduler.ConstantLR(o, 0.5, 3), lambda t: 0.5 if t < 3 else 1.0),
    "LinearLR": (lambda o: lr_scheduler.LinearLR(o, 0.2, 1.0, 4), lambda t: 0.2 + 0.2 * min(t, 4)),
    "PolynomialLR": (lambda o: lr_scheduler.PolynomialLR(o, 5, 2.0), lambda t: max(0.0, 1 - t / 5) ** 2),
    "CosineAnnealingLR": (lambda o: lr_scheduler.CosineAnnealingLR(o, 4, 0.2), lambda t: 0.2 + 0.4 * (1 + math.cos(math.pi * t / 4))),
    "CosineAnnealingWarmRestarts": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4), lambda t: 0.5 * (1 + math.cos(math.pi * (t % 4) / 4))),
    "CyclicLR": (lambda o: lr_scheduler.CyclicLR(o, 0.0, 1.0, 3), lambda t: 1 - abs(t % 6 - 3) / 3),
    "LambdaLR": (lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: 1 / (1 + t)),
    "MultiplicativeLR": (lambda o: lr_scheduler.MultiplicativeLR(o, lambda t: 1 / t), lambda t: 1 / math.factorial(t)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_rates_are_the_formula_s(name):
    make, formula = FORMULAS[name]
    assert rates_of(make, 8) == pytest.approx([formula(t) for t in range(8)], abs=1e-12)


def test_one_cycle_goes_up_and_down_once():
    found = rates_of(lambda o: lr_scheduler.OneCycleLR(o, 1.0, 11, pct_start=3 / 11, div_factor=10.0), 11)
    assert found[0] == pytest.approx(0.1)
    assert found[2] == pytest.approx(1.0)
    assert found[10] == pytest.approx(0.1 / 1e4)
    assert found[:3] == sorted(found[:3])
    assert found[2:] == sorted(found[2:], reverse=True)


def test_every_name_of_pytorch_s_is_here():
    torch = load("torch")
    assert set(torch.optim.lr_scheduler.__all__) == set(lr_scheduler.__all__)


def test_a_function_that_is_an_object_has_its_state_saved():
    class Growing:
        factor = 2.0

        def __call__(self, epoch):
            return self.factor**epoch

    function = Growing()
    function.factor = 3.0
    schedule = lr_scheduler.LambdaLR(optimizer(trainctl), function)
    state = schedule.state_dict()
    assert state["lr_lambdas"] == [{"factor": 3.0}] * 2
    other = lr_scheduler.LambdaLR(optimizer(trainctl), Growing())
    other.load_state_dict(state)
    assert other.lr_lambdas[0].factor == 3.0
    assert state["lr_lambdas"] == [{"factor": 3.0}] * 2  # what was loaded is left as it was
    cyclic = lr_scheduler.CyclicLR(optimizer(trainctl), 0.1, 0.2, scale_fn=function)
    assert cyclic.state_dict()["_scale_fn_custom"] == {"factor": 3.0}


@pytest.mark.parametrize("name", [name for name in TABLE if name not in ("LambdaLR", "MultiplicativeLR")])
def test_a_state_can_be_stored(name):
    schedule = getattr(lr_scheduler, name)(optimizer(trainctl), **TABLE[name][0])
    state = schedule.state_dict()
    assert_same(pickle.loads(pickle.dumps(state)), state)


def test_a_group_that_is_added_later_is_reported_by_a_plateau_with_own_limits():
    for limit, fine in ((0.01, True), ([0.1, 0.2], False)):
        base = optimizer(trainctl)
        schedule = lr_scheduler.ReduceLROnPlateau(base, patience=0, min_lr=limit)
        base.add_param_group({"params": [trainctl.zeros(1, requires_grad=True)], "lr": 1.0})
        schedule.step(1.0)
        if fine:
            schedule.step(1.0)
            assert schedule.get_last_lr() == pytest.approx([0.1, 0.01, 0.1])
        else:
            with pytest.raises(RuntimeError, match=r"number of param groups in the `optimizer` \(3\) differs"):
                schedule.step(1.0)


def test_random_schedules_are_pytorch_s():
    torch, draw = load("torch"), random.Random(0)
    for _ in range(60):
        (name, options), kind = draw.choice(ROWS[:-5]), draw.choice(["SGD", "Adam"])
        second, at = draw.choice([row for row in ROWS[:-5] if row[0] in CHAINABLE]), draw.randint(1, 8)
        traces = []
        for lib in (trainctl, torch):
            base, s, trace = optimizer(lib, kind=kind), lib.optim.lr_scheduler, []
            both = [getattr(s, name)(base, **options), getattr(s, second[0])(base, **second[1])]
            schedule = draw_combined(s, base, both, at)
            for _ in range(18):
                base.step()
                schedule.step()
                trace.append(plain([group["lr"] for group in base.param_groups], lib))
            traces.append(trace)
        assert_same(*traces, rtol=1e-11)


def draw_combined(s, base, both, at):
    """Return one after the other for even milestones, else both at once."""
    return s.SequentialLR(base, both, [at]) if at % 2 == 0 else s.ChainedScheduler(both)
