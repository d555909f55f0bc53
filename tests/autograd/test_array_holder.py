"""A tensor as an array: its facts, and its elements as Python values."""

from __future__ import annotations

from tests.scripts import Scripts

scripts = Scripts()


# -- facts ----------------------------------------------------------------------------------------------------


@scripts.gives(([2, 3], 2, 6, 4, 24, [3, 1], True, 0, "cpu", -1))
def facts(lib):
    x = lib.zeros(2, 3)
    return (
        x.shape, x.dim(), x.numel(), x.element_size(), x.nbytes, list(x.stride()), x.is_contiguous(),
        x.storage_offset(), x.device, x.get_device(),
    )  # fmt: skip


@scripts.gives(([2, 3], 2, 3, 3, 3, 2, 2, 6, 4))
def the_same_facts_by_other_names(lib):
    x = lib.zeros(2, 3)
    return x.size(), x.size(0), x.size(1), x.size(-1), x.shape[-1], x.ndim, x.ndimension(), x.nelement(), x.itemsize


@scripts.gives(([1, 3], False, 4, 3, True))
def facts_of_a_view(lib):
    x = lib.arange(6).view(2, 3)
    return list(x.t().stride()), x.t().is_contiguous(), x[1:, 1:].storage_offset(), x.stride(0), x[1:].is_contiguous()


@scripts.gives(
    [[True, False, True, False], [False, False, True, False], [False, True, True, False], [False, False, False, False]]
)
def kinds(lib):
    tensors = (lib.ones(1), lib.tensor([1]), lib.tensor([1j]), lib.tensor([True]))
    return [[t.is_floating_point(), t.is_complex(), t.is_signed(), t.is_cuda] for t in tensors]


@scripts.raises(IndexError, r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)")
def a_dim_that_is_not_there(lib):
    lib.zeros(2, 3).size(2)


@scripts.gives(([2, 3], 6, [2], 3, "lib.Size([2, 3])", True, [2, 3]))
def a_shape_is_a_tuple(lib):
    shape = lib.zeros(2, 3).shape
    return shape, shape.numel(), shape[:1], shape[-1], repr(shape), shape == (2, 3), list(shape)


@scripts.gives((["T", "mT", "H"], [3, 2], [3, 2, 4]))
def transposes_by_attribute(lib):
    return ["T", "mT", "H"], lib.zeros(2, 3).T.shape, lib.zeros(3, 4, 2).mT.shape


@scripts.gives([[0], [3], [2, 3], [2], [2]])
def the_constructor(lib):
    return [
        lib.Tensor().shape, lib.Tensor(3).shape, lib.Tensor(2, 3).shape, lib.Tensor([1, 2]).shape,
        lib.Tensor(lib.Size([2])).shape,
    ]  # fmt: skip


@scripts.gives(([1.0, 2.0], "lib.float32"))
def the_constructor_makes_float32(lib):
    x = lib.Tensor([1, 2])
    return x, x.dtype


# -- to Python ------------------------------------------------------------------------------------------------------


@scripts.gives([1.5, 2, True, 1 + 2j, 2.0, 3, 1.0])
def item(lib):
    tensors = [lib.tensor(v) for v in (1.5, 2, True, 1 + 2j)] + [lib.tensor([[2.0]])]
    return [t.item() for t in tensors] + [int(lib.tensor(3.7)), float(lib.tensor([1]))]


@scripts.gives([1.5, [1, 2], [[True], [False]], [], [[], []], [[1j]]])
def tolist(lib):
    values = (1.5, [1, 2], [[True], [False]], [], [[], []], [[1j]])
    return [lib.tensor(v).tolist() for v in values]


@scripts.raises(RuntimeError, "a Tensor with 2 elements cannot be converted to Scalar")
def item_of_several(lib):
    lib.ones(2).item()


@scripts.raises(RuntimeError, "a Tensor with 0 elements cannot be converted to Scalar")
def item_of_none(lib):
    lib.ones(0).item()


@scripts.gives([True, False, True, True, False, True])
def truth(lib):
    return [bool(lib.tensor(v)) for v in (1.0, 0, [[2]], float("nan"), [False], 1j)]


@scripts.raises(RuntimeError, "Boolean value of Tensor with more than one value is ambiguous")
def truth_of_several(lib):
    bool(lib.ones(2))


@scripts.raises(RuntimeError, "Boolean value of Tensor with no values is ambiguous")
def truth_of_none(lib):
    bool(lib.ones(0))


@scripts.gives([20, [10, 20], "aa", 3, 1])
def an_integer_tensor_is_an_index(lib):
    one = lib.tensor(1)
    return [
        [10, 20][one],
        list(range(10, 30, 10))[: one + 1],
        "a" * lib.tensor(2),
        range(5)[lib.tensor([3])],
        one.__index__(),
    ]


@scripts.raises(TypeError, "only integer tensors of a single element can be converted to an index")
def a_float_tensor_is_no_index(lib):
    [1, 2][lib.tensor(1.0)]


@scripts.gives((3, [[0, 1], [2, 3]], [1.0, 1.0], [4.0, 4.0]))
def len_and_iteration(lib):
    w = lib.ones(2, requires_grad=True)
    total = 0
    for row in lib.ones(4, 2) * w:
        total = total + row
    total.sum().backward()
    a, b = lib.ones(2)
    return len(lib.zeros(3, 2)), [row.tolist() for row in lib.arange(4).view(2, 2)], [a.item(), b.item()], w.grad


@scripts.raises(TypeError, "len\\(\\) of a 0-d tensor")
def len_of_a_scalar(lib):
    len(lib.ones(()))


@scripts.raises(TypeError, "iteration over a 0-d tensor")
def iteration_over_a_scalar(lib):
    list(lib.ones(()))


@scripts.gives([True, False, True, True])
def membership(lib):
    x = lib.tensor([[1.0, 2.0]])
    return [2 in x, 3.5 in x, lib.tensor(1.0) in x, 2.0 in x.tolist()[0]]


@scripts.gives(["3.14", "  3.1", "7", "1.5000e+00", "2.5", "2.5", "2.500", "tensor([1])", "tensor([1.])", "3", "True"])
def formats(lib):
    pi = lib.tensor(3.14159)
    w = lib.tensor(2.5, requires_grad=True)
    return [
        f"{pi:.2f}", f"{pi:5.1f}", f"{lib.tensor(7):d}", f"{lib.tensor(1.5):.4e}", f"{lib.tensor(2.5)}", f"{w}", f"{w:.3f}",
        f"{lib.tensor([1])}", f"{lib.ones(1)}", f"{lib.tensor(3)}", f"{lib.tensor(True)}",
    ]  # fmt: skip


@scripts.raises(TypeError, "unsupported format string passed to Tensor.__format__")
def a_format_of_a_number_for_several_elements(lib):
    format(lib.ones(2), ".2f")


@scripts.gives((True, 2, True, False))
def tensors_are_dictionary_keys_by_identity(lib):
    x, y = lib.ones(1), lib.ones(1)
    table = {x: 1, y: 2}
    return x in table, table[y], hash(x) == hash(x), hash(x) == hash(y)


@scripts.gives([3, 4.0, 6, 0])
def builtins(lib):
    return [int(sum(lib.tensor([1, 2]))), float(max(lib.tensor([4.0, 1.0]))), int(abs(lib.tensor(-6))), round(0.4)]


test_script = scripts.test()
