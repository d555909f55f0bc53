"""Pooling layers against PyTorch."""

from __future__ import annotations

import math

from tests.nn.modules.parity import drawn, outcome
from tests.scripts import Scripts

scripts = Scripts()

SPATIAL = (6, 5, 4)
WINDOW = [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 3, "stride": 2, "ceil_mode": True}]  # fmt: skip
ROWS = [
    *(("MaxPool", options) for options in (*WINDOW, {"kernel_size": 2, "stride": 1, "dilation": 2}, {"kernel_size": 2, "return_indices": True})),
    *(("AvgPool", options) for options in (*WINDOW, {"kernel_size": 3, "padding": 1, "count_include_pad": False})),
    ("LPPool", {"norm_type": 2, "kernel_size": 2}), ("LPPool", {"norm_type": 4.0, "kernel_size": 3, "stride": 1, "ceil_mode": True}), ("LPPool", {"norm_type": math.inf, "kernel_size": 2}),
    *(("AdaptiveAvgPool", {"output_size": size}) for size in (1, 2, 4)), *(("AdaptiveMaxPool", {"output_size": size}) for size in (1, 2, 4)), ("AdaptiveMaxPool", {"output_size": 3, "return_indices": True}),
]  # fmt: skip

for _name, _options in ROWS:
    for _dims in (1, 2, 3):

        @scripts.agrees(rtol=1e-9, atol=1e-12)
        def a_batch(lib, name=_name, dims=_dims, options=_options):
            return outcome(getattr(lib.nn, f"{name}{dims}d")(**options), [drawn(lib, 2, 3, *SPATIAL[:dims])])

        @scripts.agrees(rtol=1e-9, atol=1e-12)
        def without_a_batch(lib, name=_name, dims=_dims, options=_options):
            return outcome(getattr(lib.nn, f"{name}{dims}d")(**options), [drawn(lib, 3, *SPATIAL[:dims])])


for _dims in (1, 2, 3):

    @scripts.agrees(rtol=1e-12)
    def there_and_back(lib, dims=_dims):
        pool = getattr(lib.nn, f"MaxPool{dims}d")(2, stride=2, return_indices=True)
        back = getattr(lib.nn, f"MaxUnpool{dims}d")(2, stride=2)
        x = drawn(lib, 2, 3, *SPATIAL[:dims])
        y = back(*pool(x), output_size=x.shape)
        (y * y).sum().backward()
        return y, x.grad, repr(back), repr(getattr(lib.nn, f"MaxUnpool{dims}d")(3, padding=1))


@scripts.agrees(rtol=1e-12)
def other_divisors_and_sizes(lib):
    x = drawn(lib, 1, 2, 6, 6)
    layers = [
        lib.nn.AvgPool2d(2, divisor_override=3), lib.nn.AvgPool2d((3, 2), (2, 1)), lib.nn.MaxPool2d((2, 3), stride=(1, 2)), lib.nn.AdaptiveAvgPool2d((None, 2)), lib.nn.AdaptiveMaxPool2d((3, None)), lib.nn.AdaptiveAvgPool2d(None),
    ][:5]  # fmt: skip
    return [outcome(layer, [x]) for layer in layers]


@scripts.gives([2, 2, (2,), (2,), (3, 3), 5, []])
def facts(lib):
    nn = lib.nn
    return [
        nn.MaxPool2d(2).stride, nn.AvgPool2d(2).kernel_size, nn.AvgPool1d(2).kernel_size, nn.AvgPool1d(2).stride, nn.MaxUnpool2d(3).stride, nn.AdaptiveAvgPool2d(5).output_size,
        list(nn.MaxPool2d(2).state_dict()),
    ]  # fmt: skip


@scripts.raises(RuntimeError, "greater than zero|not be zero")
def a_window_of_size_zero(lib):
    lib.nn.MaxPool2d(0)(lib.ones(1, 1, 4, 4))


test_script = scripts.test()
