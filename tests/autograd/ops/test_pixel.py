"""Space traded for channels, against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("pixel_shuffle", [
        case(A(1, 8, 2, 3), 2), case(A(9, 2, 2), 3), case(A(2, 3, 4, 1, 2), 2), case(A(1, 2, 3, 3), 1), case(A(1, 4, 2, 2, dtype="int64", low=0, high=99), 2), case(A(2, 4, 3, 3, layout="T"), 2),
        case(A(1, 4, 2, 2, layout="step"), upscale_factor=2), case(A(1, 4, 2, 2, dtype="complex64"), 2),
    ]),
    Row("nn.functional.pixel_unshuffle", [
        case(A(1, 2, 4, 6), 2), case(A(1, 3, 6), 3), case(A(2, 3, 1, 2, 4), 2), case(A(1, 2, 3, 3), 1), case(A(1, 2, 4, 4, dtype="bool"), 2), case(A(2, 2, 4, 4, layout="T"), 2), case(A(1, 1, 4, 4), downscale_factor=4),
    ]),
    Row("channel_shuffle", [case(A(1, 6, 2, 2), 3), case(A(2, 4, 3), 2), case(A(1, 6, 2, 1, 2), 6), case(A(2, 3, 2), 1), case(A(0, 4, 2), 2), case(A(2, 4, 3, layout="T"), groups=2), case(A(1, 4, 2, dtype="int64", low=0, high=99), 4)]),
    Row("pixels of nothing", [case(A(0, 4, 2, 2), 2), case(A(1, 4, 0, 2), 2)], grad=False, call=lambda lib, *args: lib.pixel_shuffle(*args)),
    Row("channels of nothing", [case(A(0, 2, 4, 4), 2), case(A(1, 0, 4, 4), 2)], grad=False, call=lambda lib, *args: lib.pixel_unshuffle(*args)),
    Row("nn.functional.pixel_shuffle", [case(A(1, 8, 2, 3), 2)]),
    Row("nn.functional.channel_shuffle", [case(A(1, 6, 2, 2), 3)]),
]  # fmt: skip

REFUSALS = [
    Refusal("pixel_shuffle", case(A(2, 2), 2), RuntimeError, "at least 3 dimensions, but got input with 2"),
    Refusal("pixel_shuffle", case(A(1, 7, 2, 2), 2), RuntimeError, r"size\(-3\)=7 is not divisible by 4"),
    Refusal("pixel_shuffle", case(A(1, 8, 2, 2), 0), RuntimeError, "positive upscale_factor, but got 0"),
    Refusal("pixel_shuffle", case(A(1, 8, 2, 2), 2.0), TypeError, "must be int, not float"),
    Refusal("pixel_unshuffle", case(A(1, 2, 5, 4), 2), RuntimeError, r"height.*size\(-2\)=5 is not divisible by 2"),
    Refusal("pixel_unshuffle", case(A(1, 2, 4, 5), 2), RuntimeError, r"width.*size\(-1\)=5 is not divisible by 2"),
    Refusal("pixel_unshuffle", case(A(1, 2, 4, 4), -1), RuntimeError, "positive downscale_factor, but got -1"),
    Refusal("channel_shuffle", case(A(6, 2), 3), RuntimeError, r"> 2 dims.*\[6, 2\]"),
    Refusal("channel_shuffle", case(A(1, 6, 2), 4), RuntimeError, "6 channels and 4 groups"),
    Refusal("channel_shuffle", case(A(1, 6, 2), 0), RuntimeError, "positive. Value of groups:0"),
]

test_values, test_gradient, test_refusal = table("pixel", ROWS, REFUSALS)
