"""Convolution layers."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled, outcome
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()


@scripts.gives([[[[8.0, 12.0], [20.0, 24.0]]]])
def a_window_of_ones(lib):
    layer = lib.nn.Conv2d(1, 1, 2, bias=False)
    with lib.no_grad():
        layer.weight.fill_(1.0)
    return layer(lib.arange(9.0).reshape(1, 1, 3, 3))


@scripts.gives(
    [
        "Conv1d(1, 2, kernel_size=(3,), stride=(1,))",
        "Conv2d(2, 4, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False)",
        "Conv2d(1, 1, kernel_size=(3, 3), stride=(1, 1), padding=same)",
        "Conv3d(1, 1, kernel_size=(1, 2, 3), stride=(1, 2, 1), padding=(0, 1, 0))",
    ]
)
def texts(lib):
    return [
        repr(lib.nn.Conv1d(1, 2, 3)),
        repr(lib.nn.Conv2d(2, 4, (3, 5), stride=2, padding=1, dilation=2, groups=2, bias=False)),
        repr(lib.nn.Conv2d(1, 1, 3, padding="same")),
        repr(lib.nn.Conv3d(1, 1, (1, 2, 3), stride=(1, 2, 1), padding=(0, 1, 0))),
    ]


@scripts.gives(([6, 2, 3, 3], [6], ["weight", "bias"], (3, 3), (1, 1), "lib.float64"))
def facts(lib):
    layer = lib.nn.Conv2d(4, 6, 3, groups=2, dtype=lib.float64)
    return (
        layer.weight.shape,
        layer.bias.shape,
        list(layer.state_dict()),
        layer.kernel_size,
        layer.stride,
        layer.weight.dtype,
    )


@scripts.raises(ValueError, "in_channels must be divisible by groups")
def inputs_that_groups_do_not_divide(lib):
    lib.nn.Conv2d(3, 4, 1, groups=2)


@scripts.raises(ValueError, "out_channels must be divisible by groups")
def outputs_that_groups_do_not_divide(lib):
    lib.nn.Conv2d(4, 3, 1, groups=2)


@scripts.raises(ValueError, "groups must be a positive integer")
def no_groups(lib):
    lib.nn.Conv2d(4, 4, 1, groups=0)


@scripts.raises(ValueError, "Invalid padding string 'half'")
def an_unknown_padding(lib):
    lib.nn.Conv2d(1, 1, 1, padding="half")


@scripts.raises(ValueError, "padding='same' is not supported for strided convolutions")
def same_padding_with_a_stride(lib):
    lib.nn.Conv2d(1, 1, 3, stride=2, padding="same")


@scripts.raises(ValueError, "padding_mode must be")
def an_unknown_padding_mode(lib):
    lib.nn.Conv2d(1, 1, 1, padding_mode="mirror")


@scripts.raises(RuntimeError, "to have 3 channels, but got 2 channels")
def an_input_with_other_channels(lib):
    lib.nn.Conv2d(3, 4, 1)(lib.ones(1, 2, 4, 4))


@scripts.raises(
    RuntimeError, r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d.* but got input of size: \[2, 2\]"
)
def an_input_with_too_few_dims(lib):
    lib.nn.Conv2d(3, 4, 1)(lib.ones(2, 2))


@scripts.raises(RuntimeError, "Kernel size can't be greater than actual input size")
def a_kernel_larger_than_the_input(lib):
    lib.nn.Conv2d(1, 1, 5)(lib.ones(1, 1, 4, 4))


SHAPES = {1: (2, 4, 7), 2: (2, 4, 7, 6), 3: (1, 4, 5, 4, 6)}  # what a kernel of 3, dilated, just fits
BOTH = [
    {},
    {"stride": 2},
    {"padding": 1},
    {"dilation": 2},
    {"groups": 2},
    {"bias": False},
    {"stride": 2, "padding": 1, "groups": 4, "bias": False},
]
PLAIN = [
    *BOTH,
    {"padding": "same", "dilation": 2},
    {"padding": "valid"},
    *(
        {"padding_mode": mode, **options}
        for mode in ("reflect", "replicate", "circular")
        for options in (
            {"padding": 2},
            {"padding": "same", "dilation": 2},
            {"padding": "valid"},
            {"stride": 2, "padding": 1},
        )
    ),
]
TRANSPOSED = [*BOTH, {"stride": 2, "output_padding": 1}, {"dilation": 3, "output_padding": 2}]

for _dims, _shape in SHAPES.items():
    for _options in PLAIN:

        @scripts.agrees(rtol=1e-9, atol=1e-12)
        def plain(lib, dims=_dims, shape=_shape, options=_options):
            module = filled(getattr(lib.nn, f"Conv{dims}d")(4, 8, 3 if dims < 3 else (2, 1, 3), **options), lib)
            return outcome(module, [drawn(lib, *shape)])

    for _options in TRANSPOSED:

        @scripts.agrees(rtol=1e-9, atol=1e-12)
        def transposed(lib, dims=_dims, shape=_shape, options=_options):
            module = filled(
                getattr(lib.nn, f"ConvTranspose{dims}d")(4, 8, 3 if dims < 3 else (2, 1, 3), **options), lib
            )
            return outcome(module, [drawn(lib, *shape)])

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def an_output_size_that_is_asked_for(lib, dims=_dims, shape=_shape):
        module = filled(getattr(lib.nn, f"ConvTranspose{dims}d")(4, 2, 3, stride=3, padding=1), lib)
        sizes = [3 * size - 2 + more for size, more in zip(shape[2:], (0, 1, 2), strict=False)]
        single = module(drawn(lib, *shape[1:]), sizes)
        return [
            *outcome(module, [drawn(lib, *shape)], output_size=sizes),
            single,
            module(drawn(lib, *shape), output_size=[1, 2, *sizes]).shape,
        ]


@scripts.gives([(2, 1), "lib.float32", [3, 2, 2, 2], [4], (1, 0), True])
def facts_of_a_transposed_one(lib):
    layer = lib.nn.ConvTranspose2d(3, 4, 2, stride=(2, 1), output_padding=(1, 0), groups=1 + 0)
    half = lib.nn.ConvTranspose2d(3, 2, 2)
    return [
        layer.stride,
        half.weight.dtype,
        half.weight.shape,
        layer.bias.shape,
        layer.output_padding,
        layer.transposed,
    ]


@scripts.raises(ValueError, r"an output size of \[4\]|valid sizes range from \[5\] to \[6\]")
def an_output_size_that_cannot_be(lib):
    lib.nn.ConvTranspose1d(1, 1, 1, stride=2)(lib.ones(1, 1, 3), output_size=[4])


@scripts.raises(ValueError, "must have 1 or 3 elements .got 2")
def an_output_size_of_other_dims(lib):
    lib.nn.ConvTranspose1d(1, 1, 1, stride=2)(lib.ones(1, 1, 3), output_size=[4, 4])


@scripts.raises(ValueError, 'Only "zeros" padding mode is supported for ConvTranspose2d')
def a_transposed_one_that_reflects(lib):
    lib.nn.ConvTranspose2d(1, 1, 1, padding_mode="reflect")


test_script = scripts.test()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(8, 500, 5),
        nn.Conv2d(4, 500, (3, 2)),
        nn.Conv2d(8, 500, 3, groups=4),
        nn.Conv3d(2, 400, 2),
        nn.ConvTranspose2d(8, 500, 3),
    ],
)
def test_initial_weights_are_uniform_within_pytorch_s_bounds(layer):
    trainctl.manual_seed(0)
    layer.reset_parameters()
    bound = layer.weight[0].numel() ** -0.5
    for values in (layer.weight.detach().numpy().ravel(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.98 * bound
        assert np.std(values) == pytest.approx(bound / 3**0.5, rel=0.08)


def test_an_image_without_a_batch():
    layer = nn.Conv2d(3, 5, 3)
    image = trainctl.rand(3, 6, 6)
    assert layer(image).shape == (5, 4, 4)
    np.testing.assert_allclose(layer(image).detach().numpy(), layer(image[None])[0].detach().numpy(), rtol=1e-6)
