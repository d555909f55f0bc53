"""``Optimizer``: parameter groups, their options, and the state kept for each parameter."""

from __future__ import annotations

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from trainctl.autograd.grad_mode import enable_grad, no_grad
from trainctl.autograd.hooks import RemovableHandle, add_hook
from trainctl.autograd.state import quietly, state
from trainctl.autograd.tensor import Tensor


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``step`` with the optimizer's hooks around it; those of ``super().step()`` inside it do not run again."""

    @functools.wraps(step)
    def run(*args: Any, **kwargs: Any) -> Any:
        self: Optimizer = args[0]  # hooks are given it among the arguments, as in PyTorch
        if self._stepping:
            return step(*args, **kwargs)
        if state.watcher is not None:
            return _observed(run, args, kwargs)
        for hook in tuple(self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            args, kwargs = (args, kwargs) if changed is None else changed
        self._stepping = True
        try:
            result = step(*args, **kwargs)
        finally:
            self._stepping = False
        for hook in tuple(self._step_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    return run


def _observed(step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Take a step while an observer looks on; one with a closure it sees from the inside."""
    watcher = state.watcher
    if len(args) > 1 or kwargs:
        watcher.saw_read("an optimizer's step with a closure")
        state.watcher = None
        try:
            return step(*args, **kwargs)
        finally:
            state.watcher = watcher
    return watcher.effect(functools.partial(step, *args), f"{type(args[0]).__name__}.step")


class Optimizer:
    """Base of every optimizer: subclass it and write ``update(parameter, grad, group, state)``, or ``step``.

    Args:
        params: parameters, (name, parameter) pairs, or dicts of a group's ``params`` and options.
        defaults: the options of groups that do not set them.

    Raises:
        ValueError: no parameters, one named twice, or one that is no leaf.
        TypeError: something that is no tensor, or parameters in no order.

    Example:
        >>> import trainctl
        >>> class SignDescent(Optimizer):
        ...     def __init__(self, params, lr=0.1):
        ...         super().__init__(params, {"lr": lr})
        ...
        ...     def update(self, parameter, grad, group, state):
        ...         parameter.sub_(grad.sign() * group["lr"])
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> SignDescent([w]).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]  # a user's own step has hooks too

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._step_pre_hooks: dict[int, Any] = {}
        self._step_post_hooks: dict[int, Any] = {}
        self._stepping = False
        groups = _ordered(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own.

        Raises:
            ValueError: a parameter is in another group, or is no leaf, or a required option is missing.
            TypeError: something that is no tensor, or parameters in no order.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        listed = [given] if isinstance(given, Tensor) else _ordered(given)
        group = dict(param_group)
        if listed and isinstance(listed[0], tuple):
            group["param_names"] = [name for name, _ in listed]
            listed = [parameter for _, parameter in listed]
        group["params"] = listed
        known = {id(parameter) for other in self.param_groups for parameter in other["params"]}
        for parameter in listed:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is " + type(parameter).__name__
                )
            if not parameter.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if id(parameter) in known:
                raise ValueError("some parameters appear in more than one parameter group")
        if len({id(parameter) for parameter in listed}) != len(listed):
            raise ValueError("a parameter group contains duplicate parameters")
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient (or set it to 0)."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad = parameter.grad.detach().zero_()

    @no_grad()
    @quietly
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return ``closure()``, evaluated first, where it is given."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, group, self.state[parameter])
        return loss

    step = _with_hooks(step)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Change ``parameter`` in place; ``state`` is a dict kept for it from step to step."""
        raise NotImplementedError(f"{type(self).__name__} has neither step() nor update()")

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, (optimizer, *args), kwargs)`` before each step; what it returns replaces both."""
        return add_hook(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, (optimizer, *args), kwargs)`` after each step."""
        return add_hook(self._step_post_hooks, hook)

    def state_dict(self) -> dict[str, Any]:
        """Return the state by the parameters' numbers, and the groups' options, as PyTorch lays them out."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            options = {name: value for name, value in group.items() if name != "params"}
            groups.append({**options, "params": [numbers[id(parameter)] for parameter in group["params"]]})
        state = {numbers[id(parameter)]: each for parameter, each in self.state.items() if id(parameter) in numbers}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a copy of what ``state_dict`` returned; tensors but ``step`` take their parameter's dtype.

        Raises:
            ValueError: the groups do not have the sizes of this optimizer's; nothing has been changed.
        """
        given = copy.deepcopy(state_dict)
        groups = given["param_groups"]
        have = [len(group["params"]) for group in self.param_groups]
        got = [len(group["params"]) for group in groups]
        if len(have) != len(got):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: expected {len(have)}, got {len(got)}"
            )
        if have != got:
            raise ValueError(
                f"loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                f"expected {have}, got {got}"
            )
        parameters: dict[Any, Tensor] = {}
        for own, other in zip(self.param_groups, groups, strict=True):
            parameters.update(zip(other["params"], own["params"], strict=True))
            other["params"] = own["params"]
        self.param_groups = [{**self.defaults, **group} for group in groups]
        self.state = defaultdict(dict)
        for number, each in given["state"].items():
            if number in parameters:
                parameter = parameters[number]
                self.state[parameter] = {name: _fitted(name, value, parameter) for name, value in each.items()}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines.extend(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")
        return "\n".join([*lines, ")"])


def _ordered(params: Iterable[Any]) -> list[Any]:
    """Return the parameters or groups as a list.

    Raises:
        TypeError: they have no order, so that a saved state could not be matched to them.
    """
    if isinstance(params, (set, frozenset)):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
            "will change between runs. Please use a list instead."
        )
    return list(params)


def _fitted(name: str, value: Any, parameter: Tensor) -> Any:
    """Return an entry of a loaded state in its parameter's dtype; a step stays the count that it is."""
    if isinstance(value, Tensor) and name != "step" and parameter.is_floating_point():
        return value.to(parameter.dtype)
    return value


def check_not_negative(**options: Any) -> None:
    """Raise ValueError naming the first option that is negative.

    Example:
        >>> check_not_negative(lr=0.1)
    """
    for name, value in options.items():
        if not value >= 0.0:
            what = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {what}: {value}")
