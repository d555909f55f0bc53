"""``autograd.grad`` returns gradients and leaves every ``grad`` alone."""

from __future__ import annotations

import trainctl
from tests.scripts import Scripts
from trainctl.autograd.op import Op

scripts = Scripts()


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


test_script = scripts.test()


def test_what_nobody_asked_for_is_not_computed():
    asked = []

    class Product(Op):
        saves = (0, 1)

        def forward(self, x, y, out=None):
            return self.xp.multiply(x, y, out=out)

        def backward(self, gy):
            x, y = self.saved
            asked.append([self.needs(0), self.needs(1)])
            return gy * y if self.needs(0) else None, gy * x if self.needs(1) else None

    x, y = trainctl.tensor(2.0, requires_grad=True), trainctl.tensor(3.0, requires_grad=True)
    hidden = x * 1.0
    z = Product.apply(hidden, y)
    (gx,) = trainctl.autograd.grad(z, x, retain_graph=True)
    (gy,) = trainctl.autograd.grad(z, y, retain_graph=True)
    (gh,) = trainctl.autograd.grad(z, hidden, retain_graph=True)
    z.backward()
    assert asked == [[True, False], [False, True], [True, False], [True, True]]
    assert [each.item() for each in (gx, gy, gh, x.grad, y.grad)] == [3.0, 2.0, 3.0, 3.0, 2.0]
