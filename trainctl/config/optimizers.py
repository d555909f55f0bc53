"""The ``optimizer`` of a config: one, with groups of parameters by pattern, or several for one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from trainctl.config.accepts import Accepts
from trainctl.config.components import Component, parse
from trainctl.config.problems import Fault, Faults, misfit
from trainctl.config.words import Expected, did_you_mean
from trainctl.registry import TABLES

PARAMS, GROUPS = "params", "param_groups"
_PATTERNS = "a pattern of parameter names such as '*.bias', or a list of them"


def parse_optimizer(value: Any) -> Component | tuple[Component, ...]:
    """Check a plain value: an optimizer as every part is written, or a list of optimizers.

    Beside its constructor's arguments an optimizer may have ``param_groups``: options for the parameters whose names
    fit ``params``. In a list, each optimizer has ``params`` too, but for one that takes the rest.

    Raises:
        Faults: every mistake in it.

    Example:
        >>> group = {"params": "*.bias", "weight_decay": 0}
        >>> parse_optimizer({"AdamW": {"param_groups": [group]}}).args["param_groups"]
        ({'params': ('*.bias',), 'weight_decay': 0.0},)
    """
    if not isinstance(value, list):
        return _optimizer(value, several=False)
    if not value:
        raise Faults([misfit((), "at least one optimizer", [])])
    found, faults = [], []
    for index, each in enumerate(value):
        try:
            found.append(_optimizer(each, several=True))
        except Faults as error:
            faults += [replace(fault, path=(index, *fault.path)) for fault in error.faults]
    rest = [index for index, each in enumerate(found) if PARAMS not in each.args]
    if not faults and len(rest) > 1:
        hint = "give each but one its `params`: '*.weight', say"
        name = value[rest[1]] if isinstance(value[rest[1]], str) else next(iter(value[rest[1]]))
        faults.append(Fault((rest[1],), f"{name} and another optimizer would both take the parameters left over", hint))
    if faults:
        raise Faults(faults)
    return tuple(found)


_One = Annotated[Component, PlainValidator(partial(parse, "optimizer")), Expected("an optimizer")]
Optimizer = Annotated[
    Component | tuple[Component, ...],
    PlainValidator(parse_optimizer),
    Accepts(_One | Annotated[list[_One], Field(min_length=1)]),
    Expected("an optimizer, or a list of optimizers"),
]


def _optimizer(value: Any, *, several: bool) -> Component:
    given = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(given, dict):
        return parse("optimizer", value)
    (name,) = value
    own = {key: each for key, each in given.items() if key != GROUPS and (key != PARAMS or not several)}
    component, faults = None, []
    try:
        component = parse("optimizer", {name: own})
    except Faults as error:
        if name not in TABLES["optimizer"]:
            raise
        faults += [_with_hint(fault, name, own, several) for fault in error.faults]
    more: dict[str, Any] = {}
    for key, check in ((PARAMS, _patterns), (GROUPS, _groups)):
        if key in given and key not in own:
            try:
                more[key] = check(given[key], name, own)
            except Faults as error:
                faults += [replace(fault, path=(name, key, *fault.path)) for fault in error.faults]
    if faults or component is None:
        raise Faults(faults)
    return Component(name, {**component.args, **more})


def _with_hint(fault: Fault, name: str, own: Mapping[str, Any], several: bool) -> Fault:
    """An unknown argument with what else it may have meant: the keys that no constructor has."""
    if fault.at != "key" or len(fault.path) != 2 or fault.path[1] not in own or "no such argument" not in fault.message:
        return fault
    if fault.path[1] == PARAMS:
        return replace(fault, hint="options for some parameters: `param_groups: [{params: '*.bias', lr: ...}]`")
    near = did_you_mean(str(fault.path[1]), [GROUPS, PARAMS] if several else [GROUPS])
    return replace(fault, hint=near) if near and near.startswith("did you mean") else fault


def _patterns(value: Any, name: str, own: Mapping[str, Any]) -> tuple[str, ...]:
    patterns = value if isinstance(value, list) else [value]
    if not patterns or not all(isinstance(each, str) and each for each in patterns):
        raise Faults([misfit((), _PATTERNS, value)])
    return tuple(patterns)


def _groups(value: Any, name: str, own: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list):
        raise Faults([misfit((), "a list of groups such as `{params: '*.bias', lr: ...}`", value)])
    groups, faults = [], []
    for index, group in enumerate(value):
        try:
            groups.append(_group(group, name, own))
        except Faults as error:
            faults += [replace(fault, path=(index, *fault.path)) for fault in error.faults]
    if faults:
        raise Faults(faults)
    return tuple(groups)


def _group(group: Any, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A group's patterns, and its options checked as the optimizer's own are."""
    if not isinstance(group, dict):
        raise Faults([misfit((), "a mapping with 'params' and options", group)])
    options = {key: value for key, value in group.items() if key != PARAMS}
    faults: list[Fault] = []
    patterns: tuple[str, ...] = ()
    checked: dict[str, Any] = {}
    if PARAMS not in group:
        faults.append(Fault((), f"missing key '{PARAMS}'", f"add `{PARAMS}: ...` ({_PATTERNS})"))
    else:
        try:
            patterns = _patterns(group[PARAMS], name, own)
        except Faults as error:
            faults += [replace(fault, path=(PARAMS, *fault.path)) for fault in error.faults]
    try:
        args = parse("optimizer", {name: {**own, **options}}).args
        checked = {key: args[key] for key in options}
    except Faults as error:
        faults += [
            replace(each, path=each.path[1:]) for each in error.faults if each.path[1:2] and each.path[1] in options
        ]
    if faults:
        raise Faults(faults)
    return {PARAMS: patterns, **checked}
