"""Functions of each element, and of the elements along a dim, as layers."""

from __future__ import annotations

import math
import warnings

from tests.scripts import Scripts

scripts = Scripts()


@scripts.gives(([0.0, 0.0, 2.0], [-1.0, 0.0, 2.0], [0.0, 0.0, 1.0]))
def relu(lib):
    x = lib.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    y = lib.nn.ReLU()(x)
    y.sum().backward()
    return y, x, x.grad


@scripts.gives(([0.0, 2.0], True))
def relu_in_place(lib):
    x = lib.tensor([-1.0, 2.0])
    y = lib.nn.ReLU(inplace=True)(x)
    return x, y is x


@scripts.gives([0.0, math.tanh(1), 0.5, 1 / (1 + math.exp(-1))])
def tanh_and_sigmoid(lib):
    x = lib.tensor([0.0, 1.0], dtype=lib.float64)
    return lib.nn.Tanh()(x).tolist() + lib.nn.Sigmoid()(x).tolist()


@scripts.gives(([[0.25, 0.75], [0.5, 0.5]], [1.0, 1.0], [math.log(0.25), math.log(0.75)]))
def softmax(lib):
    x = lib.tensor([[0.0, math.log(3)], [1.0, 1.0]], dtype=lib.float64)
    return lib.nn.Softmax(dim=1)(x), lib.nn.Softmax(dim=0)(x).sum(0), lib.nn.LogSoftmax(dim=-1)(x)[0]


@scripts.gives([[1.0], [1.0, 1.0], [1.0, 1.0]])
def softmax_without_a_dim(lib):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both libraries advise to name the dim
        layer = lib.nn.Softmax()
        return [
            layer(lib.rand(2)).sum().reshape(1).tolist(),
            layer(lib.rand(2, 3)).sum(1).tolist(),
            layer(lib.rand(2, 3, 1)).sum(0)[:2, 0].tolist(),
        ]


@scripts.gives(([1.0, 2.0], "Identity()"))
def identity(lib):
    return lib.nn.Identity(3, unused=True)(lib.tensor([1.0, 2.0])), repr(lib.nn.Identity(3))


@scripts.gives(["ReLU()", "ReLU(inplace=True)", "Tanh()", "Sigmoid()", "Softmax(dim=1)", "LogSoftmax(dim=None)"])
def texts(lib):
    nn = lib.nn
    return [repr(each) for each in (nn.ReLU(), nn.ReLU(True), nn.Tanh(), nn.Sigmoid(), nn.Softmax(1))] + [
        repr(nn.LogSoftmax()).replace("LogSoftmax()", "LogSoftmax(dim=None)")
    ]


test_script = scripts.test()
