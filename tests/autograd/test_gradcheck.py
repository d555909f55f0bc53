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


@scripts.gives([False, True])
def a_backward_that_varies(lib):
    noise = iter(range(1000))

    class Noisy(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, gy):
            return gy * (1 + 1e-7 * (next(noise) % 7))

    x, check = leaf(lib, 1.0, 2.0), lib.autograd.gradcheck
    return [check(Noisy.apply, (x,), raise_exception=False), check(Noisy.apply, (x,), nondet_tol=1e-5)]


@scripts.gives(False)
def an_output_that_hides_its_input(lib):
    return lib.autograd.gradcheck(lambda x: x.detach() * 2, (leaf(lib, 1.0),), raise_exception=False)


@scripts.gives([True] * 4)
def further_options(lib):
    x, check = leaf(lib, 1.0, 2.0), lib.autograd.gradcheck
    second = lib.autograd.gradgradcheck
    return [
        check(lambda x: (x * 2, x.exp()), (x,), check_undefined_grad=True, check_grad_dtypes=True),
        check(lambda x: x * 2, (x,), fast_mode=True, masked=False, check_undefined_grad=False),
        second(lambda x: x.exp(), (x,), gen_non_contig_grad_outputs=True, nondet_tol=1e-8, check_grad_dtypes=True),
        second(lambda x: (x * x, x.argmax()), (x,), fast_mode=True, atol=1e-4, rtol=1e-2, eps=1e-5),
    ]


@scripts.raises(RuntimeError, "The 0th input has a dimension with stride 0")
def elements_that_share_memory(lib):
    x = lib.ones(1, dtype=lib.float64).expand(3).requires_grad_()
    lib.autograd.gradcheck(lambda x: x * 2, (x,))


@scripts.raises(AssertionError, "Expected at least one of check_forward_ad or check_backward_ad to be True")
def a_check_of_nothing(lib):
    lib.autograd.gradcheck(lambda x: x * 2, (leaf(lib, 1.0),), check_backward_ad=False)


@scripts.raises(AssertionError, "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
def a_second_check_of_nothing(lib):
    lib.autograd.gradgradcheck(lambda x: x * 2, (leaf(lib, 1.0),), check_rev_over_rev=False)


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


@pytest.mark.parametrize("option", ["check_batched_grad", "check_batched_forward_grad", "check_forward_ad"])
def test_what_cannot_be_checked_is_refused(option):
    with pytest.raises(NotImplementedError, match=f"{option}=True is not supported"):
        gradcheck(lambda x: x * 2, (leaf(trainctl, 1.0),), **{option: True})


def test_an_output_without_gradient_counts_as_one_of_zero():
    class Invents(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, gy, gz):
            return gy + 2 * gz + (gz == 0).all() * (gy == 0).all()

    x = leaf(trainctl, 1.0)
    with pytest.raises(GradcheckError, match=r"undefined or zero, .* output 0"):
        gradcheck(Invents.apply, (x,))
    assert gradcheck(Invents.apply, (x,), check_undefined_grad=False)
