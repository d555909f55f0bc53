"""From the ``optimizer`` and ``freeze`` of a config to the optimizer of a model's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainctl.train.patterns import freeze, hint, matching, parameter_names, tensor_names

if TYPE_CHECKING:
    from trainctl.build.schedules import Make
    from trainctl.config import Component, Config
    from trainctl.config.tree import Path

Report = Callable[..., None]

_ROOT = ("optimizer",)


def freeze_parameters(config: Config, model: Any, report: Report) -> None:
    """Freeze what ``freeze`` names, and report a pattern that fits nothing, or patterns that leave nothing to learn.

    Args:
        config: the config.
        model: whose parameters are meant.
        report: called with a key path, a message and a hint.
    """
    names = tensor_names(model)
    for index, pattern in enumerate(config.freeze):
        if not matching([pattern], names):
            report(("freeze", index), f"freeze.{index}: '{pattern}' fits no parameter", hint(pattern, names))
    freeze(model, config.freeze)
    if config.freeze and not any(parameter.requires_grad for parameter in model.parameters()):
        report(("freeze",), "freeze: nothing is left to learn", "leave out what is to be trained")


def make_optimizer(config: Config, model: Any, make: Make, report: Report) -> Any:
    """Return the optimizer that a config describes, None where something in it was refused.

    Args:
        config: the config.
        model: whose parameters that are not frozen it gets, each in one group.
        make: makes each object, and reports what it refuses.
        report: called with a key path, a message and a hint.
    """
    shares = _Shares(parameter_names(model), report)
    if not isinstance(config.optimizer, tuple):
        return _one(config.optimizer, _ROOT, shares, make)
    places = [(*_ROOT, index) for index in range(len(config.optimizer))]
    rest = None
    for path, component in zip(places, config.optimizer, strict=True):
        if "params" in component.args:
            shares.take(path, (*path, component.name, "params"), component.args["params"])
        else:
            rest = path
    shares.give_rest(rest)
    if shares.refused:
        return None
    parts = zip(places, config.optimizer, strict=True)
    made = [_one(each, path, _Shares(shares.taken[path], report, parameter_names(model)), make) for path, each in parts]
    if any(each is None for each in made):
        return None
    from trainctl.optim.mixed import MixedOptimizer

    return MixedOptimizer(made)


def _one(component: Component, path: Path, shares: _Shares, make: Make) -> Any:
    """One optimizer of all parameters of ``shares``, in groups where it has some."""
    groups = component.args.get("param_groups", ())
    args = {name: value for name, value in component.args.items() if name not in ("params", "param_groups")}
    places = [(*path, component.name, "param_groups", index) for index in range(len(groups))]
    for place, group in zip(places, groups, strict=True):
        shares.take(place, (*place, "params"), group["params"])
    shares.give_rest(path)
    params: list[Any] = list(shares.taken[path].values())
    if groups:
        params = [{"params": params}] if params else []
    for place, group in zip(places, groups, strict=True):
        options = {name: value for name, value in group.items() if name != "params"}
        own = list(shares.taken[place].values())
        # Only the constructor looks at options, and it looks at its own arguments alone.
        trial = replace(component, args={**args, **options})
        shares.refused |= bool(own) and make("optimizer", place, trial, own) is None
        params.append({**options, "params": own})
    return None if shares.refused else make("optimizer", path, replace(component, args=args), params)


class _Shares:
    """Who takes which of some parameters; a frozen one is nobody's.

    Args:
        parameters: by name; one may have several names.
        report: called with a key path, a message and a hint.
        known: all parameters of the model, where these are only some of them.

    Attributes:
        taken: by the path of who takes them, the parameters by name.
        refused: whether a pattern was reported.
    """

    def __init__(self, parameters: Mapping[str, Any], report: Report, known: Mapping[str, Any] | None = None) -> None:
        self._known = known or parameters
        self._learning = {name: each for name, each in parameters.items() if each.requires_grad}
        self._owner: dict[int, str] = {}
        self._report = report
        self.taken: dict[Path, dict[str, Any]] = {}
        self.refused = False

    def take(self, owner: Path, place: Path, patterns: Sequence[str]) -> None:
        """Give an owner what its patterns, which are written at ``place``, fit."""
        found: dict[str, Any] = {}
        for index, pattern in enumerate(patterns):
            names = matching([pattern], self._learning)
            if not names:
                self._refuse((*place, index), *self._nothing(pattern))
            for name in names:
                found.setdefault(name, self._learning[name])
        again = [name for name, each in found.items() if id(each) in self._owner]
        if again:
            other = self._owner[id(found[again[0]])]
            self._refuse(place, f"'{again[0]}' is taken already, by {other}", "a parameter is in one group alone")
        self._give(owner, found)

    def give_rest(self, owner: Path | None) -> None:
        """Give an owner what nobody has taken; None: nobody is there to take it."""
        rest = {name: each for name, each in self._learning.items() if id(each) not in self._owner}
        if rest and owner is None:
            name, more = next(iter(rest)), f" and {len(rest) - 1} more" if len(rest) > 1 else ""
            hint_text = "leave `params` out of one optimizer: it takes the rest"
            self._refuse(_ROOT, f"'{name}'{more} would be in no optimizer", hint_text)
        elif owner is not None:
            if not rest and self._learning and not self._owner_of_some(owner):
                self._refuse(owner, "nothing is left for it: the other optimizers take all parameters", None)
            self._give(owner, rest)

    def _owner_of_some(self, owner: Path) -> bool:
        """Whether an owner of no rest still has groups of its own."""
        return any(path[: len(owner)] == owner and taken for path, taken in self.taken.items())

    def _give(self, owner: Path, parameters: Mapping[str, Any]) -> None:
        once = {id(each): name for name, each in reversed(list(parameters.items()))}  # its first name
        self.taken[owner] = {name: parameters[name] for name in parameters if once[id(parameters[name])] == name}
        for each in parameters.values():
            self._owner.setdefault(id(each), ".".join(map(str, owner)))

    def _nothing(self, pattern: str) -> tuple[str, str]:
        known = matching([pattern], self._known)
        if known and not any(self._known[name].requires_grad for name in known):
            return f"'{pattern}' fits frozen parameters alone", "leave it out, or leave them out of `freeze`"
        if known:
            return f"'{pattern}' fits parameters of another optimizer alone", "a parameter is in one group alone"
        return f"'{pattern}' fits no parameter", hint(pattern, self._learning)

    def _refuse(self, place: Path, message: str, hint_text: str | None) -> None:
        self.refused = True
        self._report(place, f"{'.'.join(map(str, place))}: {message}", hint_text)
