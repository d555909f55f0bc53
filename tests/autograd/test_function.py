"""A user's own op: what ``forward`` and ``backward`` are given, and what is made of what they return."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import trainctl
from tests.autograd.own_function import cube, double, function
from tests.scripts import Scripts
from trainctl.autograd import Function, gradcheck

scripts = Scripts()


@scripts.gives((8.0, 12.0, "OwnBackward", True, False))
def saved_tensors(lib):
    x = lib.tensor(2.0, requires_grad=True)
    y = cube(lib).apply(x)
    y.backward()
    return y, x.grad, type(y.grad_fn).__name__, y.requires_grad, y.is_leaf


@scripts.gives([48.0, 48.0, 24.0])
def a_backward_of_ops_can_be_differentiated(lib):
    x, found = lib.tensor(4.0, requires_grad=True), []
    y = cube(lib).apply(x)
    for _ in range(2):
        (y,) = lib.autograd.grad(y, x, create_graph=True)
        found.append(y.detach() * 1)
    (y,) = lib.autograd.grad(y * 4, x)
    return [found[0], 2 * found[1], y]


@scripts.gives(([20.0], "scale", 10))
def arguments_that_are_no_tensors(lib):
    seen = []

    def forward(ctx, x, factor, name="none", unused=None):
        ctx.factor = factor
        seen.append(name)
        return x * factor

    def backward(ctx, gy):
        return gy * ctx.factor * 2, None, None

    x = lib.ones(1, requires_grad=True)
    function(lib, forward, backward).apply(x, 10, "scale").sum().backward()
    return x.grad, seen[0], 10


@scripts.gives((["float", "float"], [True, False, False, True], [3.0], [5.0]))
def needs_input_grad(lib):
    seen = []

    def backward(ctx, gy):
        seen.extend(ctx.needs_input_grad)
        return gy * 3, gy * 4, None, gy * 5

    x, y, z = lib.ones(1, requires_grad=True), lib.ones(1), lib.ones(1, requires_grad=True)
    function(lib, lambda ctx, x, y, n, z: x + y + z, backward).apply(x, y, 2, z).sum().backward()
    assert y.grad is None
    return ["float", "float"], seen, x.grad, z.grad


@scripts.gives(([1.0, 20.0], "tuple"))
def several_outputs(lib):
    def backward(ctx, g_first, g_second):
        return lib.stack([g_first, 10 * g_second])

    x = lib.ones(2, requires_grad=True)
    outputs = function(lib, lambda ctx, x: (x[0] * 1, x[1] * 1), backward).apply(x)
    (outputs[0] + 2 * outputs[1]).backward()
    return x.grad, type(outputs).__name__


@scripts.gives(([0.0, 10.0], [1]))
def an_unused_output_s_gradient_is_zeros(lib):
    seen = []

    def backward(ctx, g_first, g_second):
        seen.append(len(g_first.shape) + 1)
        return lib.stack([g_first, 10 * g_second])

    x = lib.ones(2, requires_grad=True)
    _, second = function(lib, lambda ctx, x: (x[0] * 1, x[1] * 1), backward).apply(x)
    second.backward()
    return x.grad, seen


@scripts.gives([True, False])
def without_materialized_gradients_it_is_none(lib):
    seen = []

    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 1, x * 2

    def backward(ctx, g_first, g_second):
        seen.extend([g_first is None, g_second is None])
        return g_second

    x = lib.ones(2, requires_grad=True)
    function(lib, forward, backward).apply(x)[1].sum().backward()
    return seen


@scripts.gives((None, [6.0]))
def none_is_no_gradient(lib):
    x, y = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True)
    function(lib, lambda ctx, x, y: x * y, lambda ctx, gy: (None, gy * 6)).apply(x, y).sum().backward()
    return x.grad, y.grad


@scripts.gives((True, False, None, [2.0, 2.0], [1, 0]))
def outputs_marked_non_differentiable(lib):
    def forward(ctx, x):
        values, order = x * 2, x.argmax(0, keepdim=True)
        flag = x > 1
        ctx.mark_non_differentiable(order, flag)
        return values, order, flag

    x = lib.tensor([3.0, 1.0], requires_grad=True)
    values, order, flag = function(lib, forward, lambda ctx, gy, *_: gy * 2).apply(x)
    values.sum().backward()
    return values.requires_grad, order.requires_grad, flag.grad_fn, x.grad, flag.int()


@scripts.gives((False, [1.0, 2.0]))
def a_float_output_marked_non_differentiable(lib):
    def forward(ctx, x):
        y = x * 1
        ctx.mark_non_differentiable(y)
        return y

    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = function(lib, forward, lambda ctx, gy: gy).apply(x)
    return y.requires_grad, y


@scripts.gives((9.0, 6.0, 36.0))
def setup_context_style(lib):
    def setup_context(ctx, inputs, output):
        x, power = inputs
        ctx.save_for_backward(x, output)
        ctx.power = power

    def backward(ctx, gy):
        x, y = ctx.saved_tensors
        assert y.shape == x.shape
        return ctx.power * x ** (ctx.power - 1) * gy, None

    own = function(lib, lambda x, power: x**power, backward, setup_context=setup_context)
    x = lib.tensor(3.0, requires_grad=True)
    y = own.apply(x, 2)
    y.backward()
    return y, x.grad, own.apply(x, 2).item() * 4


@scripts.gives(([2.718281828459045], [2.718281828459045]))
def a_saved_output_can_be_differentiated(lib):
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    x = lib.ones(1, dtype=lib.float64, requires_grad=True)
    y = function(lib, forward, lambda ctx, gy: ctx.saved_tensors[0] * gy).apply(x)
    (first,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = lib.autograd.grad(first.sum(), x)
    return first, second


@scripts.gives(([3.0], True))
def none_can_be_saved(lib):
    def forward(ctx, x, bias):
        ctx.save_for_backward(x, bias)
        return x * 3

    seen = []

    def backward(ctx, gy):
        seen.append(ctx.saved_tensors[1] is None)
        return gy * 3, None

    x = lib.ones(1, requires_grad=True)
    function(lib, forward, backward).apply(x, None).sum().backward()
    return x.grad, seen[0]


@scripts.gives(([[False, False], [False, True]], [True, True]))
def recording_is_off_in_forward_and_follows_create_graph_in_backward(lib):
    seen = []

    def forward(ctx, x):
        seen.append([lib.is_grad_enabled(), (x * 2).requires_grad])
        return x * 2

    def backward(ctx, gy):
        seen.append([lib.is_grad_enabled(), True])
        return gy * 2

    x = lib.ones(1, requires_grad=True)
    y = function(lib, forward, backward).apply(x)
    y.sum().backward(retain_graph=True)
    lib.autograd.grad(y.sum(), x, create_graph=True)
    return seen[:2], seen[2]


@scripts.gives((False, None, [2.0]))
def nothing_is_recorded_where_nothing_requires_a_gradient(lib):
    y = double(lib, lambda ctx, gy: gy).apply(lib.ones(1))
    with lib.no_grad():
        z = double(lib, lambda ctx, gy: gy).apply(lib.ones(1, requires_grad=True))
    return z.requires_grad, y.grad_fn, z


@scripts.gives((True, False, [7.0]))
def an_argument_returned_becomes_a_new_tensor(lib):
    x = lib.ones(1, requires_grad=True)
    y = function(lib, lambda ctx, x: x, lambda ctx, gy: gy * 7).apply(x)
    y.sum().backward()
    return x.is_leaf, y is x, x.grad


@scripts.gives(([4.0], True, [6.0]))
def an_input_changed_in_place_and_marked_dirty(lib):
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    x = lib.tensor([2.0], requires_grad=True)
    y = x * 1
    z = function(lib, forward, lambda ctx, gy: gy * 2).apply(y)
    (y * 3).sum().backward()
    return y, z is y, x.grad


@scripts.gives([5.0])
def a_custom_op_inside_a_module(lib):
    class Layer(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = lib.nn.Parameter(lib.ones(1))

        def forward(self, x):
            return double(lib, lambda ctx, gy: gy * 5).apply(x * self.weight)

    layer = Layer()
    layer(lib.ones(1)).sum().backward()
    return layer.weight.grad


@scripts.gives([2.0, 2.0])
def a_wider_gradient_is_cast_to_the_input_s_dtype(lib):
    x = lib.ones(2, requires_grad=True)
    own = function(lib, lambda ctx, x: x.double(), lambda ctx, gy: 2 * gy)
    own.apply(x).sum().backward()
    assert x.grad.dtype == lib.float32
    return x.grad


@scripts.gives(([[3.0], [3.0]], [6.0]))
def a_gradient_may_need_summing_to_the_input_s_shape(lib):
    bias = lib.ones(1, requires_grad=True)
    own = function(lib, lambda ctx, x, b: x + b, lambda ctx, gy: (gy, gy))
    x = lib.ones(2, 1, requires_grad=True)
    (3 * own.apply(x, bias)).sum().backward()
    return x.grad, bias.grad


@scripts.gives((7, [[1.0], None, [0.0]], [1.0]))
def outputs_that_are_no_tensors_are_handed_on(lib):
    seen = []

    def backward(ctx, *gys):
        seen.extend(None if gy is None else gy.tolist() for gy in gys)
        return gys[0]

    x = lib.ones(1, requires_grad=True)
    first, number, _ = function(lib, lambda ctx, x: (x * 2, 7, x * 3), backward).apply(x)
    first.sum().backward()
    return number, seen, x.grad


@scripts.gives(([3.0], [[1.0]]))
def a_saved_argument_that_is_returned_stays_the_argument(lib):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x

    x = lib.tensor([3.0], requires_grad=True)
    y = function(lib, forward, lambda ctx, gy: gy * ctx.saved_tensors[0]).apply(x)
    (first,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return first, list(lib.autograd.grad(first.sum(), x))


@scripts.gives(([10.0, 10.0], True))
def a_view_of_an_argument_may_be_returned(lib):
    x = lib.ones(2, 1, requires_grad=True)
    y = function(lib, lambda ctx, x: x.view(2), lambda ctx, gy: gy.view(2, 1) * 10).apply(x)
    y.sum().backward()
    return x.grad.view(2), y.data_ptr() == x.data_ptr()


@scripts.gives([4.0])
def once_differentiable_works_once(lib):
    once = importlib.import_module(f"{lib.__name__}.autograd.function").once_differentiable
    x = lib.ones(1, requires_grad=True)
    double(lib, once(lambda ctx, gy: gy * 4)).apply(x).sum().backward()
    return x.grad


@scripts.raises(RuntimeError, "trying to differentiate twice a function that was marked with @once_differentiable")
def once_differentiable_refuses_twice(lib):
    once = importlib.import_module(f"{lib.__name__}.autograd.function").once_differentiable
    x = lib.ones(1, requires_grad=True)
    y = double(lib, once(lambda ctx, gy: gy * 4)).apply(x)
    (first,) = lib.autograd.grad((y * y).sum(), x, create_graph=True)
    first.sum().backward()


test_script = scripts.test()


# -- beyond PyTorch -----------------------------------------------------------------------------------------------


class Affine(Function):
    """y = x @ w + b, the example of PyTorch's documentation."""

    @staticmethod
    def forward(ctx, x, w, b=None):
        ctx.save_for_backward(x, w, b)
        return x.mm(w) if b is None else x.mm(w) + b

    @staticmethod
    def backward(ctx, gy):
        x, w, b = ctx.saved_tensors
        gx = gy.mm(w.t()) if ctx.needs_input_grad[0] else None
        gw = x.t().mm(gy) if ctx.needs_input_grad[1] else None
        gb = gy.sum(0) if b is not None and ctx.needs_input_grad[2] else None
        return gx, gw, gb


@pytest.mark.parametrize("wanted", [(0, 1, 2), (1,), (0, 2)])
def test_the_documentation_s_example_passes_gradcheck(wanted):
    draw = np.random.RandomState(0)
    inputs = [trainctl.from_numpy(draw.rand(*shape)) for shape in ((3, 4), (4, 2), (2,))]
    for place in wanted:
        inputs[place].requires_grad_()
    assert gradcheck(Affine.apply, inputs)
