"""Padding layers against PyTorch."""

from __future__ import annotations

from tests.nn.modules.parity import drawn, outcome
from tests.scripts import Scripts

scripts = Scripts()

SIDES = {1: (1, 2), 2: (1, 2, 0, 3), 3: (1, 2, 0, 2, 1, 1)}
KINDS = {"CircularPad": (), "ConstantPad": (2.5,), "ReflectionPad": (), "ReplicationPad": (), "ZeroPad": ()}

for _kind, _more in KINDS.items():
    for _dims, _sides in SIDES.items():
        for _padding in (1, _sides, (-1, *_sides[1:])):

            @scripts.agrees(rtol=1e-12)
            def a_batch(lib, kind=_kind, dims=_dims, padding=_padding, more=_more):
                return outcome(getattr(lib.nn, f"{kind}{dims}d")(padding, *more), [drawn(lib, 2, 2, *(4, 5, 3)[:dims])])

        @scripts.agrees(rtol=1e-12)
        def without_a_batch(lib, kind=_kind, dims=_dims, more=_more):
            return outcome(getattr(lib.nn, f"{kind}{dims}d")(1, *more), [drawn(lib, 2, *(4, 5, 3)[:dims])])


@scripts.gives([(1, 1, 1, 1), "ConstantPad2d(padding=(2, 2, 2, 2), value=3.5)", "ZeroPad1d((0, 1))"])
def facts(lib):
    return [lib.nn.ReflectionPad2d(1).padding, repr(lib.nn.ConstantPad2d(2, 3.5)), repr(lib.nn.ZeroPad1d((0, 1)))]


@scripts.raises(ValueError, r"expected 3D or 4D input .got 2D input")
def a_circle_in_too_few_dims(lib):
    lib.nn.CircularPad2d(1)(lib.ones(3, 3))


@scripts.raises(RuntimeError, "at dimension 2 of input .*1, 1, 3")
def a_mirror_image_larger_than_the_input(lib):
    lib.nn.ReflectionPad1d(3)(lib.ones(1, 1, 3))


test_script = scripts.test()
