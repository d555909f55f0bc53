"""Types of codes and schemes: PyTorch's names and facts, one object each, and no way to one but by quantizing."""

from __future__ import annotations

import copy
import pickle

import pytest

from tests.scripts import Scripts

scripts = Scripts()

NAMES = ("quint8", "qint8", "qint32", "quint4x2")
SCHEMES = (
    "per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric",
    "per_channel_affine_float_qparams",
)  # fmt: skip


@scripts.gives([[f"lib.{name}", 4 if name == "qint32" else 1, False, False] for name in NAMES])
def facts(lib):
    every = [getattr(lib, name) for name in NAMES]
    return [[repr(each), each.itemsize, each.is_floating_point, each.is_complex] for each in every]


@scripts.gives([[0, 255, 8], [-128, 127, 8], [-(2**31), 2**31 - 1, 32], [0, 255, 8]])
def limits(lib):
    every = [lib.iinfo(getattr(lib, name)) for name in NAMES]
    return [[each.min, each.max, each.bits] for each in every]


@scripts.gives([f"lib.{name}" for name in SCHEMES])
def schemes(lib):
    return [repr(getattr(lib, name)) for name in SCHEMES]


@scripts.gives([[True] * 5] * 9)
def one_object_each(lib):
    found = []
    for name in NAMES + SCHEMES:
        it = getattr(lib, name)
        again = [pickle.loads(pickle.dumps(it)), copy.deepcopy(it), copy.copy(it)]
        kind = lib.dtype if name in NAMES else lib.qscheme
        found.append([each is it for each in again] + [isinstance(it, kind), it == it and it != lib.int8])
    return found


@scripts.gives([True, False])
def a_type_of_codes_is_another_than_the_type_that_keeps_them(lib):
    return [lib.promote_types(lib.quint8, lib.quint8) is lib.quint8, lib.quint8 == lib.uint8]


@scripts.raises(RuntimeError, "quantized numbers")
def they_do_not_promote(lib):
    lib.promote_types(lib.float32, lib.qint8)


@scripts.raises(RuntimeError, "Complex")
def they_have_no_complex_counterpart(lib):
    lib.qint8.to_complex()


@scripts.raises(TypeError, "only floating-point types")
def they_are_no_default(lib):
    lib.set_default_dtype(lib.quint8)


@scripts.raises(RuntimeError, "quantized tensors|needs a scale")
def a_conversion_does_not_quantize(lib):
    lib.ones(2).to(lib.quint8)


@scripts.raises(RuntimeError, "invalid type|needs a scale")
def numbers_alone_make_no_codes(lib):
    lib.tensor([1.0, 2.0], dtype=lib.quint8)


test_script = scripts.test()


@pytest.mark.parametrize("how", ["zeros", "ones", "empty", "rand"])
def test_no_tensor_is_made_of_codes_without_a_scale(how):
    import trainctl

    with pytest.raises(
        RuntimeError, match=r"needs a scale and a zero point; make it with trainctl\.quantize_per_tensor"
    ):
        getattr(trainctl, how)(2, dtype=trainctl.qint8)
