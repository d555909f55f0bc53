"""``Optimizer``: parameter groups, their options, and the state kept for each parameter."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from trainctl.autograd.clearing import clear_grad
from trainctl.autograd.grad_mode import enable_grad, no_grad
from trainctl.autograd.state import quietly
from trainctl.autograd.tensor import Tensor
from trainctl.optim.hooked import Hooked, with_hooks
from trainctl.optim.hooked import register_optimizer_step_post_hook as register_optimizer_step_post_hook
from trainctl.optim.hooked import register_optimizer_step_pre_hook as register_optimizer_step_pre_hook


class Optimizer(Hooked):
    """Base of every optimizer: subclass it and write ``update(parameter, grad, group, state)``, or ``step``.

    Args:
        params: parameters, (name, parameter) pairs, or dicts of a group's ``params`` and options.
        defaults: the options of groups that do not set them.

    Raises:
        ValueError: no parameters, one named twice, or one that is no leaf.
        TypeError: something that is no tensor, or parameters in no order.
        RuntimeError: ``fused`` together with ``foreach`` or ``differentiable``.

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

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got trainctl.{type(params).__name__}"
            )
        if defaults.get("fused") and defaults.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`")
        if defaults.get("fused") and defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._start_hooks()
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
            ValueError: a parameter is in another group, or is no leaf; or some have names and others have none.
            TypeError: something that is no tensor, or parameters in no order.

        Warns:
            UserWarning: a parameter is in the group twice; each step then changes it twice.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        group = dict(param_group)
        group["params"], names = _without_names([given] if isinstance(given, Tensor) else _ordered(given))
        if names:
            group["param_names"] = names
        for parameter in group["params"]:
            self._check_parameter(parameter)
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self._check_group(group)
        self.param_groups.append(group)

    def _check_parameter(self, parameter: Any) -> None:
        if not isinstance(parameter, Tensor):
            raise TypeError("optimizer can only optimize Tensors, but one of the params is " + type(parameter).__name__)
        if not (parameter.is_leaf or parameter.retains_grad or self.defaults.get("differentiable")):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_group(self, group: dict[str, Any]) -> None:
        """Check a new group against itself and against those before it."""
        own = {id(parameter) for parameter in group["params"]}
        if len(own) != len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; each step will change them twice",
                UserWarning,
                stacklevel=4,
            )
        for other in self.param_groups:
            if ("param_names" in group) != ("param_names" in other):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if 'param_names' in group else 'without'} names to the optimizer"
                )
            if not own.isdisjoint(map(id, other["params"])):
                raise ValueError("some parameters appear in more than one parameter group")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient (or set it to 0)."""
        for group in self.param_groups:
            for parameter in group["params"]:
                clear_grad(parameter, set_to_none)

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
                    state = self.state.get(parameter, {})
                    self.update(parameter, parameter.grad, group, state)
                    if state:  # one that an optimizer leaves empty is not kept
                        self.state[parameter] = state
        return loss

    step = with_hooks(step)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Change ``parameter`` in place; ``state`` is a dict kept for it from step to step."""
        raise NotImplementedError(f"{type(self).__name__} has neither step() nor update()")

    def state_dict(self) -> dict[str, Any]:
        """Return the state by the parameters' numbers, and the groups' options, as PyTorch lays them out."""
        for hook in tuple(self._state_dict_pre_hooks.values()):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            options = {name: value for name, value in group.items() if name != "params"}
            groups.append({**options, "params": [numbers[id(parameter)] for parameter in group["params"]]})
        state = {numbers.get(id(key), key): each for key, each in self.state.items()}
        return self._changed_by(self._state_dict_post_hooks, {"state": state, "param_groups": groups})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a copy of what ``state_dict`` returned; tensors but ``step`` take their parameter's dtype.

        Raises:
            ValueError: the groups do not have the sizes of this optimizer's; nothing has been changed.
        """
        given = copy.deepcopy(self._changed_by(self._load_state_dict_pre_hooks, state_dict.copy()))
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
            for name in ("param_names", *self.defaults):
                if name in own:  # what an older file does not know
                    other.setdefault(name, own[name])
        self.param_groups = groups
        self.state = defaultdict(dict)
        for key, each in given["state"].items():
            known = key in parameters
            self.state[parameters[key] if known else key] = _fitted(each, parameters[key]) if known else each
        for hook in tuple(self._load_state_dict_post_hooks.values()):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle keeps: all but the hooks."""
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_hooks()

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            text += f"\nParameter Group {number}\n"
            text += "".join(f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params")
        return text + ")"


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


def _without_names(params: list[Any]) -> tuple[list[Any], list[str]]:
    """Return parameters without the names that they may come with, and the names.

    Raises:
        ValueError: only some have a name.
    """
    names = [each[0] for each in params if isinstance(each, tuple)]
    if names and len(names) != len(params):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return [each[1] if isinstance(each, tuple) else each for each in params], names


def _fitted(value: Any, parameter: Tensor, name: str | None = None) -> Any:
    """Return a loaded state in its parameter's dtype, inside dicts and lists too; a step stays the count that it is."""
    if isinstance(value, dict):
        return {key: _fitted(each, parameter, key) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fitted(each, parameter) for each in value)
    if isinstance(value, Tensor) and name != "step" and parameter.is_floating_point():
        return value.to(parameter.dtype)
    return value


def check_single(lr: Any) -> None:
    """Raise ValueError if a learning rate is a tensor of several elements.

    Example:
        >>> check_single(0.1)
    """
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def check_not_negative(**options: Any) -> None:
    """Raise ValueError naming the first option that is negative.

    Example:
        >>> check_not_negative(lr=0.1)
    """
    for name, value in options.items():
        if name == "lr":
            check_single(value)
        if not value >= 0.0:
            what = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {what}: {value}")
