"""Tensors that a module owns."""

from __future__ import annotations

import copy

import trainctl
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()


@scripts.gives((True, True, True, [0], "lib.float32"))
def a_parameter_is_a_leaf_that_requires_a_gradient(lib):
    p = lib.nn.Parameter(lib.ones(2))
    return isinstance(p, lib.Tensor), p.requires_grad, p.is_leaf, lib.nn.Parameter().shape, p.dtype


@scripts.gives((False, True, [9.0, 1.0]))
def it_shares_memory_and_may_be_frozen(lib):
    data = lib.ones(2)
    p = lib.nn.Parameter(data, requires_grad=False)
    p[0] = 9
    return p.requires_grad, p.data_ptr() == data.data_ptr(), data


@scripts.gives(([True, False, False], "Tensor", "Tensor", [4.0]))
def what_is_made_of_it_is_a_plain_tensor(lib):
    p = lib.nn.Parameter(lib.ones(1))
    y = p * 4
    kinds = [isinstance(each, lib.nn.Parameter) for each in (p, y, p.detach())]
    y.sum().backward()
    return kinds, type(p.data).__name__, type(p.grad).__name__, p.grad


@scripts.gives(("Parameter containing:\ntensor([1., 1.], requires_grad=True)", True, True))
def text_and_copies(lib):
    p = lib.nn.Parameter(lib.ones(2))
    again = copy.deepcopy(p)
    return repr(p), isinstance(again, lib.nn.Parameter), again.requires_grad


@scripts.gives((True, None, False))
def a_parameter_of_an_inner_tensor_is_a_leaf(lib):
    x = lib.ones(1, requires_grad=True)
    p = lib.nn.Parameter((x * 2).detach())
    (p * 3).sum().backward()
    return p.is_leaf, x.grad, p.grad is None


@scripts.gives((False, True, "lib.int64", True))
def a_buffer_is_a_tensor_without_a_gradient(lib):
    b = lib.nn.Buffer(lib.tensor([1, 2]))
    return b.requires_grad, isinstance(b, lib.Tensor), b.dtype, isinstance(b, lib.nn.Buffer)


@scripts.raises(RuntimeError, "[oO]nly Tensors of floating point and complex dtype can require gradients")
def a_parameter_of_integers(lib):
    lib.nn.Parameter(lib.tensor([1]))


@scripts.gives([[1, 2], False])
def a_frozen_parameter_of_integers(lib):
    p = lib.nn.Parameter(lib.tensor([1, 2]), requires_grad=False)
    return [p.tolist(), p.requires_grad]


test_script = scripts.test()


def test_a_buffer_s_copy_keeps_its_persistence():
    again = copy.deepcopy(nn.Buffer(trainctl.ones(1), persistent=False))
    assert isinstance(again, nn.Buffer)
    assert again.persistent is False
