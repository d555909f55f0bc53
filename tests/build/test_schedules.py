"""From the scheduler of a config to learning rates."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.train import tiny
from trainctl import nn, optim
from trainctl.build import build, check
from trainctl.build.schedules import schedule_of
from trainctl.errors import ConfigError
from trainctl.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, ReduceLROnPlateau, SequentialLR
from trainctl.train.lengths import check_experiment
from trainctl.train.schedule import Schedule

STEPS = 5


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_config(tmp_path_factory.mktemp("tiny"))


def schedule(config: Path, text: str, *overrides: str, steps: int = STEPS) -> Schedule:
    """What a config's scheduler becomes, of an SGD with momentum."""
    loaded = tiny.load(config, f"scheduler={text}", "optimizer={SGD: {lr: 1.0, momentum: 0.9}}", *overrides)
    experiment = build(loaded)
    made = schedule_of(loaded, experiment.optimizer, experiment.metrics, steps)
    assert made is not None
    return made


def rates(schedule: Schedule, epochs: int, steps: int = STEPS) -> list[float]:
    """The learning rate of every step, when every epoch is as good as the one before."""
    optimizer, seen = schedule.scheduler.optimizer, []
    for _ in range(epochs):
        for _ in range(steps):
            optimizer.step()
            seen.append(optimizer.param_groups[0]["lr"])
            schedule.after_step()
        schedule.after_epoch(1.0)
    return seen


def plain(make, count: int, **options: float) -> list[float]:
    """The learning rates of a scheduler by itself."""
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0, momentum=0.9)
    scheduler, seen = make(optimizer, **options), []
    for _ in range(count):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def repeated(values: list[float]) -> list[float]:
    return [value for value in values for _ in range(STEPS)]


def test_a_config_without_a_scheduler_has_no_schedule(config):
    assert build(tiny.load(config)).schedule is None


def test_after_epochs_by_default(config):
    made = schedule(config, "{StepLR: {step_size: 2, gamma: 0.5}}")
    assert rates(made, 5) == repeated([1.0, 1.0, 0.5, 0.5, 0.25])


def test_after_steps_where_the_config_says_so(config):
    made = schedule(config, "{ExponentialLR: {gamma: 0.5, interval: step}}")
    assert rates(made, 2) == [0.5**step for step in range(10)]


def test_one_cycle_is_as_long_as_the_run(config):
    made = schedule(config, "{OneCycleLR: {max_lr: 0.5}}")
    assert made.interval == "step"
    assert rates(made, 3) == plain(OneCycleLR, 15, max_lr=0.5, total_steps=15)


def test_a_cosine_ends_with_the_run(config):
    assert rates(schedule(config, "CosineAnnealingLR"), 3) == repeated(plain(CosineAnnealingLR, 3, T_max=3))
    by_steps = schedule(config, "{CosineAnnealingLR: {interval: step, eta_min: 0.1}}")
    assert rates(by_steps, 3) == plain(CosineAnnealingLR, 15, T_max=15, eta_min=0.1)


def test_what_a_config_gives_is_not_taken_from_the_run(config):
    assert rates(schedule(config, "{CosineAnnealingLR: {T_max: 7}}"), 3) == repeated(
        plain(CosineAnnealingLR, 3, T_max=7)
    )


def test_a_warm_up_and_then_a_cosine_to_the_end(config):
    text = "{SequentialLR: {schedulers: [{LinearLR: {start_factor: 0.1, total_iters: 4}}, CosineAnnealingLR]"
    made = schedule(config, text + ", milestones: [4], interval: step}}")

    def by_hand(optimizer):
        parts = [LinearLR(optimizer, start_factor=0.1, total_iters=4), CosineAnnealingLR(optimizer, T_max=11)]
        return SequentialLR(optimizer, parts, milestones=[4])

    assert rates(made, 3) == plain(by_hand, 15)


def test_all_at_once(config):
    made = schedule(
        config, "{ChainedScheduler: {schedulers: [{ConstantLR: {factor: 0.5}}, {ExponentialLR: {gamma: 0.5}}]}}"
    )
    assert rates(made, 3) == repeated([0.5, 0.25, 0.125])


def test_a_plateau_of_what_decides_which_epoch_is_best(config):
    made = schedule(config, "{ReduceLROnPlateau: {patience: 0}}")
    assert isinstance(made.scheduler, ReduceLROnPlateau)
    assert made.scheduler.mode == "min"
    assert rates(made, 3) == pytest.approx(repeated([1.0, 1.0, 0.1]))
    by_accuracy = schedule(config, "ReduceLROnPlateau", "train.monitor=accuracy")
    assert by_accuracy.scheduler.mode == "max"


def test_a_figure_that_is_no_number_is_no_improvement(config):
    made = schedule(config, "{ReduceLROnPlateau: {patience: 0}}")
    made.after_epoch(None)
    assert made.scheduler.num_bad_epochs == 0  # the learning rate has been lowered for it
    assert made.scheduler.get_last_lr() == pytest.approx([0.1])
    assert math.isinf(made.scheduler.best)


