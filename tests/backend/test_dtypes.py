"""Element types are PyTorch's: their facts, their names, and what two of them become together."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.backend import dtypes

scripts = Scripts()

NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128"]


def every(lib):
    return [getattr(lib, name) for name in NAMES]


def wide(lib):
    """Return all but float16, whose complex counterpart is complex64 here: there is no complex32."""
    return [each for each in every(lib) if each != lib.float16]


@scripts.gives([1, 1, 1, 2, 4, 8, 2, 4, 8, 8, 16])
def itemsize(lib):
    return [each.itemsize for each in every(lib)]


@scripts.gives([[n.startswith("float"), n.startswith("complex"), n not in ("bool", "uint8")] for n in NAMES])
def kinds(lib):
    return [[each.is_floating_point, each.is_complex, each.is_signed] for each in every(lib)]


@scripts.gives([f"lib.{name}" for name in NAMES])
def names(lib):
    return [repr(each) for each in every(lib)]


@scripts.gives([True] * 9)
def aliases(lib):
    pairs = {"half": "float16", "float": "float32", "double": "float64", "short": "int16", "int": "int32"}
    pairs |= {"long": "int64", "cfloat": "complex64", "cdouble": "complex128", "bool": "bool"}
    return [getattr(lib, alias) is getattr(lib, name) for alias, name in pairs.items()]


@scripts.gives([True, True, False, True])
def equality_and_hash(lib):
    x = lib.ones(1)
    return [x.dtype is lib.float32, x.dtype == lib.float32, x.dtype == lib.float64, {lib.int64: 1}[lib.long] == 1]


@scripts.gives(["lib.complex64", "lib.complex128", "lib.complex64", "lib.float32", "lib.float64"])
def complex_and_real_counterparts(lib):
    return [
        lib.float32.to_complex(), lib.float64.to_complex(), lib.complex64.to_complex(), lib.complex64.to_real(),
        lib.complex128.to_real(),
    ]  # fmt: skip


@scripts.agrees()
def promotion_of_every_pair(lib):
    return [lib.promote_types(a, b) for a, b in itertools.product(every(lib), repeat=2)]


@scripts.gives(
    ["lib.float32", "lib.int16", "lib.complex64", "lib.complex128", "lib.bool", "lib.float32", "lib.float32"]
)
def promotion(lib):
    pairs = [
        ("int64", "float32"), ("uint8", "int8"), ("float32", "complex64"), ("float64", "complex64"), ("bool", "bool"),
        ("float16", "float32"), ("float32", "bool"),
    ]  # fmt: skip
    return [lib.promote_types(getattr(lib, a), getattr(lib, b)) for a, b in pairs]


@scripts.agrees()
def arithmetic_of_every_pair_and_with_0_d_tensors(lib):
    found = []
    for a, b in itertools.product(wide(lib), repeat=2):
        x, y = lib.ones(2, dtype=a), lib.ones(2, dtype=b)
        found += [(x + y).dtype, (x * y[0]).dtype, (x[0] * y).dtype, (x[0] * y[0]).dtype, (x == y).dtype, (x / y).dtype]
    return found


@scripts.agrees()
def arithmetic_with_python_numbers(lib):
    found = []
    for kind, number in itertools.product(wide(lib), [True, 2, 2.0, 2j]):
        x = lib.ones(2, dtype=kind)
        found += [(x + number).dtype, (number * x).dtype, (x[0] + number).dtype, (x / number).dtype]
    return found


@scripts.agrees()
def result_type_and_can_cast_of_every_pair(lib):
    found = []
    for a, b in itertools.product(wide(lib), repeat=2):
        found += [lib.result_type(lib.ones(1, dtype=a), lib.ones((), dtype=b)), lib.can_cast(a, b)]
    return found


@scripts.gives(
    [
        1.1920928955078125e-07,
        3.4028234663852886e38,
        -3.4028234663852886e38,
        1.1754943508222875e-38,
        1e-06,
        32,
        "float32",
    ]
)
def finfo(lib):
    info = lib.finfo(lib.float32)
    return [info.eps, info.max, info.min, info.tiny, info.resolution, info.bits, info.dtype]


@scripts.gives(["lib.float16", "lib.float16", "lib.float32", "lib.float16", "lib.float16"])
def float16_keeps_to_itself(lib):
    x = lib.ones(2, dtype=lib.float16)
    others = [x, lib.ones(2, dtype=lib.int64), lib.ones(2), lib.ones((), dtype=lib.float64), 2.5]
    return [(x + each).dtype for each in others]


@scripts.agrees()
def finfo_of_every_float(lib):
    kinds = [lib.float16, lib.float32, lib.float64, lib.complex64, lib.complex128]
    infos = [lib.finfo(each) for each in kinds] + [lib.finfo()]
    return [[i.eps, i.max, i.min, i.tiny, i.smallest_normal, i.resolution, i.bits] for i in infos]


@scripts.gives([[8, 255, 0], [8, 127, -128], [16, 32767, -32768], [32, 2**31 - 1, -(2**31)], [64, 2**63 - 1, -(2**63)]])
def iinfo(lib):
    infos = [lib.iinfo(getattr(lib, name)) for name in ("uint8", "int8", "int16", "int32", "int64")]
    return [[i.bits, i.max, i.min] for i in infos]


@scripts.gives(
    (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)",
        "iinfo(min=-128, max=127, dtype=int8)",
    )
)
def info_texts(lib):
    return repr(lib.finfo(lib.float32)), repr(lib.iinfo(lib.int8))


@scripts.raises(TypeError, r"finfo\(\) requires a floating point")
def finfo_of_an_integer(lib):
    lib.finfo(lib.int32)


@scripts.raises(TypeError, r"iinfo\(\) requires an integer|torch.iinfo")
def iinfo_of_a_float(lib):
    lib.iinfo(lib.float32)


@scripts.gives(["lib.float64", "lib.float64", "lib.float64", "lib.complex128", "lib.float32"])
def the_default_dtype(lib):
    lib.set_default_dtype(lib.float64)
    try:
        made = [lib.get_default_dtype(), lib.tensor(1.0).dtype, (lib.tensor(1) / 2).dtype, lib.tensor(1j).dtype]
    finally:
        lib.set_default_dtype(lib.float32)
    return [*made, lib.zeros(1).dtype]


@scripts.raises(TypeError, "only floating-point types are supported as the default type")
def a_default_dtype_that_is_no_float(lib):
    lib.set_default_dtype(lib.int32)


@scripts.gives(["lib.float64", "lib.int64", "lib.bool", "lib.complex128", "lib.float64"])
def python_types_name_dtypes(lib):
    return [
        *(lib.ones(1, dtype=each).dtype for each in (float, int, bool, complex)),
        lib.tensor([1], dtype=float).dtype,
    ]


@scripts.raises(TypeError, "dtype")
def a_string_names_no_dtype(lib):
    lib.ones(1, dtype="float32")


test_script = scripts.test()


def test_every_array_dtype_has_its_counterpart():
    for name in NAMES:
        assert dtypes.of_array(np.ones(1, name)) is getattr(trainctl, name)
    assert dtypes.of_array(np.ones(1, ">f4")) is trainctl.float32


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.ones(1, np.uint64), np.ones(1, np.longdouble)])
def test_other_arrays_are_refused_by_name(array):
    with pytest.raises(
        TypeError, match=rf"can't convert an array of type {array.dtype}; the supported types are: bool, uint8"
    ):
        dtypes.of_array(array)


@pytest.mark.parametrize("name", NAMES)
def test_a_dtype_is_one_object_through_copies(name):
    kind = getattr(trainctl, name)
    assert copy.deepcopy(kind) is kind
    assert copy.copy(kind) is kind
    assert getattr(dtypes, kind.__reduce__()) is kind


def test_promotion_is_a_lattice():
    for a, b, c in itertools.product(dtypes.ALL, repeat=3):
        assert dtypes.promote_types(a, b) is dtypes.promote_types(b, a)
        whole = dtypes.promote_types(dtypes.promote_types(a, b), c)
        assert whole.category == max(a.category, b.category, c.category)
    assert all(dtypes.promote_types(a, a) is a for a in dtypes.ALL)


@pytest.mark.parametrize("value", ["float32", 3, np.float32, None, str])
def test_what_names_no_dtype_is_refused(value):
    with pytest.raises(TypeError, match=r"dtype must be a trainctl\.dtype, got"):
        dtypes.as_dtype(value)


def test_a_number_stands_for_its_category():
    assert [dtypes.of_number(each).name for each in (True, 1, 1.0, 1j)] == ["bool", "int64", "float32", "complex64"]
    with pytest.raises(TypeError, match="expected a number or a tensor, got str"):
        dtypes.of_number("1")


def test_limits_are_python_numbers():
    info = trainctl.finfo(trainctl.float16)
    assert all(type(each) is float for each in (info.eps, info.max, info.min, info.tiny))
    assert math.isclose(info.max, 65504)
    assert type(trainctl.iinfo(trainctl.int8).max) is int
