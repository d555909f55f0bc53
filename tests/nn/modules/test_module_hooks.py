"""Hooks around every module's call, and what a call does when one of them, or ``forward``, fails."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts

scripts = Scripts()


def hooks(lib):
    return __import__(f"{lib.__name__}.nn.modules.module", fromlist=["module"])


@scripts.gives(["before ReLU", "after ReLU", "own"])
def hooks_of_all_modules_come_first(lib):
    seen, layer = [], lib.nn.ReLU()
    layer.register_forward_hook(lambda *_: seen.append("own"))
    before = hooks(lib).register_module_forward_pre_hook(lambda m, args: seen.append(f"before {type(m).__name__}"))
    after = hooks(lib).register_module_forward_hook(lambda m, args, y: seen.append(f"after {type(m).__name__}"))
    with before, after:
        layer(lib.ones(1))
    layer.register_forward_hook(lambda *_: None)
    return seen


@scripts.gives([["grad_output", [2.0]], ["grad_input", [2.0]]])
def backward_hooks_of_all_modules(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    before = hooks(lib).register_module_full_backward_pre_hook(
        lambda m, go: seen.append(["grad_output", go[0].tolist()])
    )
    inside = hooks(lib).register_module_full_backward_hook(
        lambda m, gi, go: seen.append(["grad_input", gi[0].tolist()])
    )
    with before, inside:
        (lib.nn.ReLU()(x) * 2).sum().backward()
    return seen


def failing(lib):
    class Failing(lib.nn.Module):
        def forward(self, x):
            raise ValueError("no")

    return Failing()


@scripts.gives(["always None"])
def hooks_to_be_called_always_are_called_after_an_error(lib):
    seen, module = [], failing(lib)
    module.register_forward_hook(lambda m, args, y: seen.append(f"always {y}"), always_call=True)
    module.register_forward_hook(lambda m, args, y: seen.append("not after an error"))
    with pytest.raises(ValueError, match="no"):
        module(lib.ones(1))
    return seen


@scripts.raises(RuntimeError, r"forward pre-hook must return None or a tuple of \(new_args, new_kwargs\), but got 3")
def a_hook_before_forward_that_returns_no_pair(lib):
    layer = lib.nn.ReLU()
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    layer(lib.ones(1))


test_script = scripts.test()


def test_an_error_in_a_hook_called_always_does_not_hide_the_first_one():
    module = failing(trainctl)
    module.register_forward_hook(lambda m, args, y: 1 / 0, always_call=True)
    with (
        pytest.raises(ValueError, match="no"),
        pytest.warns(UserWarning, match="raised an exception: division by zero"),
    ):
        module(trainctl.ones(1))
