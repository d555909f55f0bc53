"""Recording is switched off and on again, whatever happens in between."""

from __future__ import annotations

import threading

import pytest

import trainctl
from tests.scripts import Scripts

scripts = Scripts()


def recorded(lib):
    """Return whether an op is recorded now."""
    return (lib.ones(1, requires_grad=True) * 2).requires_grad


@scripts.gives(([False, True], False, True))
def no_grad(lib):
    with lib.no_grad():
        inside = [recorded(lib), lib.ones(1, requires_grad=True).requires_grad]
        enabled = lib.is_grad_enabled()
    return inside, enabled, recorded(lib)


@scripts.gives([True, False, True, False, True])
def modes_nest(lib):
    seen = [recorded(lib)]
    with lib.no_grad():
        seen.append(recorded(lib))
        with lib.enable_grad():
            seen.append(recorded(lib))
        seen.append(recorded(lib))
    return [*seen, recorded(lib)]


@scripts.gives([False, True])
def a_mode_is_left_by_an_exception(lib):
    seen = []
    try:
        with lib.no_grad():
            seen.append(recorded(lib))
            raise ValueError
    except ValueError:
        pass
    return [*seen, recorded(lib)]


@scripts.gives([False, False, True, "named", False])
def decorators(lib):
    @lib.no_grad()
    def with_parentheses():
        return recorded(lib)

    @lib.no_grad
    def named():
        return recorded(lib)

    @lib.enable_grad()
    def enabled():
        return recorded(lib)

    with lib.no_grad():
        inside = enabled()
        outside = recorded(lib)
    return [with_parentheses(), named(), inside, named.__name__, outside]


@scripts.gives([False, True, False, True])
def one_mode_object_may_be_entered_twice(lib):
    mode, seen = lib.no_grad(), []
    for _ in range(2):
        with mode:
            seen.append(recorded(lib))
        seen.append(recorded(lib))
    return seen


@scripts.gives(([False, 5, False], [True, True, True], "result"))
def a_decorated_generator_keeps_its_mode_to_itself(lib):
    @lib.no_grad()
    def steps():
        sent = yield recorded(lib)
        yield sent
        yield recorded(lib)
        return "result"

    iterator, inside, outside = steps(), [], []
    inside.append(next(iterator))
    outside.append(recorded(lib))
    inside.append(iterator.send(5))
    outside.append(recorded(lib))
    inside.append(next(iterator))
    outside.append(recorded(lib))
    try:
        next(iterator)
    except StopIteration as stop:
        result = stop.value
    return inside, outside, result


@scripts.gives(["closed", "caught", True])
def a_decorated_generator_is_closed_and_thrown_into(lib):
    seen = []

    @lib.no_grad()
    def steps():
        try:
            while True:
                try:
                    yield recorded(lib)
                except KeyError:
                    seen.append("caught")
        finally:
            seen.append("closed")

    iterator = steps()
    next(iterator)
    iterator.throw(KeyError())
    iterator.close()
    return [*sorted(seen, reverse=True), recorded(lib)]


@scripts.gives([False, True, False, True, True])
def set_grad_enabled(lib):
    lib.set_grad_enabled(False)
    seen = [recorded(lib)]
    lib.set_grad_enabled(True)
    seen.append(recorded(lib))
    with lib.set_grad_enabled(False):
        seen.append(recorded(lib))
        with lib.set_grad_enabled(mode=True):
            seen.append(recorded(lib))
    return [*seen, recorded(lib)]


@scripts.gives([True, False, True])
def set_grad_enabled_as_a_decorator(lib):
    @lib.set_grad_enabled(False)
    def function():
        return recorded(lib)

    return [recorded(lib), function(), recorded(lib)]


@scripts.gives([False, True, False, True])
def set_grad_enabled_goes_back_to_what_it_found(lib):
    mode = lib.set_grad_enabled(False)
    seen = []
    for _ in range(2):
        with mode:
            seen.append(recorded(lib))
        seen.append(recorded(lib))
    return seen


