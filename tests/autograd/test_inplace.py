"""Changes in place: what the graph makes of them, through views too, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts, assert_same

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


# -- changes through views ------------------------------------------------------------------------------------


@scripts.gives(([11.0, 2.0, 3.0], [1.0, 1.0, 1.0], 1.0))
def a_row_plus_something(lib):
    x, y = leaf(lib, 3)
    z = lib.tensor(10.0, requires_grad=True, dtype=lib.float64)
    y[0] += z
    y.sum().backward()
    return y, x.grad, z.grad


@scripts.gives(([4.0, 2.0, 3.0], [3.0, 4.0, 6.0], [2.0, 8.0]))
def a_row_times_something_then_a_square(lib):
    x, y = leaf(lib, 3)
    factor = lib.tensor([1.0, 4.0], dtype=lib.float64, requires_grad=True)
    y[:1] *= 4
    (y[:2] * factor).sum().backward(retain_graph=True)
    first = factor.grad.clone() * lib.tensor([0.5, 4.0])
    x.grad = None
    (y * y).sum().backward()
    return y, x.grad / lib.tensor([32.0, 4.0, 6.0]) * lib.tensor([3.0, 4.0, 6.0]), first


@scripts.gives(([[1.0, 0.0], [3.0, 0.0]], [[2.0, 0.0], [6.0, 0.0]]))
def a_column_overwritten(lib):
    x, y = leaf(lib, 2, 2)
    y[:, 1] = 0
    (y * y).sum().backward()
    return y, x.grad


@scripts.gives(([[7.0, 2.0], [3.0, 7.0]], [[0.0, 1.0], [1.0, 0.0]], 2.0))
def a_mask_assigned_a_tensor(lib):
    x, y = leaf(lib, 2, 2)
    value = lib.tensor(7.0, dtype=lib.float64, requires_grad=True)
    y[lib.eye(2) > 0] = value
    y.sum().backward()
    return y, x.grad, value.grad


@scripts.gives(([9.0, 2.0, 8.0], [0.0, 1.0, 0.0], [1.0, 1.0]))
def index_tensors_assigned_a_tensor(lib):
    x, y = leaf(lib, 3)
    value = lib.tensor([8.0, 9.0], dtype=lib.float64, requires_grad=True)
    y[lib.tensor([2, 0])] = value
    y.sum().backward()
    return y, x.grad, value.grad


@scripts.gives(([[1.0, 2.0, 3.0], [4.0, 50.0, 60.0]], [[1.0, 1.0, 1.0], [1.0, 10.0, 10.0]]))
def a_view_of_a_view(lib):
    x, y = leaf(lib, 2, 3)
    row = y[1]
    row[1:].mul_(10)
    y.sum().backward()
    return y, x.grad


@scripts.gives(([[1.0, 20.0], [3.0, 40.0]], [[1.0, 10.0], [1.0, 10.0]]))
def a_row_of_the_transpose(lib):
    x, y = leaf(lib, 2, 2)
    y.t()[1].mul_(10)
    y.sum().backward()
    return y, x.grad


@scripts.gives(([1.0, 2.0, 30.0, 40.0], [1.0, 1.0, 10.0, 10.0]))
def a_row_of_another_shape(lib):
    x, y = leaf(lib, 4)
    y.view(2, 2)[1] *= 10
    y.sum().backward()
    return y, x.grad


@scripts.gives(([100.0, 2.0], [40.0, 0.0]))
def a_view_made_before_the_change_sees_it(lib):
    x, y = leaf(lib, 2)
    view = y[:1]
    y.mul_(10)
    view.pow_(2)
    value = view.clone()
    view.sum().backward()
    return lib.cat([value.detach(), lib.tensor([2.0])]), x.grad / 5


@scripts.gives(([10.0], [10.0, 0.0]))
def a_view_s_grad_fn_follows_its_base(lib):
    x, y = leaf(lib, 2)
    view = y[:1]
    y.mul_(10)
    view.sum().backward()
    return view, x.grad


@scripts.gives(([10.0], [10.0, 1.0]))
def another_view_of_the_same_part_follows(lib):
    x, y = leaf(lib, 2)
    one, other = y[0], y[:1]
    one.mul_(10)
    other.sum().backward(retain_graph=True)
    x.grad = None
    y.sum().backward()
    return other, x.grad


@scripts.gives((True, True, [3.0, 3.0]))
def a_plain_buffer_filled_row_by_row_joins_the_graph(lib):
    w = lib.ones(2, requires_grad=True)
    buffer = lib.zeros(3, 2)
    row = buffer[0]
    for i in range(3):
        buffer[i] = w * 1
    buffer.sum().backward()
    return buffer.requires_grad, row.requires_grad, w.grad


@scripts.gives(([2.0, 4.0, 8.0, 16.0], 32.0))
def a_recurrence_written_into_one_tensor(lib):
    w = lib.tensor(2.0, requires_grad=True)
    states = lib.zeros(4)
    states[0] = w
    for i in range(1, 4):
        states[i] = states[i - 1].clone() * w
    states[3].backward()
    return states, w.grad


@scripts.gives([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0]])
def values_broadcast_into_a_slice(lib):
    x = lib.zeros(2, 3)
    x[1] = lib.tensor([5.0])
    x[0, :] = lib.zeros(1, 1, 3)
    return x


@scripts.gives(([1.0, 5.0], [1.0, 5.0], True))
def detach_shares_memory_and_the_version(lib):
    x = lib.tensor([1.0, 2.0])
    shared = x.detach()
    shared[1] = 5
    return x, shared, x._version == shared._version


@scripts.gives([1.0, 7.0])
def numpy_shares_memory(lib):
    x = lib.tensor([1.0, 2.0])
    x.numpy()[1] = 7
    return x


@scripts.gives([3.0, 4.0])
def data_shares_memory_outside_the_version(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    x.data.add_(0)
    y.backward()
    x.data += lib.tensor([2.0, 2.0])
    return x


@scripts.gives(([0.5, 1.5], None))
def a_leaf_is_updated_under_no_grad(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    with lib.no_grad():
        x -= 0.5
    return x, x.grad_fn


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


# -- random programs --------------------------------------------------------------------------------------------

VIEWS = [
    lambda t: t[0], lambda t: t[1:], lambda t: t[..., ::2], lambda t: t.transpose(0, -1), lambda t: t.reshape(-1)[2:5],
    lambda t: t.unsqueeze(0), lambda t: t.flatten(), lambda t: t, lambda t: t.narrow(-1, 0, 1), lambda t: t.squeeze(),
]  # fmt: skip
CHANGES = [
    lambda lib, t, w: t.mul_(w), lambda lib, t, w: t.add_(w * w), lambda lib, t, w: t.copy_(w), lambda lib, t, w: t.zero_(),
    lambda lib, t, w: t.pow_(2), lambda lib, t, w: t.sub_(t.clone() * w), lambda lib, t, w: t.clamp_(0.2, 0.9),
]  # fmt: skip


def program(lib, seed):
    """Change a tensor through random views of views, kept and fresh ones; return values and gradients."""
    draw = np.random.RandomState(seed)
    x, w = lib.tensor(draw.rand(3, 4), requires_grad=True), lib.tensor(draw.rand(), dtype=lib.float64, requires_grad=True)
    y = x * 1
    kept = [y]
    for _ in range(draw.randint(1, 7)):
        view = kept[draw.randint(len(kept))]
        for _ in range(draw.randint(0, 3)):
            make = VIEWS[draw.randint(len(VIEWS))]
            view = make(view) if view.ndim >= 2 else view
        kept.append(view)
        CHANGES[draw.randint(len(CHANGES))](lib, kept[draw.randint(len(kept))], w)
    total = sum((each * each).sum() for each in kept)
    total.backward()
    return [each.detach().tolist() for each in kept], x.grad.tolist(), None if w.grad is None else w.grad.item()


@pytest.mark.parametrize("seed", range(80))
def test_random_changes_through_views_are_torch_s(seed):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    assert_same(program(trainctl, seed), program(torch, seed), rtol=1e-9)