def test_a_schedule_that_is_as_long_as_its_run_stays_where_it_ended(config):
    made = schedule(config, "{OneCycleLR: {max_lr: 0.5}}")
    planned = rates(made, 3)
    assert rates(made, 2) == [planned[-1]] * 10


def test_a_schedule_whose_length_is_given_goes_on(config):
    made = schedule(config, "{CosineAnnealingLR: {T_max: 3}}")
    assert rates(made, 6)[-1] > 0.5  # on its way back up


def test_a_schedule_that_is_over_before_the_run_is_refused(config):
    with pytest.raises(ConfigError) as caught:
        schedule(config, "{OneCycleLR: {max_lr: 0.5, total_steps: 14}}")
    (problem,) = caught.value.problems
    assert problem.message == "scheduler.OneCycleLR.total_steps: OneCycleLR is over after 14, and is to step 15 times"
    assert problem.hint == "write `total_steps: 15`, or leave it out"
    phases = "schedulers: [LinearLR, {OneCycleLR: {max_lr: 1, total_steps: 10}}], milestones: [5], interval: step"
    assert len(rates(schedule(config, f"{{SequentialLR: {{{phases}}}}}"), 3)) == 15
    with pytest.raises(
        ConfigError, match=r"schedulers\.1\.OneCycleLR\.total_steps: .* after 10, and is to step 11 times"
    ):
        schedule(config, f"{{SequentialLR: {{{phases}}}}}".replace("[5]", "[4]"))


def test_it_is_looked_at_before_the_run_begins(config):
    loaded = tiny.load(config, "scheduler={OneCycleLR: {max_lr: 0.5, total_steps: 14}}")
    with pytest.raises(ConfigError, match="is to step 15 times"):
        check_experiment(build(loaded))


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("{ReduceLROnPlateau: {mode: max}}", "mode", "scheduler: ReduceLROnPlateau watches val_loss, of which lower is better"),
        ("{ReduceLROnPlateau: {mode: mix}}", "mode", "scheduler: ReduceLROnPlateau: mode mix is unknown!"),
        ("{ReduceLROnPlateau: {factor: 2}}", "factor", "scheduler: ReduceLROnPlateau: Factor should be < 1.0"),
        ("{OneCycleLR: {max_lr: 1, pct_start: 2}}", "pct_start", "scheduler: OneCycleLR: Expected float between 0 and 1"),
        ("{CyclicLR: {base_lr: 0, max_lr: [1, 2]}}", "max_lr", "scheduler: CyclicLR: max_lr must have the same length"),
        (
            "{SequentialLR: {schedulers: [{LinearLR: {start_factor: 3}}, CosineAnnealingLR], milestones: [2]}}",
            "start_factor",
            "scheduler.SequentialLR.schedulers.0: LinearLR: Starting multiplicative factor expected",
        ),
        (
            "{SequentialLR: {schedulers: [LinearLR, CosineAnnealingLR], milestones: [2, 3]}}",
            "milestones",
            "scheduler: SequentialLR: Sequential Schedulers expects number of schedulers provided to be one more",
        ),
        (
            "{SequentialLR: {schedulers: [LinearLR, LinearLR, CosineAnnealingLR], milestones: [3, 2]}}",
            "milestones",
            "scheduler.SequentialLR.milestones: expected rising numbers, got [3, 2]",
        ),
        ("{ChainedScheduler: {schedulers: []}}", "schedulers", "scheduler: ChainedScheduler: ChainedScheduler expects at least"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_reported_where_it_is_written(config, tmp_path, text, name, message):
    path = tmp_path / "broken.yaml"
    path.write_text(config.read_text() + f"scheduler: {text}\n")
    with pytest.raises(ConfigError) as caught:
        check(tiny.load(path))
    (problem,) = caught.value.problems
    assert problem.message.startswith(message)
    key, value = problem.text[problem.column - 1 :], problem.text[: problem.column - 1]
    assert key.startswith(f"{name}:") or value.endswith(f"{name}: ")  # a list is blamed at its key


def test_an_optimizer_without_momentum_cannot_cycle_it(config, tmp_path):
    text = "{OneCycleLR: {max_lr: 0.1}}"
    loaded = tiny.load(config, f"scheduler={text}", "optimizer={Adagrad: {lr: 0.1}}")
    with pytest.raises(ConfigError, match="optimizer must support momentum or beta1"):
        check(loaded)
    check(tiny.load(config, "scheduler={OneCycleLR: {max_lr: 0.1, cycle_momentum: false}}", "optimizer=Adagrad"))


def test_being_checked_changes_nothing(config):
    experiment = build(tiny.load(config, "scheduler={OneCycleLR: {max_lr: 0.5}}"))
    assert experiment.optimizer.param_groups[0]["lr"] == 0.01
    assert experiment.schedule is experiment.schedule
    assert experiment.optimizer.param_groups[0]["lr"] == pytest.approx(0.02)
