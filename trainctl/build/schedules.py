"""From the ``scheduler`` of a config to the scheduler of an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from trainctl.errors import ConfigError
from trainctl.registry import TABLES, Kind, resolve
from trainctl.train.monitor import monitor_of

if TYPE_CHECKING:
    from trainctl.config import Component, Config, LoadedConfig
    from trainctl.config.tree import Path
    from trainctl.train.schedule import Schedule

Make = Callable[..., Any]
"""``make(kind, path, component, **more)``: an object of its arguments and ``more``; None where that was refused."""

_ROOT = ("scheduler",)
_TRIAL = 1000  # steps of a run whose data nobody has looked at


@dataclass(frozen=True)
class Surroundings:
    """What a scheduler needs to know of its run.

    Attributes:
        optimizer: whose learning rate it changes.
        length: how often it steps in the run.
        mode: which way the monitored figure is better, ``"min"`` or ``"max"``.
    """

    optimizer: Any
    length: int
    mode: str


def schedule_of(
    loaded: LoadedConfig, optimizer: Any, metrics: Mapping[str, Any], steps_per_epoch: int
) -> Schedule | None:
    """Return how a run's learning rate changes, None where its config does not say.

    Raises:
        ConfigError: a schedule that cannot be continued is over before the run is.
    """
    from trainctl.train.schedule import Schedule

    config, component = loaded.config, loaded.config.scheduler
    if component is None:
        return None
    interval = component.args["interval"]
    length = config.train.epochs * (steps_per_epoch if interval == "step" else 1)
    problems = [loaded.problem(*each) for each in _too_short(component, _ROOT, length)]
    if problems:
        raise ConfigError(problems)
    around = Surroundings(optimizer, length, monitor_of(config, metrics).mode)
    scheduler = make_scheduler(component, _ROOT, around, _make)
    return Schedule(scheduler, interval, length if _follows_the_run(component) else None)


def try_scheduler(
    config: Config, optimizer: Any, metrics: Mapping[str, Any], make: Make, report: Callable[..., None]
) -> None:
    """Report what is wrong with a config's scheduler; no data is read.

    Args:
        config: the config.
        optimizer: one that nobody needs: being given a scheduler changes it.
        metrics: by name.
        make: makes each object, and reports what it refuses.
        report: called with a key path, a message and a hint.
    """
    component, monitor = config.scheduler, monitor_of(config, metrics)
    assert component is not None
    make_scheduler(component, _ROOT, Surroundings(optimizer, _TRIAL, monitor.mode), make)
    for where, milestones in _out_of_order(component, _ROOT):
        report(where, f"{'.'.join(map(str, where))}: expected rising numbers, got {milestones}")
    if component.name == "ReduceLROnPlateau" and component.args.get("mode") in {"min", "max"} - {monitor.mode}:
        better = "higher" if monitor.higher_is_better else "lower"
        message = f"scheduler: {component.name} watches {monitor.name}, of which {better} is better"
        report((*_ROOT, component.name, "mode"), message, f"write `mode: {monitor.mode}`, or leave mode out")


def make_scheduler(component: Component, path: Path, around: Surroundings, make: Make) -> Any:
    """Return the scheduler that a config describes, None where something in it was refused.

    Args:
        component: its name and arguments.
        path: where it is in the config.
        around: its run.
        make: makes each object, and reports what it refuses.
    """
    kind: Kind = "scheduler" if path == _ROOT else "phase"
    args = {name: value for name, value in component.args.items() if name != "interval"}
    if "schedulers" in args:
        args["schedulers"] = [
            make_scheduler(part, where, replace(around, length=length), make)
            for part, where, length in _phases(component, path, around.length)
        ]
        if None in args["schedulers"]:
            return None
    follows = {"mode": around.mode, "T_max": around.length, "total_steps": around.length}
    missing = {name: follows[name] for name in TABLES[kind][component.name].from_run if name not in args}
    return make(kind, path, replace(component, args=args), optimizer=around.optimizer, **missing)


def _phases(component: Component, path: Path, length: int) -> Iterator[tuple[Component, Path, int]]:
    """The schedulers that one is made of, with their places and lengths: from one milestone to the next, or all of it."""
    parts, milestones = component.args.get("schedulers", ()), component.args.get("milestones")
    lengths = [length] * len(parts)
    if milestones is not None and len(milestones) == len(parts) - 1:
        lengths = [max(1, end - start) for start, end in pairwise([0, *milestones, length])]
    for index, part in enumerate(parts):
        yield part, (*path, component.name, "schedulers", index), lengths[index]


def _out_of_order(component: Component, path: Path) -> Iterator[tuple[Path, list[int]]]:
    """The milestones that do not come one after the other, with their places."""
    milestones = component.args.get("milestones", ())
    if component.name == "SequentialLR" and any(end <= start for start, end in pairwise([0, *milestones])):
        yield (*path, component.name, "milestones"), milestones
    for part, where, _ in _phases(component, path, _TRIAL):
        yield from _out_of_order(part, where)


def _follows_the_run(component: Component) -> bool:
    """Whether a length is left out, here or in a phase, so that it is the run's."""
    missing = set(TABLES["scheduler"][component.name].from_run) - component.args.keys() - {"mode"}
    return bool(missing) or any(map(_follows_the_run, component.args.get("schedulers", ())))


def _too_short(component: Component, path: Path, length: int) -> Iterator[tuple[Path, str, str]]:
    """The schedulers that would refuse to go on in the middle of the run, with what to say of them."""
    given = component.args.get("total_steps", length)
    if given < length:
        place = (*path, component.name, "total_steps")
        message = f"{'.'.join(map(str, place))}: {component.name} is over after {given}, and is to step {length} times"
        yield place, message, f"write `total_steps: {length}`, or leave it out"
    for part, where, most in _phases(component, path, length):
        yield from _too_short(part, where, most)


def _make(kind: Kind, path: Path, component: Component, **more: Any) -> Any:
    return resolve(kind, component.name)(**component.args, **more)
