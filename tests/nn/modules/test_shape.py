"""Layers that change the shape alone."""

from __future__ import annotations

from tests.scripts import Scripts

scripts = Scripts()


@scripts.gives([[2, 12], [24], [2, 3, 4], [6, 4], [2, 0], [5, 1]])
def flatten(lib):
    x, layer = lib.zeros(2, 3, 4), lib.nn.Flatten
    return [
        layer()(x).shape, layer(0)(x).shape, layer(2)(x).shape, layer(0, 1)(x).shape, layer()(lib.zeros(2, 0, 3)).shape,
        layer()(lib.zeros(5)[:, None]).shape,
    ]  # fmt: skip


@scripts.gives([[2, 3, 4], [2, 3, 4], [2, 2, 6]])
def unflatten(lib):
    x, layer = lib.zeros(2, 12), lib.nn.Unflatten
    return [layer(1, (3, 4))(x).shape, layer(-1, (3, 4))(x).shape, layer(1, (2, -1))(x).shape]


@scripts.gives(["Flatten(start_dim=1, end_dim=-1)", "Unflatten(dim=1, unflattened_size=(3, 4))"])
def texts(lib):
    return [repr(lib.nn.Flatten()), repr(lib.nn.Unflatten(1, (3, 4)))]


@scripts.raises(RuntimeError, "start_dim cannot come after end_dim")
def dims_in_the_wrong_order(lib):
    lib.nn.Flatten(2, 1)(lib.zeros(2, 3, 4))


@scripts.raises(IndexError, "Dimension out of range")
def a_dim_that_is_not_there(lib):
    lib.nn.Flatten()(lib.zeros(5))


@scripts.raises(RuntimeError, "unflatten")
def sizes_that_do_not_multiply(lib):
    lib.nn.Unflatten(1, (5, 2))(lib.zeros(2, 12))


@scripts.gives([[1.0, 1.0], [1.0, 1.0]])
def gradients_keep_the_input_s_shape(lib):
    x = lib.zeros(2, 2, requires_grad=True)
    lib.nn.Flatten(0)(x).sum().backward()
    return x.grad


test_script = scripts.test()
