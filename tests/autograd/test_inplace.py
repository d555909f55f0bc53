"""Changes in place: what the graph makes of them, through views too, and what is refused."""

from __future__ import annotations

import numpy as np

from tests.scripts import Scripts

scripts = Scripts()


def leaf(lib, *shape):
    """Return a float64 leaf of 1, 2, 3, ..., and the same times one, which may be changed in place."""
    count = int(np.prod(shape))
    x = lib.tensor(np.arange(1.0, count + 1).reshape(shape), requires_grad=True)
    return x, x * 1


# -- a change of a whole tensor -----------------------------------------------------------------------------


@scripts.gives(([2.0, 6.0], [2.0, 4.0], 1))
def mul_by_a_tensor(lib):
    x, y = leaf(lib, 2)
    y.mul_(x.detach() + 1)
    y.sum().backward()
    return y, x.grad * lib.tensor([1.0, 4.0 / 3]), y._version


@scripts.gives(([1.0, 1.0], [1.0, 2.0]))
def both_operands_of_an_in_place_product_get_gradients(lib):
    x, y = leaf(lib, 2)
    factor = lib.ones(2, dtype=lib.float64, requires_grad=True)
    y *= factor
    y.sum().backward()
    return x.grad, factor.grad


@scripts.gives([2.0, 4.0, 6.0])
def augmented_assignment_changes_the_tensor_itself(lib):
    x = lib.tensor([1.0, 2.0, 3.0])
    same = x
    x += x
    x -= 1
    x /= 1
    x **= 1
    x += 1
    assert same is x
    return same


@scripts.gives(([4.0, 9.0], [4.0, 6.0]))
def an_in_place_square_is_differentiated_at_the_old_value(lib):
    x, y = leaf(lib, 2)
    y.add_(1)
    y.pow_(2)
    y.sum().backward()
    return y, x.grad


@scripts.gives(([0.0, 0.0], [0.0, 0.0]))
def zero_cuts_the_graph(lib):
    x, y = leaf(lib, 2)
    y.zero_()
    y.sum().backward()
    return y, x.grad


@scripts.gives(([5.0, 5.0], [0.0, 0.0], 2.0))
def fill_takes_a_tensor_s_gradient(lib):
    x, y = leaf(lib, 2)
    value = lib.tensor(5.0, requires_grad=True)
    y.fill_(value)
    y.sum().backward()
    return y, x.grad, value.grad


@scripts.gives((True, [2.0], "lib.float32"))
def copy_broadcasts_casts_and_records(lib):
    source = lib.tensor([2.0], requires_grad=True)
    target = lib.zeros(2, dtype=lib.float64)
    target.copy_(source)
    target.sum().backward()
    return target.requires_grad, source.grad, source.grad.dtype


@scripts.gives([[1.0, 0.0], [0.0, 4.0]])
def masked_fill(lib):
    x, y = leaf(lib, 2, 2)
    y.masked_fill_(lib.tensor([[False, True], [True, False]]), 0.0)
    (y * y / 2).sum().backward()
    return x.grad


@scripts.gives(([0.0, 1.0], [0.0, 1.0]))
def relu_in_place(lib):
    x = lib.tensor([-1.0, 1.0], requires_grad=True)
    y = x * 1
    lib.nn.functional.relu(y, inplace=True)
    y.sum().backward()
    return y, x.grad


@scripts.gives([[6.0, 8.0], [12.0, 14.0]])
def clamp_and_round_trip_of_in_place_ops(lib):
    x = lib.tensor([[1.0, 2.0], [4.0, 5.0]])
    return x.mul_(2).add_(4).clamp_(min=0).neg_().abs_().sub_(lib.tensor([0.0, 0.0]))


@scripts.gives(([3, 4], "lib.int64"))
def integers_stay_integers(lib):
    x = lib.tensor([1, 2])
    x += 2
    return x, x.dtype


