"""Losses as modules."""

from __future__ import annotations

import math
import warnings

import pytest

from tests.scripts import Scripts

scripts = Scripts()

LOGITS, CLASSES = [[2.0, 0.5, -1.0], [0.0, 0.0, 0.0]], [0, 2]


@scripts.gives((math.log(3), [0.0, math.log(2)], 2 * math.log(3)))
def cross_entropy(lib):
    even = lib.zeros(2, 3, dtype=lib.float64)
    sharp = lib.tensor([[0.0, -math.inf], [0.0, 0.0]], dtype=lib.float64)
    loss = lib.nn.CrossEntropyLoss
    return (
        loss()(even, lib.tensor([0, 2])),
        loss(reduction="none")(sharp, lib.tensor([0, 1])),
        loss(reduction="sum")(even, lib.tensor([1, 1])),
    )


@scripts.gives([1 / 3 - 1, 1 / 3, 1 / 3])
def the_gradient_is_softmax_minus_one_hot(lib):
    x = lib.zeros(1, 3, dtype=lib.float64, requires_grad=True)
    lib.nn.CrossEntropyLoss()(x, lib.tensor([0])).backward()
    return x.grad[0]


OPTIONS = [
    {}, {"reduction": "sum"}, {"reduction": "none"}, {"weight": [1.0, 2.0, 0.5]}, {"ignore_index": 2}, {"label_smoothing": 0.1},
    {"weight": [1.0, 2.0, 0.5], "ignore_index": 0, "label_smoothing": 0.2, "reduction": "mean"},
    {"weight": [1.0, 2.0, 0.5], "label_smoothing": 0.2, "reduction": "sum"}, {"weight": [0.0, 1.0, 1.0], "reduction": "none"},
]  # fmt: skip

for _number, _options in enumerate(OPTIONS):

    def options_of(lib, given=_options):
        return {**given, **({"weight": lib.tensor(given["weight"], dtype=lib.float64)} if "weight" in given else {})}

    @scripts.agrees(rtol=1e-12, atol=1e-15)
    def cross_entropy_options(lib, options=options_of):
        x = lib.tensor(LOGITS, dtype=lib.float64, requires_grad=True)
        loss = lib.nn.CrossEntropyLoss(**options(lib))(x, lib.tensor(CLASSES))
        loss.sum().backward()
        return loss, x.grad

    if "label_smoothing" not in _options:

        @scripts.agrees(rtol=1e-12, atol=1e-15)
        def nll_options(lib, options=options_of):
            x = lib.tensor(LOGITS, dtype=lib.float64, requires_grad=True)
            loss = lib.nn.NLLLoss(**options(lib))(x.log_softmax(1), lib.tensor(CLASSES))
            loss.sum().backward()
            return loss, x.grad


@scripts.gives((2.5, [1.0, 4.0], 5.0, [1.0, 2.0]))
def squared_error(lib):
    x, target = lib.tensor([1.0, 2.0], requires_grad=True), lib.zeros(2)
    lib.nn.MSELoss()(x, target).backward()
    return (
        lib.nn.MSELoss()(x, target),
        lib.nn.MSELoss(reduction="none")(x, target),
        lib.nn.MSELoss(reduction="sum")(x, target),
        x.grad,
    )


@scripts.gives((True, [["weight"], []]))
def class_weights_are_a_buffer(lib):
    loss = lib.nn.CrossEntropyLoss(weight=lib.ones(3))
    return loss.double().weight.dtype == lib.float64, [
        list(loss.state_dict()),
        list(lib.nn.CrossEntropyLoss().state_dict()),
    ]


@scripts.gives(["CrossEntropyLoss()", "MSELoss()", "NLLLoss()"])
def texts(lib):
    return [repr(lib.nn.CrossEntropyLoss()), repr(lib.nn.MSELoss()), repr(lib.nn.NLLLoss())]


@scripts.gives(["mean", "none", "sum", "mean", "none"])
def the_old_flags(lib):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in both
        flags = [
            {},
            {"reduce": False},
            {"size_average": False},
            {"size_average": True},
            {"reduce": False, "size_average": True},
        ]
        return [lib.nn.MSELoss(**each).reduction for each in flags]


@scripts.raises(ValueError, "average is not a valid value for reduction")
def an_unknown_reduction(lib):
    lib.nn.MSELoss(reduction="average")(lib.ones(1), lib.ones(1))


@scripts.raises(IndexError, "Target 3 is out of bounds")
def a_class_too_large(lib):
    lib.nn.CrossEntropyLoss()(lib.zeros(1, 3), lib.tensor([3]))


@scripts.raises(IndexError, "Target -1 is out of bounds")
def a_negative_class(lib):
    lib.nn.CrossEntropyLoss()(lib.zeros(1, 3), lib.tensor([-1]))


@scripts.raises(ValueError, r"Expected input batch_size \(2\) to match target batch_size \(3\)")
def batches_of_other_sizes(lib):
    lib.nn.CrossEntropyLoss()(lib.zeros(2, 3), lib.tensor([0, 1, 2]))


@scripts.raises(RuntimeError, "expected target dtype to be Long or Byte, but got (int16|Short)")
def classes_of_another_integer_type(lib):
    lib.nn.CrossEntropyLoss()(lib.zeros(1, 3), lib.tensor([0], dtype=lib.int16))


test_script = scripts.test()


def test_shapes_that_only_broadcast_are_warned_of():
    import trainctl

    with pytest.warns(UserWarning, match="Using a target size .* that is different to the input size"):
        trainctl.nn.MSELoss()(trainctl.ones(3, 1), trainctl.ones(3))
