"""The walk back: what is added where, what is freed when, and what is refused."""

from __future__ import annotations

import gc
import sys
import warnings
import weakref

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts, assert_same
from trainctl.autograd.gradcheck import gradgradcheck

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


@scripts.raises(RuntimeError, r"Mismatch in shape: grad_output\[0\] has a shape of .*\[3\]\) and output\[0\] has a shape of .*\[2\]\)")
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


# -- autograd.grad ------------------------------------------------------------------------------------------


@scripts.gives((6.0, None))
def grad_returns_and_adds_nothing(lib):
    x = lib.tensor(3.0, requires_grad=True)
    (found,) = lib.autograd.grad(x * x, x)
    return found, x.grad


@scripts.gives((2.0, None))
def allow_unused_gives_none(lib):
    x, y = lib.ones((), requires_grad=True), lib.ones((), requires_grad=True)
    return lib.autograd.grad(x * 2, [x, y], allow_unused=True)


@scripts.gives((2.0, [0.0, 0.0]))
def materialize_grads_gives_zeros(lib):
    x, y = lib.ones((), requires_grad=True), lib.ones(2, requires_grad=True)
    return lib.autograd.grad(x * 2, [x, y], materialize_grads=True)


@scripts.gives((12.0, 4.0, 1.0))
def grad_with_respect_to_inner_tensors(lib):
    x = lib.tensor(3.0, requires_grad=True)
    y = x * 2 - 4  # 2
    z = y * y + 0
    return lib.autograd.grad(z, [x, y, z], retain_graph=True)[0] * 1.5, *lib.autograd.grad(z, [y, z])


@scripts.gives((5.0, 5.0, 5.0))
def the_same_input_may_be_named_twice(lib):
    x = lib.tensor(3.0, requires_grad=True)
    y = x * 1
    return *lib.autograd.grad(y * 5, [x, x], retain_graph=True), *lib.autograd.grad(y * 5, [y])


@scripts.gives(([1.0], [10.0]))
def grad_leaves_other_leaves_alone(lib):
    x, y = lib.tensor([10.0], requires_grad=True), lib.tensor([1.0], requires_grad=True)
    (found,) = lib.autograd.grad((x * y).sum(), [x], retain_graph=True)
    assert x.grad is None
    assert y.grad is None
    (other,) = lib.autograd.grad((x * y).sum(), [y])
    return found, other


@scripts.gives([True, False])
def grad_outputs_may_hold_none_for_scalars(lib):
    x = lib.tensor(2.0, requires_grad=True)
    (found,) = lib.autograd.grad([x * 3, x * x], [x], [None, lib.tensor(10.0)])
    return [found.item() == 43, found.requires_grad]


# -- gradients of gradients -----------------------------------------------------------------------------------


@scripts.gives([500.0, 300.0, 120.0, 24.0])
def a_fourth_power_four_times(lib):
    x = lib.tensor(5.0, requires_grad=True)
    y, found = x * x * x * x, []
    for _ in range(4):
        (y,) = lib.autograd.grad(y, x, create_graph=True)
        found.append(y.detach())
    return found


@scripts.gives((True, [2.0, 4.0], [8.0, 16.0]))
def a_gradient_penalty(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of the cycle between x and its gradient
        (x * x).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    (first * first).sum().backward()
    return first.requires_grad, first, x.grad


def twice(lib, function, *arrays):
    """Return the gradient of the sum of the squared gradients: every second derivative takes part."""
    leaves = [lib.tensor(each, dtype=lib.float64, requires_grad=True) for each in arrays]
    first = lib.autograd.grad(function(*leaves).sum(), leaves, create_graph=True)
    total = sum((each * each).sum() for each in first)
    second = lib.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return [each.tolist() for each in (*first, *second)]


def array(*shape):
    return np.random.RandomState(sum(shape)).uniform(0.5, 1.5, shape).tolist()


SECOND = {
    "arithmetic": (lambda lib, x, y: (x * y - x / y + y) ** 2, array(2, 3), array(3)),
    "powers": (lambda lib, x, y: x**y + x**3 + 2**y, array(3), array(3)),
    "elementwise": (lambda lib, x: x.exp() * x.log() + x.sqrt().tanh() * x.sigmoid() + x.sin() / x.cos(), array(3)),
    "matmul": (lambda lib, x, y: (x @ y).tanh(), array(2, 3), array(3, 4)),
    "batched matmul": (lambda lib, x, y: (x @ y) ** 2, array(2, 1, 3, 2), array(4, 2, 3)),
    "linear": (lambda lib, x, w, b: lib.nn.functional.linear(x, w, b).sigmoid(), array(2, 3), array(4, 3), array(4)),
    "conv1d": (lambda lib, x, w: lib.nn.functional.conv1d(x, w, padding=1) ** 2, array(1, 2, 5), array(2, 2, 3)),
    "conv2d": (
        lambda lib, x, w, b: lib.nn.functional.conv2d(x, w, b, stride=2, padding=1).tanh(),
        array(2, 2, 4, 5), array(3, 2, 3, 3), array(3),
    ),
    "softmax": (lambda lib, x: x.softmax(-1) ** 2, array(2, 4)),
    "log_softmax": (lambda lib, x: x.log_softmax(1) ** 2, array(2, 4)),
    "cross_entropy": (lambda lib, x: lib.nn.functional.cross_entropy(x, lib.tensor([1, 0, 3])), array(3, 4)),
    "soft cross_entropy": (lambda lib, x, p: lib.nn.functional.cross_entropy(x, p), array(3, 4), array(3, 4)),
    "mse_loss": (lambda lib, x, y: lib.nn.functional.mse_loss(x * x, y), array(2, 3), array(2, 3)),
    "indexing": (lambda lib, x: (x[1:, ::2] * x[lib.tensor([0, 0, 1])][:2, :2][1:]) ** 2, array(2, 3)),
    "shapes": (lambda lib, x: (x.t().reshape(2, 3).flatten().unsqueeze(0).expand(2, 6) ** 3).squeeze(), array(2, 3)),
    "reductions": (lambda lib, x: x.mean(0) ** 2 * x.var() + x.prod(1).sum() * x.max() + x.logsumexp(0), array(3, 3)),
    "joined": (lambda lib, x, y: lib.cat([x, x * y]).prod() * lib.stack([x, y]).std(), array(2), array(2)),
    "relu and clamp": (lambda lib, x: (x - 1).relu() ** 2 + x.clamp(0.8, 1.2) ** 2 + (x - 1).abs() ** 3, array(5)),
}  # fmt: skip


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_are_torch_s(name):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    function, *arrays = SECOND[name]
    got = twice(trainctl, lambda *leaves: function(trainctl, *leaves), *arrays)
    assert_same(got, twice(torch, lambda *leaves: function(torch, *leaves), *arrays), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_are_the_finite_differences(name):
    function, *arrays = SECOND[name]
    leaves = [trainctl.tensor(each, dtype=trainctl.float64, requires_grad=True) for each in arrays]
    assert gradgradcheck(lambda *inputs: function(trainctl, *inputs).sum(), leaves, atol=1e-4)


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
