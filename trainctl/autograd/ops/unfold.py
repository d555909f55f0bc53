"""Windows of an image as columns, and columns added back into an image."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.shape import squeeze, unsqueeze
from trainctl.autograd.ops.windows import (
    Sizes,
    add_windows,
    as_sizes,
    inside,
    output_size,
    pad_spatial,
    widened,
    windows,
    without,
)
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = "unfold fold"


class Unfold(Op):
    """``[N, C, H, W] -> [N, C * kernel, places]``."""

    moves_elements = True
    kernel: Sizes
    dilation: Sizes
    padding: Sizes
    stride: Sizes

    def forward(self, x: Any, out: Any = None) -> Any:
        self.spatial = x.shape[2:]
        seen = windows(self.xp, pad_spatial(self.xp, x, self.padding), self.kernel, self.stride, self.dilation)
        columns = seen.reshape(x.shape[0], x.shape[1] * math.prod(self.kernel), math.prod(seen.shape[4:]))
        return columns if out is None else self.xp.copyto(out, columns) or out

    def backward(self, gy: Tensor) -> Any:
        return Fold.apply(gy, **self.params, spatial=self.spatial)


class Fold(Unfold):
    """``[N, C * kernel, places] -> [N, C, *spatial]``: what stands at one place is added up."""

    moves_elements = False
    spatial: Sizes

    def forward(self, columns: Any, out: Any = None) -> Any:
        xp = self.xp
        places = map(output_size, self.spatial, self.kernel, self.stride, self.padding, self.dilation)
        channels = columns.shape[1] // math.prod(self.kernel)
        seen = columns.reshape(columns.shape[0], channels, *self.kernel, *places)
        padded = (size + 2 * p for size, p in zip(self.spatial, self.padding, strict=True))
        image = xp.zeros((columns.shape[0], channels, *padded), columns.dtype)
        add_windows(seen, image, self.stride, self.dilation)
        image = xp.ascontiguousarray(image[inside(self.spatial, self.padding)])
        return image if out is None else xp.copyto(out, image) or out

    def backward(self, ggx: Tensor) -> Any:
        return Unfold.apply(ggx, **without(self.params, "spatial"))


def _options(op: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict[str, Sizes]:
    """Return the options as a pair each.

    Raises:
        RuntimeError: one is out of range or no pair.
    """
    options = {"kernel": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    for name, value in options.items():
        if isinstance(value, (tuple, list)) and len(value) != 2:
            raise RuntimeError(f"{op}: It is expected {name} equals to 2 sizes, but got size {len(value)}")
        options[name] = as_sizes(value, 2, name)
        if min(options[name]) < (name != "padding"):
            limit = "non-negative" if name == "padding" else "greater than zero"
            raise RuntimeError(f"{op}: {name} should be {limit}, but got {list(options[name])}")
    return options


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Return what a window sees at each place as a column: ``[N, C, H, W] -> [N, C * kh * kw, places]``.

    Args:
        input: one image ``[C, H, W]`` or a batch.
        kernel_size: of the window, an int or two.
        dilation: step between the window's elements, likewise.
        padding: zeros on both sides, likewise.
        stride: step of the window, likewise.

    Raises:
        RuntimeError: shapes or options that do not fit.

    Example:
        >>> import trainctl
        >>> unfold(trainctl.arange(6.0).reshape(1, 1, 2, 3), 2)
        tensor([[[0., 1.],
                 [1., 2.],
                 [3., 4.],
                 [4., 5.]]])
    """
    check_tensor("unfold", input, "input")
    options = _options("unfold", kernel_size, dilation, padding, stride)
    shape = input._array.shape
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(shape)}"
        )
    refuse("ui", "unfold", input)
    if min(_places(shape[-2:], options)) < 1:
        raise RuntimeError(
            f"Given input with spatial size {shape[-2:]} and {options}, calculated shape of the array of sliding blocks "
            f"as {_places(shape[-2:], options)}, but its components must be at least one."
        )
    x = input if len(shape) == 4 else unsqueeze(input, 0)
    columns = Unfold.apply(x, **options)
    return columns if len(shape) == 4 else squeeze(columns, 0)


def _places(spatial: Sizes, options: dict[str, Sizes]) -> Sizes:
    return tuple(
        map(output_size, spatial, options["kernel"], options["stride"], options["padding"], options["dilation"])
    )


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Return columns added up to an image: ``[N, C * kh * kw, places] -> [N, C, *output_size]``.

    Args:
        input: the columns, one image's ``[C * kh * kw, places]`` or a batch's.
        output_size: height and width, an int or two.
        kernel_size: of the window that saw the columns, likewise; the others as for :func:`unfold`.
        dilation: step between the window's elements.
        padding: what is cut off on both sides.
        stride: step of the window.

    Raises:
        RuntimeError: shapes or options that do not fit.

    Example:
        >>> import trainctl
        >>> fold(trainctl.ones(1, 4, 2), (2, 3), 2)
        tensor([[[[1., 2., 1.],
                  [1., 2., 1.]]]])
    """
    check_tensor("fold", input, "input")
    options = _options("fold", kernel_size, dilation, padding, stride)
    if isinstance(output_size, (tuple, list)) and len(output_size) != 2:
        raise RuntimeError(f"fold: It is expected output_size equals to 2 sizes, but got size {len(output_size)}")
    spatial, shape = as_sizes(output_size, 2, "output_size"), input._array.shape
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, "
            f"but got: {list(shape)}"
        )
    count = math.prod(options["kernel"])
    if shape[-2] % count:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input of shape {list(shape)} and kernel_size={options['kernel']}."
        )
    places = _places(spatial, options)
    if min(places) < 1 or math.prod(places) != shape[-1]:
        raise RuntimeError(
            f"Given output_size={spatial} and {options}, expected size of input's last dimension to match the calculated "
            f"number of sliding blocks {places[0]} * {places[1]} = {math.prod(places)}, but got {shape[-1]}."
        )
    refuse("ui", "fold", input)
    x = input if len(shape) == 3 else unsqueeze(input, 0)
    image = cast(Fold.apply(widened(x), **options, spatial=spatial), input.dtype)
    return image if len(shape) == 3 else squeeze(image, 0)
