"""Right gradients pass, and each way of being wrong is caught."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.autograd import Function, gradcheck
from trainctl.autograd.gradcheck import GradcheckError, gradgradcheck

scripts = Scripts()


def leaf(lib, *values):
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def times(lib, factor, true_factor=3.0):
    """Return y = 3x whose backward says ``factor``."""

    class Times(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * true_factor

        @staticmethod
        def backward(ctx, gy):
            return gy * factor

    return Times.apply


@scripts.gives([True, False])
def a_wrong_factor_is_caught(lib):
    x = leaf(lib, 1.0, -2.0)
    check = lib.autograd.gradcheck
    return [check(times(lib, 3.0), (x,)), check(times(lib, 3.1), (x,), raise_exception=False)]


@scripts.gives(True)
def a_tensor_alone_is_an_input(lib):
    return lib.autograd.gradcheck(lambda x: x.sin(), leaf(lib, 1.0, 2.0))


@scripts.gives(True)
def several_inputs_and_outputs(lib):
    return lib.autograd.gradcheck(lambda x, y: (x * y, x.sum() - y.exp()), (leaf(lib, 1.0, 2.0), leaf(lib, 0.5, 3.0)))


@scripts.gives(True)
def constants_and_numbers_among_the_inputs(lib):
    x, constant = leaf(lib, 1.0, 2.0), lib.tensor([2.0, 3.0], dtype=lib.float64)
    return lib.autograd.gradcheck(lambda x, c, power: (x * c) ** power, (x, constant, 2))


@scripts.gives(True)
def outputs_without_a_gradient_are_passed_over(lib):
    return lib.autograd.gradcheck(lambda x: (x * 2, x.argmax()), (leaf(lib, 1.0, 2.0),))


@scripts.gives(True)
def complex_numbers(lib):
    x = lib.tensor([1 + 2j, -0.5j], dtype=lib.complex128, requires_grad=True)
    return lib.autograd.gradcheck(lambda x: x * x.conj() * 2 + x * x, (x,))


@scripts.gives([True, False])
def tolerances(lib):
    x = leaf(lib, 1.0)
    check = lib.autograd.gradcheck
    return [check(times(lib, 3.1), (x,), atol=0.2), check(times(lib, 3.001), (x,), rtol=1e-5, raise_exception=False)]


@scripts.raises(ValueError, "gradcheck expects at least one input tensor to require gradient")
def nothing_to_check(lib):
    lib.autograd.gradcheck(lambda x: x * 2, (lib.ones(2, dtype=lib.float64),))


test_script = scripts.test()


def test_the_message_names_output_input_and_elements():
    x, y = leaf(trainctl, 1.0), leaf(trainctl, 2.0, 3.0)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x, y: (x * 1, times(trainctl, 2.5)(y)), (x, y))
    text = str(caught.value)
    assert "output 1 with respect to input 1" in text
    assert "numerical:\n[[3. 0.]\n [0. 3.]]\nanalytical:\n[[2.5 0. ]\n [0.  2.5]]\nlargest difference: 0." in text
    assert isinstance(caught.value, RuntimeError)


def test_single_precision_is_warned_of():
    x = trainctl.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        gradcheck(lambda x: x * 2, (x,), eps=1e-2, atol=1e-2)


def test_a_missing_gradient_counts_as_zero():
    class Forgets(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, gy):
            return gy * 2, None

    with pytest.raises(GradcheckError, match="output 0 with respect to input 1"):
        gradcheck(Forgets.apply, (leaf(trainctl, 1.0), leaf(trainctl, 2.0)))


def test_inputs_and_their_gradients_are_left_alone():
    x = leaf(trainctl, 1.0, 2.0)
    gradcheck(lambda x: x.exp(), (x,))
    assert x.tolist() == [1.0, 2.0]
    assert x.grad is None


def test_second_derivatives_are_checked():
    def right_first_wrong_second(x):
        class Square(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, gy):
                (x,) = ctx.saved_tensors
                return gy * 2 * x.detach()

        return Square.apply(x)

    x = leaf(trainctl, 1.0, 2.0)
    assert gradcheck(right_first_wrong_second, (x,))
    with pytest.raises(GradcheckError):
        gradgradcheck(right_first_wrong_second, (x,))
    assert not gradgradcheck(right_first_wrong_second, (x,), raise_exception=False)
    assert gradgradcheck(lambda x: x * x, (x,))
    assert gradgradcheck(lambda x: x * x * x, x, grad_outputs=leaf(trainctl, 1.0, 2.0))
