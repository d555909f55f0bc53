"""Space traded for channels: compositions of views, so that their gradients need no rule of their own."""

from __future__ import annotations

from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.shape import clone, permute, reshape
from trainctl.autograd.tensor import Tensor

FUNCTIONS = FUNCTIONAL = "pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle=channel_shuffle"


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Return ``r * r`` channels as an image ``r`` times as large: ``[*, C * r * r, H, W] -> [*, C, H * r, W * r]``.

    See Shi et al., 2016, "Real-time single image and video super-resolution".

    Raises:
        RuntimeError: fewer than 3 dims, a factor that is not positive, channels that its square does not divide.

    Example:
        >>> import trainctl
        >>> pixel_shuffle(trainctl.arange(4.0).reshape(1, 4, 1, 1), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    batch, (channels, height, width) = _image("pixel_shuffle", input, upscale_factor, "upscale_factor")
    r = upscale_factor
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    split = reshape(input, (*batch, channels // (r * r), r, r, height, width))
    b = len(batch)
    return reshape(
        permute(split, (*range(b), b, b + 3, b + 1, b + 4, b + 2)), (*batch, channels // (r * r), height * r, width * r)
    )


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Undo :func:`pixel_shuffle`: ``[*, C, H * r, W * r] -> [*, C * r * r, H, W]``.

    Raises:
        RuntimeError: fewer than 3 dims, a factor that is not positive, height or width that it does not divide.

    Example:
        >>> import trainctl
        >>> pixel_unshuffle(trainctl.ones(1, 1, 4, 6), 2).shape
        trainctl.Size([1, 4, 2, 3])
    """
    batch, (channels, height, width) = _image("pixel_unshuffle", input, downscale_factor, "downscale_factor")
    r = downscale_factor
    for name, size, place in (("height", height, -2), ("width", width, -1)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but input.size({place})={size} is not divisible by {r}"
            )
    if input._array.size == 0:
        return clone(input)  # as PyTorch: of its own shape
    split = reshape(input, (*batch, channels, height // r, r, width // r, r))
    b = len(batch)
    return reshape(
        permute(split, (*range(b), b, b + 2, b + 4, b + 1, b + 3)), (*batch, channels * r * r, height // r, width // r)
    )


def _image(op: str, input: Tensor, factor: int, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the leading dims and (channels, height, width)."""
    check_tensor(op, input, "input")
    shape = input._array.shape
    if not isinstance(factor, int):
        raise TypeError(f"{op}(): argument '{name}' must be int, not {type(factor).__name__}")
    if len(shape) < 3:
        raise RuntimeError(
            f"{op} expects input to have at least 3 dimensions, but got input with {len(shape)} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{op} expects a positive {name}, but got {factor}")
    return shape[:-3], shape[-3:]


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Return the channels dealt out: the first of each group, then the second of each, ...: ``[N, C, *] -> [N, C, *]``.

    See Zhang et al., 2018, "ShuffleNet".

    Raises:
        RuntimeError: fewer than 3 dims, or groups that are not positive or do not divide the channels.

    Example:
        >>> import trainctl
        >>> channel_shuffle(trainctl.arange(4.0).reshape(1, 4, 1), 2).flatten()
        tensor([0., 2., 1., 3.])
    """
    check_tensor("channel_shuffle", input, "input")
    shape = input._array.shape
    if len(shape) < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups."
        )
    split = reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return reshape(permute(split, (0, 2, 1, *range(3, len(shape) + 1))), shape)