@scripts.gives([False, True, False, True])
def inference_mode(lib):
    with lib.inference_mode():
        seen = [recorded(lib), lib.is_inference_mode_enabled()]
    return [*seen, lib.is_inference_mode_enabled(), recorded(lib)]


@scripts.gives([True, False, True, True])
def inference_mode_inside_others(lib):
    with lib.inference_mode():
        with lib.inference_mode(False):
            seen = [recorded(lib), lib.is_inference_mode_enabled()]
        with lib.no_grad():
            seen.append(lib.is_inference_mode_enabled())
    with lib.no_grad(), lib.inference_mode(False):
        return [*seen, recorded(lib)]


@scripts.gives([False, True])
def inference_mode_as_a_decorator(lib):
    @lib.inference_mode()
    def function():
        return recorded(lib)

    return [function(), recorded(lib)]


@scripts.gives(([3.0], None, True))
def a_leaf_changed_under_no_grad_stays_a_leaf(lib):
    w = lib.ones(1, requires_grad=True)
    with lib.no_grad():
        w.add_(2)
    return w, w.grad_fn, w.requires_grad


@scripts.gives([True, True])
def a_graph_recorded_before_survives_no_grad(lib):
    w = lib.ones(1, requires_grad=True)
    y = (w * 3).sum()
    with lib.no_grad():
        y.backward()
    return [w.grad.item() == 3, not w.grad.requires_grad]


@scripts.gives([True, True, True, False, False, True])
def what_is_made_in_inference_mode_says_so(lib):
    x, y = lib.ones(3), lib.ones(3, requires_grad=True)
    with lib.inference_mode():
        made, product, view, other = lib.ones(3), y * 2, x[1:], x.detach()
    return [each.is_inference() for each in (made, product, made[1:], view, other, made.detach())]


@scripts.gives([False, False, True, [2.0, 2.0]])
def an_inference_tensor_is_an_input_like_any_other(lib):
    with lib.inference_mode():
        x = lib.ones(2)
        x.add_(1)
    y = lib.ones(2, requires_grad=True)
    return [x.clone().is_inference(), (x + 1).is_inference(), (x + y).requires_grad, x]


@scripts.raises(RuntimeError, "Inplace update to inference tensor outside InferenceMode is not allowed")
def an_inference_tensor_is_not_changed_outside(lib):
    with lib.inference_mode():
        x = lib.ones(2)
    x[0] = 2.0


@scripts.raises(RuntimeError, "Inference tensors cannot be saved for backward")
def an_inference_tensor_is_not_kept_for_backward(lib):
    with lib.inference_mode():
        x = lib.ones(2)
    x * lib.ones(2, requires_grad=True)


@scripts.raises(RuntimeError, "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed")
def an_inference_tensor_asks_for_no_gradient(lib):
    with lib.inference_mode():
        x = lib.ones(2)
    x.requires_grad_()


@scripts.raises(RuntimeError, "Inference tensors do not track version counter")
def an_inference_tensor_has_no_version(lib):
    with lib.inference_mode():
        x = lib.ones(2)
    x._version  # noqa: B018


test_script = scripts.test()


def test_each_thread_has_its_own_mode():
    seen = []
    with trainctl.no_grad():
        thread = threading.Thread(target=lambda: seen.append(trainctl.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not trainctl.is_grad_enabled()
    assert seen == [True]


def test_a_recursive_decorated_function_restores_the_mode():
    @trainctl.no_grad()
    def descend(depth):
        assert not trainctl.is_grad_enabled()
        return descend(depth - 1) if depth else depth

    descend(5)
    assert trainctl.is_grad_enabled()


@pytest.mark.parametrize("mode", [trainctl.no_grad, trainctl.enable_grad, trainctl.inference_mode])
def test_a_mode_leaves_the_function_s_name_and_words(mode):
    @mode()
    def function():
        """Words."""

    assert (function.__name__, function.__doc__) == ("function", "Words.")
