"""A module's backward hooks see, and may change, the gradients of its inputs and outputs."""

from __future__ import annotations

import warnings

from tests.scripts import Scripts

scripts = Scripts()


def double(lib):
    class Double(lib.nn.Module):
        def forward(self, x):
            return x * 2

    return Double()


def two(lib):
    """Return a module of two inputs and two outputs."""

    class Two(lib.nn.Module):
        def forward(self, x, y):
            return x * 2, y * 3

    return Two()


@scripts.gives(([[[6.0], [3.0]]], [6.0], 1))
def a_full_backward_hook_sees_both_sides(lib):
    seen, module, x = [], double(lib), lib.ones(1, requires_grad=True)
    module.register_full_backward_hook(lambda m, gi, go: seen.append([gi[0].tolist(), go[0].tolist()]))
    (3 * module(x)).sum().backward()
    return seen, x.grad, len(seen)


@scripts.gives([60.0])
def it_may_change_the_input_s_gradient(lib):
    module, x = double(lib), lib.ones(1, requires_grad=True)
    module.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    (3 * module(x)).sum().backward()
    return x.grad


@scripts.gives(([20.0], [[[1.0]]]))
def a_pre_hook_may_change_the_output_s_gradient(lib):
    seen, module, x = [], double(lib), lib.ones(1, requires_grad=True)
    module.register_full_backward_pre_hook(lambda m, go: seen.append([go[0].tolist()]) or (go[0] * 10,))
    module(x).sum().backward()
    return x.grad, seen


@scripts.gives(([2.0], [30.0], [[[2.0], [3.0]], [[1.0], [1.0]]]))
def several_inputs_and_outputs(lib):
    seen, module = [], two(lib)
    x, y = lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True)

    def hook(m, gi, go):
        seen.extend([[g.tolist() for g in gi], [g.tolist() for g in go]])
        return gi[0], gi[1] * 10

    module.register_full_backward_hook(hook)
    a, b = module(x, y)
    (a + b).sum().backward()
    return x.grad, y.grad, seen


@scripts.gives((1, [5.0], [[None, [1.0]]]))
def a_module_whose_inputs_need_no_gradient(lib):
    seen, layer = [], lib.nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append([gi[0], go[0].flatten().tolist()]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that the hook runs early
        layer(lib.full((1, 1), 5.0)).sum().backward()
    return len(seen), layer.weight.grad.flatten(), seen


@scripts.gives([0, 1])
def hooks_can_be_removed(lib):
    seen, module, x = [], double(lib), lib.ones(1, requires_grad=True)
    handle = module.register_full_backward_hook(lambda *_: seen.append(1))
    module(x)
    first = len(seen)
    module(x).sum().backward()
    handle.remove()
    module(x).sum().backward()
    return [first, len(seen)]


@scripts.gives(["second", "first"])
def prepended_hooks_run_first(lib):
    seen, module, x = [], double(lib), lib.ones(1, requires_grad=True)
    module.register_full_backward_hook(lambda *_: seen.append("first"))
    module.register_full_backward_hook(lambda *_: seen.append("second"), prepend=True)
    module(x).sum().backward()
    return seen


@scripts.gives(["2", "1", "0"])
def layers_report_from_the_last_to_the_first(lib):
    net, seen = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Tanh(), lib.nn.Linear(1, 1)), []
    for name, layer in net.named_children():
        layer.register_full_backward_hook(lambda m, gi, go, name=name: seen.append(name))
    net(lib.ones(1, 1, requires_grad=True)).sum().backward()
    return seen


@scripts.gives([[0.0], [3.0]])
def an_input_that_needs_no_gradient_is_shown_zeros(lib):
    seen, module = [], two(lib)
    module.register_full_backward_hook(lambda m, gi, go: seen.extend(g.tolist() for g in gi))
    a, b = module(lib.ones(1), lib.ones(1, requires_grad=True))
    (a + b).sum().backward()
    return seen


@scripts.gives([[1.0], None])
def an_output_that_no_gradient_reaches_is_shown_none(lib):
    seen, module = [], two(lib)
    module.register_full_backward_hook(lambda m, gi, go: seen.extend(g if g is None else g.tolist() for g in go))
    a, _ = module(lib.ones(1, requires_grad=True), lib.ones(1, requires_grad=True))
    a.sum().backward()
    return seen


@scripts.raises(RuntimeError, "Backward hook returned an invalid number of grad_input, got 2, but expected 1")
def too_many_gradients_from_a_hook(lib):
    module = double(lib)
    module.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    module(lib.ones(1, requires_grad=True)).sum().backward()


test_script = scripts.test()
