"""Layers that resize, fold and shuffle, against PyTorch."""

from __future__ import annotations

from tests.nn.modules.parity import drawn, outcome
from tests.scripts import Scripts

scripts = Scripts()

ROWS = [
    ("Upsample", {"size": 7}, (1, 2, 4)), ("Upsample", {"scale_factor": 2, "mode": "linear"}, (1, 2, 4)), ("Upsample", {"size": (3, 9)}, (2, 2, 4, 5)), ("Upsample", {"scale_factor": (1.5, 2)}, (2, 2, 4, 5)),
    ("Upsample", {"scale_factor": 2.5, "mode": "bilinear", "align_corners": True}, (2, 2, 4, 5)), ("Upsample", {"scale_factor": 1.7, "mode": "bicubic", "recompute_scale_factor": True}, (2, 2, 4, 5)),
    ("Upsample", {"size": 4, "mode": "trilinear"}, (1, 1, 2, 3, 4)), ("Upsample", {"size": 4, "mode": "nearest-exact"}, (1, 1, 2, 3, 4)), ("Upsample", {"scale_factor": 0.5, "mode": "area"}, (1, 1, 4, 4)),
    ("UpsamplingNearest2d", {"scale_factor": 2}, (1, 2, 3, 3)), ("UpsamplingBilinear2d", {"size": (5, 4)}, (1, 2, 3, 3)),
    ("Fold", {"output_size": (4, 5), "kernel_size": (2, 3)}, (2, 12, 9)), ("Fold", {"output_size": 4, "kernel_size": 2, "stride": 2, "padding": 1}, (1, 4, 9)), ("Unfold", {"kernel_size": (2, 3)}, (2, 3, 4, 5)),
    ("Unfold", {"kernel_size": 2, "dilation": 2, "padding": 1, "stride": 2}, (3, 4, 5)), ("PixelShuffle", {"upscale_factor": 2}, (2, 8, 3, 3)), ("PixelUnshuffle", {"downscale_factor": 2}, (2, 2, 4, 6)),
    ("ChannelShuffle", {"groups": 3}, (2, 6, 2, 2)), ("LocalResponseNorm", {"size": 3, "alpha": 0.5}, (2, 5, 3, 2)), ("LocalResponseNorm", {"size": 2, "beta": 2.0, "k": 2.0}, (2, 5, 3)),
]  # fmt: skip

for _name, _options, _shape in ROWS:

    @scripts.agrees(rtol=1e-6, atol=1e-9)
    def a_batch(lib, name=_name, options=_options, shape=_shape):
        return outcome(getattr(lib.nn, name)(**options), [drawn(lib, *shape)])


@scripts.gives([(1.5, 2.0), 2.0, "nearest", None])
def facts(lib):
    pair, one = lib.nn.Upsample(scale_factor=(1.5, 2)), lib.nn.Upsample(scale_factor=2)
    return [pair.scale_factor, one.scale_factor, one.mode, one.size]


test_script = scripts.test()
