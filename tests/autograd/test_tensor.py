"""A tensor's place in the graph, and how it meets NumPy and copies."""

from __future__ import annotations

import copy
import gc
import io
import operator
import warnings
import weakref

import numpy as np
import pytest
from safetensors.numpy import save

import trainctl
from tests.scripts import Scripts

scripts = Scripts()


# -- its place in the graph --------------------------------------------------------------------------------------


@scripts.gives([[False, True], [True, True], [True, False], [False, True], [False, True], [False, True]])
def who_requires_a_gradient_and_who_is_a_leaf(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    return [[t.requires_grad, t.is_leaf] for t in (lib.ones(2), x, y, y.detach(), y > 1, y.argmax())]


@scripts.gives([None, "MulBackward0", "AddBackward0", "SumBackward0"])
def grad_fn_names(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    return [x.grad_fn, y.grad_fn.name(), (y + 1).grad_fn.name(), y.sum().grad_fn.name()]


@scripts.gives(("AddBackward0", ["<MulBackward0", "<AccumulateGrad"], True, None))
def next_functions_lead_to_the_leaves(lib):
    x = lib.ones(2, requires_grad=True)
    node = (x * 2 + x).grad_fn
    (inner, _), (leaf, _) = node.next_functions
    return (
        node.name(),
        [repr(each).split()[0] for each in (inner, leaf)],
        leaf.variable is x,
        inner.next_functions[1][0],
    )


@scripts.gives(([4.0], None))
def a_detached_copy_stops_gradients(lib):
    x = lib.tensor([2.0], requires_grad=True)
    (x * x + x.detach() * 100).sum().backward()
    return x.grad, x.detach().grad


@scripts.gives((True, False, None))
def detach_in_place(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    y.detach_()
    return y.is_leaf, y.requires_grad, y.grad_fn


@scripts.raises(RuntimeError, r"Can't detach views in-place")
def detach_in_place_of_a_view(lib):
    (lib.ones(2, requires_grad=True) * 2)[0].detach_()


@scripts.gives((True, False, True))
def requires_grad_can_be_switched(lib):
    x = lib.ones(2)
    first = x.requires_grad_().requires_grad
    x.requires_grad = False
    second = x.requires_grad
    return first, second, x.requires_grad_(True) is x


@scripts.raises(RuntimeError, "you can only change requires_grad flags of leaf variables")
def requires_grad_cannot_be_switched_off_inside_the_graph(lib):
    (lib.ones(2, requires_grad=True) * 2).requires_grad = False


@scripts.raises(RuntimeError, "[oO]nly Tensors of floating point and complex dtype can require gradients")
def integers_cannot_require_gradients(lib):
    lib.tensor([1], requires_grad=True)


@scripts.raises(RuntimeError, "only Tensors of floating point|only leaf|of floating point")
def integers_cannot_be_made_to_require_gradients(lib):
    lib.tensor([1]).requires_grad_()


@scripts.gives((True, [2.0, 2.0], [4.0]))
def retain_grad(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    z = (2 * y).sum().reshape(1)
    z.retain_grad()
    (z * 4).backward()
    return y.retains_grad, y.grad / 4, z.grad


@scripts.gives((False, [1.0]))
def retain_grad_of_a_leaf_does_nothing(lib):
    x = lib.ones(1, requires_grad=True)
    x.retain_grad()
    x.sum().backward()
    return x.retains_grad, x.grad


@scripts.raises(RuntimeError, "can't retain_grad on Tensor that has requires_grad=False")
def retain_grad_without_a_graph(lib):
    lib.ones(1).retain_grad()


@scripts.gives([[1.0, 2.0], [5.0, 6.0]])
def data_can_be_replaced(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    before = x.data.tolist()
    x.data = lib.tensor([5.0, 6.0])
    return [before, x.detach().tolist()]


@scripts.gives(([3.0], [9.0, 9.0]))
def grad_can_be_assigned_and_removed(lib):
    x = lib.ones(1, requires_grad=True)
    x.grad = lib.tensor([3.0])
    y = lib.ones(2, requires_grad=True)
    y.grad = lib.ones(2)
    del y.grad
    assert y.grad is None
    (y * 9).sum().backward()
    return x.grad, y.grad


@scripts.raises(TypeError, "Tensor|tensor")
def grad_of_another_type(lib):
    lib.ones(1, requires_grad=True).grad = 3.0


@scripts.raises(RuntimeError, "size|shape")
def grad_of_another_shape(lib):
    lib.ones(1, requires_grad=True).grad = lib.ones(2)


@scripts.raises(RuntimeError, "dtype|type")
def grad_of_another_dtype(lib):
    lib.ones(1, requires_grad=True).grad = lib.ones(1, dtype=lib.float64)


# -- to and from NumPy ------------------------------------------------------------------------------------------------


@scripts.gives(([2.0, 4.0], "lib.float32", [2.0, 4.0], [1.0, 2.0]))
def numpy_scalars_are_operands(lib):
    w = lib.tensor([1.0, 2.0], requires_grad=True)
    y = w * np.float32(2)
    return y, y.dtype, np.float32(2) * w, w / np.int64(1)


@scripts.gives(("float32", [[1.0, 2.0]], True))
def asarray(lib):
    x = lib.tensor([[1.0, 2.0]])
    array = np.asarray(x)
    return array.dtype.name, array.tolist(), np.shares_memory(array, x.numpy())


@scripts.gives(("float64", [1.0, 2.0], False))
def asarray_of_another_dtype(lib):
    x = lib.tensor([1.0, 2.0])
    array = np.asarray(x, dtype=np.float64)
    return array.dtype.name, array.tolist(), np.shares_memory(array, x.numpy())


@scripts.gives((3.0, [0.5, 1.0], [[1.0, 2.0], [1.0, 2.0]]))
def numpy_functions_take_tensors(lib):
    x = lib.tensor([1.0, 2.0])
    return float(np.sum(x.numpy())), np.divide(x.numpy(), 2).tolist(), np.stack([x, x]).tolist()


@scripts.raises(
    RuntimeError, r"Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach\(\).numpy\(\) instead"
)
def numpy_of_a_tensor_in_the_graph(lib):
    lib.ones(1, requires_grad=True).numpy()


@scripts.raises(RuntimeError, r"Can't call numpy\(\) on Tensor that requires grad")
def asarray_of_a_tensor_in_the_graph(lib):
    np.asarray(lib.ones(1, requires_grad=True))


@scripts.gives([1.0])
def numpy_by_force(lib):
    return lib.ones(1, requires_grad=True).numpy(force=True).tolist()


DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


@scripts.gives(DTYPES)
def dtypes_are_numpy_s(lib):
    return [lib.ones(1, dtype=getattr(lib, name)).numpy().dtype.name for name in DTYPES]


# -- copies -------------------------------------------------------------------------------------------------------------


@scripts.gives(([1.0, 2.0], True, [3.0, 3.0], [9.0, 2.0]))
def deepcopy_of_a_leaf(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    again = copy.deepcopy(x)
    with lib.no_grad():
        x[0] = 9
    x.grad.zero_()
    return again, again.requires_grad, again.grad, x


@scripts.gives((True, False))
def deepcopy_keeps_what_is_shared(lib):
    x = lib.ones(1)
    pair = copy.deepcopy([x, x])
    return pair[0] is pair[1], pair[0] is x


@scripts.raises(RuntimeError, "Only Tensors created explicitly by the user .* support the deepcopy protocol")
def deepcopy_inside_the_graph(lib):
    copy.deepcopy(lib.ones(1, requires_grad=True) * 2)


@scripts.gives(([1.0, 2.0], True))
def a_shallow_copy_shares_memory(lib):
    x = lib.tensor([1.0, 2.0])
    again = copy.copy(x)
    return again, again.data_ptr() == x.data_ptr()


@scripts.gives((3.0, "lib.float32", [1, 2], "lib.int32"))
def conversions(lib):
    x = lib.tensor([1.9, 2.1])
    return lib.tensor(3).float().item(), lib.tensor(3).float().dtype, x.int(), x.int().dtype


@scripts.gives([True, True, False, True, "lib.float64", "lib.float16"])
def to_returns_itself_where_nothing_changes(lib):
    x = lib.ones(2)
    return [
        x.to("cpu") is x, x.to(lib.float32) is x, x.to(lib.float32, copy=True) is x, x.to(x) is x,
        str(x.to("cpu", lib.float64).dtype), str(x.to(dtype=lib.float16, device="cpu").dtype),
    ]  # fmt: skip


@scripts.gives((["Tensor"] * 4, [[1.0, 2.0], [1.0, 4.0], [1.0, 4.0], [1.0, 16.0]]))
def numpy_s_functions_of_each_element_give_tensors(lib):
    x = lib.tensor([1.0, 4.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch lacks NumPy 2's __array_wrap__
        results = [np.sqrt(x), np.abs(x), np.maximum(x, 0), np.square(x)]
    return [type(each).__name__ for each in results], [each.tolist() for each in results]


@scripts.gives((3.0, "Tensor"))
def a_matrix_product_with_an_array(lib):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        product = lib.tensor([1.0, 2.0]) @ np.ones(2, np.float32)
    return float(product), type(product).__name__


test_script = scripts.test()


# -- beyond PyTorch ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda x: x.clone(), lambda x: x + 0, lambda x: x[:1], lambda x: x.detach()])
def test_a_tensor_is_not_kept_alive_by_what_was_made_of_it(make):
    x = trainctl.ones(2)
    seen, made = weakref.ref(x), make(x)
    del x
    gc.collect()
    assert (seen() is None) == (made._base is None)


OPERATIONS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.lt,
    operator.eq,
    operator.ge,
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_array_may_stand_on_either_side(operation):
    # PyTorch leaves array-first to NumPy, whose answer depends on the version of both.
    x, array = np.array([[1.0, 4.0]], np.float32), np.array([2.0, 4.0], np.float32)
    tensor = trainctl.from_numpy(x).requires_grad_()
    for got, want in [(operation(tensor, array), operation(x, array)), (operation(array, tensor), operation(array, x))]:
        assert isinstance(got, trainctl.Tensor)
        assert got.requires_grad == got.is_floating_point()
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-6)


def test_a_tensor_survives_a_trip_through_its_reduction():
    x = trainctl.tensor([[1.0, 2.0]], requires_grad=True)
    rebuild, state = x.__reduce_ex__(4)
    again = rebuild(*state)
    assert again.tolist() == x.tolist()
    assert again.requires_grad
    assert again.dtype is x.dtype


def test_a_tensor_goes_into_safetensors_by_its_array():
    stored = save({"x": trainctl.arange(3).numpy()})
    assert len(io.BytesIO(stored).read()) > 24


def test_cuda_is_refused_by_name():
    with pytest.raises(RuntimeError, match="device 'cuda' is not available"):
        trainctl.ones(1).cuda()
