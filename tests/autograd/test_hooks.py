"""Hooks on tensors and nodes: when they run, what they are given, and what they may change."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.autograd.hooks import add_hook

scripts = Scripts()


@scripts.gives(([[2.0]], [2.0]))
def a_leaf_s_hook_sees_the_gradient(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2).sum().backward()
    return seen, x.grad


@scripts.gives([20.0])
def a_leaf_s_hook_may_change_it(lib):
    x = lib.ones(1, requires_grad=True)
    x.register_hook(lambda g: g * 10)
    (x * 2).sum().backward()
    return x.grad


@scripts.gives(([60.0], [[6.0], [60.0]]))
def hooks_run_in_order_each_on_the_last_one_s_result(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    y = x * 1
    for factor in (2, 10):
        y.register_hook(lambda g, factor=factor: seen.append((g * factor).tolist()) or g * factor)
    (y * 3).sum().backward()
    return x.grad, seen


@scripts.gives([15.0])
def an_inner_hook_changes_what_flows_on(lib):
    x = lib.ones(1, requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    return x.grad


@scripts.gives(([7.0], [21.0], [7.0]))
def a_retained_gradient_is_what_the_hooks_made_of_it(lib):
    x = lib.ones(1, requires_grad=True)
    y = x * 3
    y.retain_grad()
    y.register_hook(lambda g: g * 7)
    y.sum().backward()
    return y.grad, x.grad, x.grad / 3


@scripts.gives(([3.0, 3.0], [[1.0], [1.0]]))
def a_removed_hook_does_not_run(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    x.sum().backward(retain_graph=True)
    x.sum().backward()
    handle.remove()
    handle.remove()
    x.sum().backward()
    return [x.grad.item()] * 2, seen


@scripts.gives([1, 1])
def a_handle_is_a_context(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    with x.register_hook(seen.append):
        x.sum().backward()
    inside = len(seen)
    x.sum().backward()
    return [inside, len(seen)]


@scripts.gives(([1.0, 0.0], [0.0, 1.0]))
def outputs_of_one_node_have_hooks_of_their_own(lib):
    x = lib.ones(2, requires_grad=True)
    first, second = x.unbind()
    first.register_hook(lambda g: g * 10)
    (grads,) = lib.autograd.grad(first + second, x)
    return grads * lib.tensor([0.1, 0.0]), grads * lib.tensor([0.0, 1.0])


@scripts.gives([[1.0], [3.0]])
def a_hook_on_an_accumulated_tensor_sees_the_sum_once(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    y = x * 1
    y.register_hook(lambda g: seen.append(g.item()))
    (y + y + y).sum().backward()
    return [[len(seen) * 1.0], seen]


@scripts.gives([[2.0], [2.0]])
def hooks_run_for_autograd_grad_too(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: seen.append(2 * g.item()))
    return [lib.autograd.grad(y.sum(), x)[0].tolist(), seen]


@scripts.gives(([8.0], False))
def a_gradient_of_a_gradient_passes_the_hook_again(lib):
    x = lib.ones(1, requires_grad=True)
    y = x * x
    y.register_hook(lambda g: g * 2)
    (first,) = lib.autograd.grad(y.sum(), x, create_graph=True)  # 4x
    (second,) = lib.autograd.grad(2 * first.sum(), x)
    return second, second.requires_grad


@scripts.gives([[2.0, 0.0], [4.0, 0.0]])
def post_accumulate_hooks_see_the_leaf_after_each_addition(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda leaf: seen.append([leaf.grad.item(), 0.0]))
    for _ in range(2):
        (x * 2).sum().backward()
    return seen


@scripts.gives((None, [0.5]))
def a_post_accumulate_hook_may_take_the_optimizer_s_step(lib):
    x = lib.ones(1, requires_grad=True)

    def step(leaf):
        with lib.no_grad():
            leaf -= 0.25 * leaf.grad
        leaf.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    return x.grad, x


@scripts.gives((1, 1, [[2.0]], [[1.0]], [2.0]))
def node_hooks_see_both_sides(lib):
    seen, x = [], lib.ones(1, requires_grad=True)
    y = x * 2
    y.grad_fn.register_hook(lambda gxs, gys: seen.append((gxs, gys)))
    y.sum().backward()
    (gxs, gys) = seen[0]
    return len(seen), len(gys), [gxs[0].tolist()], [gys[0].tolist()], x.grad


@scripts.gives([20.0])
def a_node_hook_may_change_the_gradients_of_the_inputs(lib):
    x = lib.ones(1, requires_grad=True)
    y = x * 2
    y.grad_fn.register_hook(lambda gxs, gys: (gxs[0] * 10, *gxs[1:]))
    y.sum().backward()
    return x.grad


@scripts.raises(RuntimeError, "cannot register a hook on a tensor that doesn't require gradient")
def a_hook_on_a_constant(lib):
    lib.ones(1).register_hook(print)


@scripts.raises(RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors")
def a_post_accumulate_hook_inside_the_graph(lib):
    (lib.ones(1, requires_grad=True) * 2).register_post_accumulate_grad_hook(print)


@scripts.raises(ZeroDivisionError, "division by zero")
def an_error_in_a_hook_is_the_user_s_own(lib):
    x = lib.ones(1, requires_grad=True)
    x.register_hook(lambda g: 1 / 0)
    x.sum().backward()


test_script = scripts.test()


def test_hooks_are_kept_in_order_and_removed_by_their_handles():
    hooks = {}
    first, second = add_hook(hooks, "a"), add_hook(hooks, "b")
    assert list(hooks.values()) == ["a", "b"]
    first.remove()
    assert list(hooks.values()) == ["b"]
    assert first.id != second.id


def test_a_hook_may_remove_itself_while_it_runs():
    x, seen = trainctl.ones(1, requires_grad=True), []

    def once(gradient):
        seen.append(gradient.item())
        handle.remove()

    handle = x.register_hook(once)
    x.sum().backward()
    x.sum().backward()
    assert seen == [1.0]


def test_what_a_hook_keeps_is_not_written_to_later():
    x, kept = trainctl.ones(1, requires_grad=True), []
    x.register_hook(kept.append)
    for _ in range(3):
        (x * 2).sum().backward()
    assert [each.item() for each in kept] == [2.0, 2.0, 2.0]
    assert x.grad.item() == pytest.approx(6)
