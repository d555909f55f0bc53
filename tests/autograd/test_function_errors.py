"""What a user's own op may not do, and what it is told."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.own_function import cube, double, function
from tests.scripts import Scripts
from trainctl.autograd.function import once_differentiable

scripts = Scripts()


@scripts.raises(RuntimeError, r"function OwnBackward returned an incorrect number of gradients \(expected 1, got 2\)")
def too_many_gradients(lib):
    double(lib, lambda ctx, gy: (gy, gy)).apply(lib.ones(1, requires_grad=True)).sum().backward()


@scripts.raises(RuntimeError, r"returned an incorrect number of gradients \(expected 2, got 1\)")
def too_few_gradients(lib):
    own = function(lib, lambda ctx, x, y: x + y, lambda ctx, gy: gy)
    own.apply(lib.ones(1, requires_grad=True), lib.ones(1)).sum().backward()


@scripts.gives([1.0])
def more_nones_than_arguments_are_harmless(lib):
    x = lib.ones(1, requires_grad=True)
    double(lib, lambda ctx, gy: (gy, None, None)).apply(x).sum().backward()
    return x.grad


@scripts.raises(RuntimeError, r"invalid gradient at index 0 - got \[3\] but expected shape compatible with \[2\]")
def a_gradient_of_another_shape(lib):
    double(lib, lambda ctx, gy: lib.ones(3)).apply(lib.ones(2, requires_grad=True)).sum().backward()


@scripts.raises(RuntimeError, r"expected Variable or None \(got str\)")
def a_gradient_that_is_no_tensor(lib):
    double(lib, lambda ctx, gy: "gradient").apply(lib.ones(1, requires_grad=True)).sum().backward()


@scripts.raises(NotImplementedError, "You must implement the forward function for custom autograd.Function")
def no_forward(lib):
    type("Own", (lib.autograd.Function,), {}).apply(lib.ones(1))


@scripts.raises(NotImplementedError, "You must implement .*backward")
def no_backward(lib):
    own = type("Own", (lib.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 1)})
    own.apply(lib.ones(1, requires_grad=True)).sum().backward()


@scripts.raises(RuntimeError, "modified by an inplace operation")
def a_saved_tensor_changed_in_place(lib):
    x = lib.ones(1, requires_grad=True)
    z = x * 1
    y = cube(lib).apply(z)
    z.add_(1)
    y.sum().backward()


@scripts.raises(RuntimeError, "Trying to backward through the graph a second time")
def a_second_backward(lib):
    y = cube(lib).apply(lib.ones((), requires_grad=True))
    y.backward()
    y.backward()


@scripts.raises(TypeError, "save_for_backward can only save variables, but argument 0 is of type int")
def saving_what_is_no_tensor(lib):
    def forward(ctx, x):
        ctx.save_for_backward(3)
        return x * 1

    function(lib, forward, lambda ctx, gy: gy).apply(lib.ones(1, requires_grad=True))


@scripts.raises(
    RuntimeError, "returned a gradient different than None at position 2, but the corresponding forward input was not"
)
def a_gradient_for_what_is_no_tensor(lib):
    own = function(lib, lambda ctx, x, n: x * n, lambda ctx, gy: (gy, gy))
    own.apply(lib.ones(1, requires_grad=True), 2).sum().backward()


@scripts.raises(RuntimeError, "a leaf Variable that requires grad (is being|has been) used in an in-place operation")
def a_leaf_marked_dirty(lib):
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    function(lib, forward, lambda ctx, gy: gy * 2).apply(lib.ones(1, requires_grad=True))


@scripts.raises(ZeroDivisionError, "division by zero")
def an_error_in_backward_is_the_user_s_own(lib):
    double(lib, lambda ctx, gy: 1 / 0).apply(lib.ones(1, requires_grad=True)).sum().backward()


test_script = scripts.test()


def test_tensors_by_keyword_are_refused():
    # PyTorch takes them, and loses their gradients without a word.
    x, bias = trainctl.ones(1, requires_grad=True), trainctl.ones(1, requires_grad=True)
    own = function(trainctl, lambda ctx, x, bias: x + bias, lambda ctx, gy: gy)
    with pytest.raises(TypeError, match="takes tensors by position alone, got bias=<Tensor>"):
        own.apply(x, bias=bias)


def test_once_differentiable_refuses_through_what_was_saved_too():
    # PyTorch looks at the upstream gradients alone, and gives a second derivative that lacks a term.
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    def backward(ctx, gy):
        return 3 * ctx.saved_tensors[0] ** 2 * gy

    x = trainctl.ones(1, requires_grad=True)
    y = function(trainctl, forward, once_differentiable(backward)).apply(x)
    (first,) = trainctl.autograd.grad(y.sum(), x, create_graph=True)
    assert first.tolist() == [3.0]
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        trainctl.autograd.grad(first.sum(), x)


def test_a_view_changed_in_forward_is_no_output():
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    base = trainctl.ones(2, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="a view that forward changes in place cannot be an output"):
        function(trainctl, forward, lambda ctx, gy: gy * 2).apply(base[:1])
