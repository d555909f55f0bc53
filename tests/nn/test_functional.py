"""The functional forms that differ from an op of the same name."""

from __future__ import annotations

import warnings

from tests.scripts import Scripts

scripts = Scripts()


@scripts.gives(([0.0, 2.0], [-1.0, 2.0], [0.0, 2.0], True))
def relu(lib):
    x = lib.tensor([-1.0, 2.0])
    y, before = lib.nn.functional.relu(x), x.tolist()
    z = lib.nn.functional.relu(x, inplace=True)
    return y, before, x, z is x


@scripts.gives([[0], [0], [1], [0], [1], [1]])
def softmax_chooses_a_dim_where_none_is_given(lib):
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both advise to name the dim
        for shape in ((), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 1, 1, 1)):
            x = lib.zeros(shape)
            y = lib.nn.functional.softmax(x)
            log = lib.nn.functional.log_softmax(x)
            dims = [dim for dim in range(max(x.ndim, 1)) if lib.allclose(y.sum(dim), lib.ones(()))]
            assert lib.allclose(log.exp(), y)
            found.append(dims[:1])
    return found


@scripts.gives(["lib.float64", "lib.float32"])
def softmax_in_another_dtype(lib):
    x = lib.zeros(2, dtype=lib.float32)
    return [lib.nn.functional.softmax(x, dim=0, dtype=lib.float64).dtype, lib.nn.functional.softmax(x, 0).dtype]


@scripts.gives([[[1, 0, 0], [0, 0, 1]], [[0, 1, 0, 0]], "lib.int64"])
def one_hot(lib):
    hot = lib.nn.functional.one_hot
    return [
        hot(lib.tensor([0, 2])).tolist(),
        hot(lib.tensor([1]), num_classes=4).tolist(),
        str(hot(lib.tensor([1])).dtype),
    ]


@scripts.gives([[3.0], [13.0], [2, 5, 4]])
def linear(lib):
    F = lib.nn.functional
    x, w, b = lib.ones(3), lib.ones(1, 3), lib.tensor([10.0])
    return [
        F.linear(x, w).tolist(),
        F.linear(x, w, b).tolist(),
        list(F.linear(lib.ones(2, 5, 3), lib.ones(4, 3)).shape),
    ]


@scripts.gives([[1.0, 1.0], [1.0, 1.0]])
def dropout_without_training(lib):
    F = lib.nn.functional
    return [F.dropout(lib.ones(2), 0.5, training=False).tolist(), F.dropout(lib.ones(2), p=0.0).tolist()]


@scripts.gives([0.5, 0.0])
def sigmoid_and_tanh(lib):
    return [lib.nn.functional.sigmoid(lib.zeros(())).item(), lib.nn.functional.tanh(lib.zeros(())).item()]


test_script = scripts.test()
