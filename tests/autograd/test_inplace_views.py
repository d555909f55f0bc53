"""A change through a view is a change of its base, and of every other view of it."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts, assert_same, load

scripts = Scripts()


def leaf(lib, *shape):
    """Return a float64 leaf of 1, 2, 3, ..., and the same times one, which may be changed in place."""
    count = int(np.prod(shape))
    x = lib.tensor(np.arange(1.0, count + 1).reshape(shape), requires_grad=True)
    return x, x * 1


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
    x, w = (
        lib.tensor(draw.rand(3, 4), requires_grad=True),
        lib.tensor(draw.rand(), dtype=lib.float64, requires_grad=True),
    )
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
    torch = load("torch")
    assert_same(program(trainctl, seed), program(torch, seed), rtol=1e-9)
