"""Layer, group and root-mean-square norms."""

from __future__ import annotations

from tests.nn.modules.parity import drawn, filled, outcome
from tests.scripts import Scripts

scripts = Scripts()

NORMS = [
    ("LayerNorm", (3,), {}), ("LayerNorm", ([2, 3],), {}), ("LayerNorm", ((2, 3),), {"bias": False}), ("LayerNorm", (3,), {"elementwise_affine": False, "eps": 0.01}),
    ("RMSNorm", (3,), {}), ("RMSNorm", ([2, 3],), {"eps": 0.01}), ("RMSNorm", (3,), {"elementwise_affine": False}),
    ("GroupNorm", (2, 4), {}), ("GroupNorm", (1, 4), {"bias": False}), ("GroupNorm", (4, 4), {"affine": False, "eps": 0.01}),
]  # fmt: skip

for _name, _args, _options in NORMS:

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def values_gradients_state_and_text(lib, name=_name, args=_args, options=_options):
        norm = filled(getattr(lib.nn, name)(*args, **options), lib)
        return outcome(norm, [drawn(lib, 4, *((4, 3) if name == "GroupNorm" else (2, 3)))])


@scripts.gives(([1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], None))
def what_they_begin_with(lib):
    layer, rms, group = lib.nn.LayerNorm(2), lib.nn.RMSNorm(2), lib.nn.GroupNorm(1, 2)
    return layer.weight, layer.bias, rms.weight, group.weight, group.bias, lib.nn.LayerNorm(2, bias=False).bias


@scripts.gives(
    [
        "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)",
        "RMSNorm((2, 3), eps=None, elementwise_affine=True)",
        "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)",
    ]
)
def texts(lib):
    return [repr(lib.nn.LayerNorm(3)), repr(lib.nn.RMSNorm([2, 3])), repr(lib.nn.GroupNorm(2, 4))]


@scripts.gives(["lib.float64", "lib.float64", "lib.float64"])
def dtypes(lib):
    norms = (
        lib.nn.LayerNorm(3, dtype=lib.float64),
        lib.nn.RMSNorm(3, dtype=lib.float64),
        lib.nn.GroupNorm(1, 3, dtype=lib.float64),
    )
    return [norm(lib.rand(2, 3, dtype=lib.float64)).dtype for norm in norms]


@scripts.raises(ValueError, r"num_channels \(4\) must be divisible by num_groups \(3\)")
def groups_that_do_not_fit(lib):
    lib.nn.GroupNorm(3, 4)


@scripts.raises(RuntimeError, r"normalized_shape=\[3\], expected input with shape \[\*, 3\]")
def an_input_of_another_size(lib):
    lib.nn.LayerNorm(3)(lib.rand(2, 4))


test_script = scripts.test()
