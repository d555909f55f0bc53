"""The walk back: what is added where, what is freed when, and what is refused."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

import trainctl
from tests.scripts import Scripts

scripts = Scripts()


# -- accumulation -----------------------------------------------------------------------------------------


@scripts.gives([6.0, -2.0])
def a_leaf_used_twice_gets_both_gradients(lib):
    w = lib.tensor([3.0, -1.0], requires_grad=True)
    (w * w).sum().backward()
    return w.grad


@scripts.gives([12.0, 3.0])
def a_leaf_used_in_several_layers_gets_their_sum(lib):
    w = lib.tensor([2.0, 1.0], requires_grad=True)
    ((w * w) * w).sum().backward()
    return w.grad


@scripts.gives([5.0, 5.0])
def each_backward_adds_to_the_gradient(lib):
    w = lib.ones(2, requires_grad=True)
    (2 * w).sum().backward()
    (3 * w).sum().backward()
    return w.grad


@scripts.gives((True, [5.0]))
def a_gradient_is_added_to_in_place(lib):
    w = lib.ones(1, requires_grad=True)
    (2 * w).sum().backward()
    before = w.grad
    (3 * w).sum().backward()
    return before is w.grad, before


@scripts.gives([3.0])
def a_gradient_set_to_none_starts_anew(lib):
    w = lib.ones(1, requires_grad=True)
    (2 * w).sum().backward()
    w.grad = None
    (3 * w).sum().backward()
    return w.grad


@scripts.gives([30.0])
def a_diamond_is_walked_once_after_both_sides_arrived(lib):
    x = lib.tensor([2.0], requires_grad=True)
    y = x * x
    (y * 3 + y * y / 2 + x * 2).sum().backward()  # at 2: 3 * 2x + x^2 * 2x + 2
    return x.grad


@scripts.gives((1, [8.0]))
def a_shared_node_s_hook_runs_once_with_the_whole_gradient(lib):
    x = lib.tensor([1.0], requires_grad=True)
    shared = x * 2
    seen = []
    shared.register_hook(lambda gradient: seen.append(gradient.clone()))
    y = shared
    for _ in range(3):
        y = y + y
    y.sum().backward()
    return len(seen), seen[0]


@scripts.gives([float(2**30)])
def a_ladder_of_diamonds_is_linear_in_its_nodes(lib):
    x = lib.ones(1, requires_grad=True)
    y = x
    for _ in range(30):
        y = y + y
    y.sum().backward()
    return x.grad


@scripts.gives(([2.0, 2.0], [3.0, 3.0, 3.0]))
def gradients_are_summed_where_a_leaf_was_broadcast(lib):
    x, y = lib.ones(2, requires_grad=True), lib.ones(3, 1, requires_grad=True)
    (2 * x * y / y).sum().backward()
    z = lib.ones(3, requires_grad=True)
    (z + lib.zeros(3, 3)).sum().backward()
    return x.grad / 3, z.grad


@scripts.gives(([4.0], "lib.float32"))
def the_gradient_of_a_float32_leaf_is_float32_through_float64(lib):
    x = lib.tensor([2.0], requires_grad=True)
    (x.double() ** 2).sum().backward()
    return x.grad, x.grad.dtype


@scripts.gives(([3.0], [2.0], [3.0], [2.0]))
def backward_of_several_roots_adds_all(lib):
    x, y = lib.tensor([2.0], requires_grad=True), lib.tensor([3.0], requires_grad=True)
    lib.autograd.backward([(x * y).sum()])
    first = x.grad.clone(), y.grad.clone()
    x.grad = y.grad = None
    lib.autograd.backward([x * y, x + 0], [lib.ones(1), lib.zeros(1)])
    return *first, x.grad, y.grad


@scripts.gives([10.0, 200.0])
def a_gradient_weights_a_root_that_is_no_scalar(lib):
    x = lib.tensor([5.0, 10.0], requires_grad=True)
    (x * x).backward(lib.tensor([1.0, 10.0]))
    return x.grad


@scripts.gives([1.0])
def one_element_counts_as_a_scalar(lib):
    x = lib.ones(1, requires_grad=True)
    (x * 1).backward()
    return x.grad


@scripts.gives(1.0)
def a_leaf_can_be_its_own_root(lib):
    x = lib.tensor(3.0, requires_grad=True)
    x.backward()
    return x.grad


@scripts.gives((None, [2.0]))
def inputs_limits_what_is_added_to(lib):
    x, y = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True)
    (x * y * 2).sum().backward(inputs=[y])
    return x.grad, y.grad


@scripts.gives([True, False])
def the_leaf_is_given_its_gradient_only_if_it_requires_one(lib):
    x, y = lib.ones(1, requires_grad=True), lib.ones(1)
    (x * y).sum().backward()
    return [x.grad is not None, y.grad is not None]


@scripts.gives([1.0, 1.0, 0.0, 0.0, 2.0, 2.0])
def outputs_that_nobody_used_have_zero_gradient(lib):
    x = lib.ones(6, requires_grad=True)
    first, _, third = x.split(2)
    (first.sum() + 2 * third.sum()).backward()
    return x.grad


# -- no aliasing --------------------------------------------------------------------------------------------


@scripts.gives(([100.0], [1.0]))
def the_gradients_of_a_sum_s_operands_are_separate(lib):
    x, y = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True)
    (x + y).sum().backward()
    x.grad.mul_(100)
    return x.grad, y.grad


@scripts.gives([3.0])
def a_gradient_is_not_the_root_s_own(lib):
    x, seed = lib.ones(1, requires_grad=True), lib.tensor([3.0])
    (x + 0).backward(seed)
    x.grad.zero_()
    return seed


@scripts.gives([2.0, 3.0])
def a_gradient_is_not_the_memory_of_a_factor(lib):
    x, factor = lib.ones(2, requires_grad=True), lib.tensor([2.0, 3.0])
    (x * factor).sum().backward()
    x.grad.zero_()
    return factor


@scripts.gives(([0.0], [1.0]))
def a_view_s_gradient_has_its_own_memory(lib):
    x, y = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True)
    (x.view(1) + y.reshape(1)).sum().backward()
    x.grad.zero_()
    return x.grad, y.grad


@scripts.gives([[4.0, 4.0], [4.0, 4.0]])
def the_gradient_of_an_expanded_sum_can_be_written(lib):
    x = lib.ones(2, 2, requires_grad=True)
    x.sum().backward()
    x.grad.add_(3)
    return x.grad


# -- freeing ------------------------------------------------------------------------------------------------

AGAIN = (
    r"Trying to backward through the graph a second time \(or directly access saved tensors after they have already "
    r"been freed\)\. .*Specify retain_graph=True if you need to backward through the graph a second time"
)


@scripts.raises(RuntimeError, AGAIN)
def a_second_backward_is_refused(lib):
    x = lib.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


@scripts.raises(RuntimeError, AGAIN)
def a_second_walk_through_a_shared_part_is_refused(lib):
    x = lib.ones(2, requires_grad=True)
    shared = x.exp()
    (shared * 2).sum().backward()
    (shared * 3).sum().backward()


@scripts.gives([6.0])
def retain_graph_allows_another(lib):
    x = lib.ones(1, requires_grad=True)
    y = (x * x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@scripts.raises(RuntimeError, AGAIN)
def the_last_walk_frees_what_the_first_retained(lib):
    x = lib.ones(1, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    y.backward()


@scripts.gives([4.0, 6.0])
def a_node_that_saves_nothing_can_be_walked_again(lib):
    x = lib.ones(2, requires_grad=True)
    y = x + x
    y.backward(lib.tensor([1.0, 1.5]))
    y.backward(lib.tensor([1.0, 1.5]))
    return x.grad


# -- refusals -----------------------------------------------------------------------------------------------


@scripts.raises(RuntimeError, "grad can be implicitly created only for scalar outputs")
def a_root_of_several_elements_needs_a_gradient(lib):
    (lib.ones(2, requires_grad=True) * 2).backward()


@scripts.raises(RuntimeError, "element 0 of tensors does not require grad and does not have a grad_fn")
def a_root_without_a_graph_is_refused(lib):
    lib.ones(()).backward()


@scripts.raises(RuntimeError, "element 1 of tensors does not require grad")
def the_root_without_a_graph_is_numbered(lib):
    lib.autograd.backward([lib.ones((), requires_grad=True), lib.ones(())])


@scripts.raises(
    RuntimeError,
    r"Mismatch in shape: grad_output\[0\] has a shape of .*\[3\]\) and output\[0\] has a shape of .*\[2\]\)",
)
def a_gradient_of_another_shape_is_refused(lib):
    (lib.ones(2, requires_grad=True) * 2).backward(lib.ones(3))


@scripts.raises(RuntimeError, "cannot be empty")
def no_inputs_are_refused(lib):
    lib.ones((), requires_grad=True).backward(inputs=[])


@scripts.raises(RuntimeError, "grad can be implicitly created only for real scalar outputs but got .*complex64")
def a_complex_root_needs_a_gradient(lib):
    lib.tensor(1 + 1j, requires_grad=True).backward()


@scripts.raises(RuntimeError, "One of the differentiated Tensors does not require grad")
def grad_with_respect_to_a_constant_is_refused(lib):
    x = lib.ones((), requires_grad=True)
    lib.autograd.grad(x * 2, lib.ones(()))


@scripts.raises(RuntimeError, "appears to not have been used in the graph. Set allow_unused=True")
def grad_with_respect_to_an_unused_tensor_is_refused(lib):
    x, y = lib.ones((), requires_grad=True), lib.ones((), requires_grad=True)
    lib.autograd.grad(x * 2, [x, y])


test_script = scripts.test()


# -- memory and depth -----------------------------------------------------------------------------------------


def test_a_chain_of_100_000_nodes_is_walked_and_deleted_without_recursion():
    x = trainctl.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [1.0]
    del y  # one node after the other, not each inside the next
    assert sys.getrecursionlimit() <= 1000


@pytest.mark.parametrize("walked", [True, False])
def test_a_graph_has_no_cycles(walked):
    gc.collect()
    gc.disable()
    try:
        x = trainctl.ones(3, requires_grad=True)
        hidden = x.exp()  # saves its own output, the nearest thing to a cycle
        view = hidden[1:]
        view.register_hook(lambda gradient: gradient * 2)
        view.retain_grad()
        loss = (view * hidden.sum()).sum()
        seen = [weakref.ref(each) for each in (hidden, view, hidden.grad_fn, view.grad_fn, loss.grad_fn)]
        if walked:
            loss.backward()
        del hidden, view, loss
        assert [ref() for ref in seen] == [None] * len(seen)
    finally:
        gc.enable()


def test_a_walk_frees_each_node_as_it_leaves_it():
    x = trainctl.ones(3, requires_grad=True)
    hidden = x * 2
    memory = weakref.ref(hidden._array)
    y = (hidden * hidden).sum()
    del hidden
    assert memory() is not None
    y.backward()  # y and its graph still exist
    assert memory() is None


def test_a_failed_walk_leaves_recording_as_it_was():
    x = trainctl.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda gradient: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    assert trainctl.is_grad_enabled()
    assert (x * 2).requires_grad
    again = (x * x).sum()
    again.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_batched_gradients_are_refused_in_words():
    x = trainctl.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="is_grads_batched=True is not supported"):
        trainctl.autograd.grad(x * 2, x, trainctl.ones(3, 2), is_grads_batched=True)