@scripts.gives(([1.5, 2.5], "lib.float32"))
def float64_into_float32_is_cast(lib):
    x = lib.tensor([1.0, 2.0])
    x += lib.tensor([0.5, 0.5], dtype=lib.float64)
    return x, x.dtype


# -- refusals -------------------------------------------------------------------------------------------------

CHANGED = r"one of the variables needed for gradient computation has been modified by an inplace operation.* is at version \d+; expected version \d+ instead"
LEAF = "a leaf Variable that requires grad is being used in an in-place operation"


@scripts.raises(RuntimeError, CHANGED)
def a_saved_input_was_changed(lib):
    _, y = leaf(lib, 2)
    z = y * y
    y.add_(1)
    z.sum().backward()


@scripts.raises(RuntimeError, CHANGED)
def a_saved_output_was_changed(lib):
    x = lib.ones(2, requires_grad=True)
    y = x.exp()
    y.mul_(2)
    y.sum().backward()


@scripts.raises(RuntimeError, CHANGED)
def a_saved_tensor_was_changed_through_a_view(lib):
    _, y = leaf(lib, 2)
    z = y.exp()
    z[0] = 0
    z.sum().backward()


@scripts.raises(RuntimeError, CHANGED)
def a_saved_tensor_was_changed_through_detach(lib):
    x = lib.ones(2, requires_grad=True)
    y = x.exp()
    y.detach().zero_()
    y.sum().backward()


@scripts.raises(RuntimeError, CHANGED)
def a_saved_view_s_base_was_changed(lib):
    _, y = leaf(lib, 2)
    z = y[:1] * y[:1]
    y.add_(1)
    z.sum().backward()


@scripts.raises(RuntimeError, CHANGED)
def a_saved_constant_was_changed(lib):
    x, factor = lib.ones(2, requires_grad=True), lib.ones(2)
    y = x * factor
    factor.zero_()
    y.sum().backward()


@scripts.gives([1.0, 1.0])
def what_is_not_saved_may_change(lib):
    x, y = leaf(lib, 2)
    z = y + 1
    y.mul_(100)
    z.sum().backward()
    return x.grad


@scripts.raises(RuntimeError, LEAF)
def a_leaf_that_requires_a_gradient(lib):
    lib.ones(2, requires_grad=True).add_(1)


@scripts.raises(RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place operation")
def a_view_of_a_leaf_that_requires_a_gradient(lib):
    lib.ones(2, requires_grad=True)[0] = 1


@scripts.raises(RuntimeError, LEAF)
def a_leaf_indexed_by_a_mask(lib):
    x = lib.ones(2, requires_grad=True)
    x[lib.tensor([True, False])] = 1


@scripts.raises(RuntimeError, "more than one element of the written-to tensor refers to a single memory location")
def an_expanded_tensor(lib):
    lib.ones(1).expand(3).add_(1)


@scripts.raises(RuntimeError, r"output with shape \[2\] doesn't match the broadcast shape \[3, 2\]")
def a_result_larger_than_the_tensor(lib):
    lib.ones(2).add_(lib.ones(3, 2))


@scripts.raises(RuntimeError, r"result type (float32|Float) can't be cast to the desired output type (int64|Long)")
def a_result_of_a_higher_kind(lib):
    lib.tensor([1, 2]).add_(0.5)


@scripts.raises(RuntimeError, "shape mismatch|must match")
def a_value_that_does_not_fit_a_slice(lib):
    lib.zeros(2, 3)[0] = lib.ones(2)


@scripts.raises(RuntimeError, "shape mismatch")
def a_value_that_does_not_fit_an_index(lib):
    lib.zeros(3)[lib.tensor([0, 1])] = lib.ones(3)


@scripts.raises(IndexError, "out of (range|bounds)")
def an_index_out_of_range(lib):
    lib.zeros(3)[3] = 1.0


@scripts.raises(RuntimeError, "fill_ only supports 0-dimension value tensor but got tensor with 1 dimensions")
def a_fill_value_with_dimensions(lib):
    lib.zeros(2).fill_(lib.ones(2))


test_script = scripts.test()
