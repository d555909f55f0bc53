"""New tensors against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

NAN = float("nan")
TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128")
SIZES = [
    case(2, 3),
    case((2, 3)),
    case([2, 0]),
    case(()),
    case(0),
    case(3),
    case(size=(2, 1)),
    *(case(2, dtype=f"dtype:{kind}") for kind in TYPES),
]
DATA = [
    1, -2.5, True, 1j, [], [[]], [[], []], [1, 2], [1, 2.5, True], [1, True], [True, False], [[1, 2], [3, 4]], [1, 1j], (1, 2), [(1, 2), [3.0, 4]], range(3), [range(2), range(2)], [NAN, float("inf")],
    np.float32(1.5), np.int16(3), np.arange(3), np.ones((2, 0), np.float64), np.array([True]), [np.float32(1), np.float32(2)], [np.arange(2), np.arange(2)], np.arange(6).reshape(2, 3)[:, ::2], 2**40,
]  # fmt: skip
CONVERTED = [
    ([1.7, -1.7], "int64"), ([0, 2, -1], "bool"), ([0.0, NAN], "bool"), ([-1, 255], "uint8"), ([1, 2], "float64"), ([1e300], "float32"), ([1], "complex64"), (np.arange(3), "float32"), (3, "int8"), ([True], "float16"), ([], "int32"),
    (2**63, "float32"), (np.array([1.5]), "int32"), ([1j], "complex128"), ([0j, 1j], "bool"),
]  # fmt: skip


def make(lib, data, kind=None):
    return lib.tensor(data, dtype=kind and getattr(lib, kind))


ROWS = [
    *(Row(name, SIZES) for name in ("zeros", "ones")),
    Row("empty_shape", SIZES, call=lambda lib, *args, **kwargs: lib.empty(*args, **kwargs) * 0 == 1),
    Row("full", [
        case((2, 3), 1), case((2,), 2.5), case((), True), case([0], 1), case((2,), 1j), case((2,), 1.7, dtype="dtype:int64"), case((2,), -9, dtype="dtype:uint8"), case((2,), -1.5, dtype="dtype:bool"), case((2,), 3, dtype="dtype:float16"),
        case((2,), NAN), case((2,), A(values=2, dtype="int32")), case(size=(2,), fill_value=4),
    ]),
    *(Row(f"{name}_like", [case(A(2, 3)), case(A(2, dtype="int32")), case(A(0, 2, dtype="bool")), case(A(3, 4, layout="T")), case(A(2), dtype="dtype:int64")]) for name in ("zeros", "ones")),
    Row("full_like", [case(A(2, 3), 2), case(A(2, dtype="uint8"), -9), case(A(2, dtype="int32"), 1.7), case(A(2), 3, dtype="dtype:int64")]),
    Row("eye", [case(3), case(2, 3), case(3, 2), case(0), case(2, 0), case(2, dtype="dtype:int64"), case(2, dtype="dtype:bool"), case(n=2, m=3)]),
    Row("tensor", [case(each) for each in DATA], call=make),
    Row("tensor_of_a_type", [case(data, kind) for data, kind in CONVERTED], call=make),
    Row("tensor_of_tensors", [case([A(values=1), A(values=2.5)]), case([A(values=1, dtype="int64"), 2.5]), case([A(1), A(1)]), case([[A(1, 1)]]), case([A(values=1, dtype="float64"), A(values=1)])], call=lambda lib, parts: lib.tensor([each.detach() if isinstance(each, lib.Tensor) else each for each in parts]), gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("zeros", case(-1), RuntimeError, "negative dimension -1"),
    Refusal("ones", case((2, -1)), RuntimeError, r"negative dimension -1: \[2, -1\]"),
    Refusal("zeros", case(2.0), TypeError, "float"),
    Refusal("zeros", case("a"), TypeError, "str"),
    Refusal("zeros", case((2,), 3), TypeError, "tuple, int"),
    Refusal("zeros", case(), TypeError, "size"),
    Refusal("full", case(2, 1), TypeError, "tuple of ints, not int"),
    Refusal("full", case((2,), 300, dtype="dtype:uint8"), RuntimeError, "uint8 without overflow: 300"),
    Refusal("full", case((2,), 1j, dtype="dtype:float32"), RuntimeError, "float32"),
    Refusal("full", case((2,), 1e300, dtype="dtype:float32"), RuntimeError, "float32"),
    Refusal("full", case((2,), NAN, dtype="dtype:int64"), RuntimeError, "int64"),
    Refusal("eye", case(-1), RuntimeError, "n must be greater or equal to 0, got -1"),
    Refusal("eye", case(2, -3), RuntimeError, "m must be greater or equal to 0, got -3"),
    Refusal("tensor", case([[1], [1, 2]]), ValueError, "equal length"),
    Refusal("tensor", case(["a"]), ValueError, "str"),
    Refusal("tensor", case("a"), TypeError, "str"),
    Refusal("tensor", case(None), RuntimeError, "NoneType"),
    Refusal("tensor", case([1, None]), (RuntimeError, TypeError), "NoneType"),
    Refusal("tensor", case({}), RuntimeError, "dict"),
    Refusal("tensor", case([2**63]), ValueError, "int64"),
    Refusal("tensor", case([300], dtype="dtype:uint8"), RuntimeError, "uint8 without overflow: 300"),
    Refusal("tensor", case([NAN], dtype="dtype:int64"), RuntimeError, "int64"),
    Refusal("tensor", case([1j], dtype="dtype:float32"), TypeError, "complex"),
    Refusal("tensor", case([1], requires_grad=True), RuntimeError, "floating point and complex"),
    Refusal("from_numpy", case([1]), TypeError, "ndarray.*list"),
    Refusal("from_numpy", case(np.array(["a"])), TypeError, "supported types are"),
]

test_values, test_gradient, test_refusal = table("creation", ROWS, REFUSALS)


def test_from_numpy_and_as_tensor_share_memory_and_tensor_copies():
    array = np.zeros(3, np.float32)
    shared, cast, copied = (
        trainctl.from_numpy(array),
        trainctl.as_tensor(array, dtype=trainctl.float64),
        trainctl.tensor(array),
    )
    trainctl.as_tensor(array)[0] = 1
    assert shared.tolist() == [1, 0, 0]
    assert cast.tolist() == copied.tolist() == [0, 0, 0]
    assert trainctl.as_tensor(shared) is shared


def test_requires_grad_makes_a_leaf():
    for made in (
        trainctl.zeros(2, requires_grad=True),
        trainctl.tensor([1.0], requires_grad=True),
        trainctl.arange(2.0, requires_grad=True),
    ):
        assert made.requires_grad
        assert made.is_leaf


def test_a_tensor_made_from_a_tensor_is_a_copy_with_a_warning():
    x = trainctl.ones(2)
    with pytest.warns(UserWarning, match="clone"):
        y = trainctl.tensor(x)
    y[0] = 5
    assert x.tolist() == [1, 1]


def test_only_devices_that_are_here_are_taken():
    assert trainctl.zeros(2, device="cpu").device == trainctl.device("cpu")
    with pytest.raises(RuntimeError):
        trainctl.zeros(2, device="typo")
