"""Layers that learn the size of their input from the first batch they see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    PaddingMode,
    Size,
)
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.module import Module
from trainctl.nn.uninitialized import UninitializedParameter, is_lazy


class LazyModuleMixin:
    """What makes a module lazy: put it before the module's own class among the bases.

    ``initialize_parameters`` gets the first call's arguments and materialises the parameters; the object is of class
    ``cls_to_become`` from then on. Loading a ``state_dict`` gives the parameters their sizes, too.
    """

    cls_to_become: ClassVar[type[Module] | None] = None

    if TYPE_CHECKING:
        _parameters: dict[str, Any]
        _buffers: dict[str, Any]
        reset_parameters: Callable[[], None]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Learn the sizes, and run ``forward`` as the class that this has become.

        Raises:
            RuntimeError: ``initialize_parameters`` left a parameter without a size.
        """
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(f"module {type(self).__name__} has not been fully initialized")
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become  # type: ignore[assignment]  # a lazy Linear becomes a Linear
            return self(*args, **kwargs)
        call: Any = super()
        return call.__call__(*args, **kwargs)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their sizes; every lazy class writes its own."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Return whether a parameter or buffer is still without a size."""
        return any(is_lazy(each) for each in (*self._parameters.values(), *self._buffers.values()))


class LazyLinear(LazyModuleMixin, Linear):
    """:class:`Linear` with ``in_features`` from the first input.

    Args:
        out_features: size of the last dim of the output.
        bias: add one.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> import trainctl
        >>> layer = LazyLinear(3)
        >>> layer(trainctl.ones(2, 5)).shape, layer
        (trainctl.Size([2, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters, once they have a size."""
        if not self.has_uninitialized_params() and self.in_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take ``in_features`` from the input, or from weights that were loaded."""
        loaded = not self.has_uninitialized_params()
        self.in_features = self.weight.shape[-1] if loaded else input.shape[-1]
        if not loaded:
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()


class _LazyConv(LazyModuleMixin):
    """What lazy convolutions share; ``in_channels`` comes from the first input."""

    if TYPE_CHECKING:
        in_channels: int
        out_channels: int
        groups: int
        dims: ClassVar[int]
        transposed: ClassVar[bool]
        weight: Any
        bias: Any
        weight_shape: Callable[[], tuple[int, ...]]

    def _make_lazy(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters, once they have a size."""
        if not self.has_uninitialized_params() and self.in_channels:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take ``in_channels`` from the input, or from weights that were loaded.

        Raises:
            RuntimeError: an input of another number of dims.
            ValueError: channels that ``groups`` does not divide.
        """
        if not self.has_uninitialized_params():
            self.in_channels = self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups
            return
        if input.ndim not in (self.dims + 1, self.dims + 2):
            raise RuntimeError(
                f"Expected {self.dims + 1}D (unbatched) or {self.dims + 2}D (batched) input to {type(self).__name__}, "
                f"but got input of size: {list(input.shape)}"
            )
        self.in_channels = input.shape[-self.dims - 1]
        if self.in_channels % self.groups:
            raise ValueError(
                f"in_channels must be divisible by groups, got in_channels={self.in_channels} and groups={self.groups}"
            )
        self.weight.materialize(self.weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyPlainConv(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        start: Any = super().__init__
        start(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv1d(_LazyPlainConv, Conv1d):
    """:class:`Conv1d` with ``in_channels`` from the first input.

    Example:
        >>> import trainctl
        >>> LazyConv1d(8, 5)(trainctl.ones(2, 3, 16)).shape
        trainctl.Size([2, 8, 12])
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyPlainConv, Conv2d):
    """:class:`Conv2d` with ``in_channels`` from the first input; the other arguments are that class's.

    Example:
        >>> import trainctl
        >>> layer = LazyConv2d(8, 3)
        >>> layer(trainctl.ones(2, 1, 28, 28)).shape, layer
        (trainctl.Size([2, 8, 26, 26]), Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1)))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyPlainConv, Conv3d):
    """:class:`Conv3d` with ``in_channels`` from the first input.

    Example:
        >>> import trainctl
        >>> LazyConv3d(2, 3)(trainctl.ones(1, 1, 4, 5, 6)).shape
        trainctl.Size([1, 2, 2, 3, 4])
    """

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        start: Any = super().__init__
        start(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """:class:`ConvTranspose1d` with ``in_channels`` from the first input.

    Example:
        >>> import trainctl
        >>> LazyConvTranspose1d(8, 5)(trainctl.ones(2, 3, 16)).shape
        trainctl.Size([2, 8, 20])
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """:class:`ConvTranspose2d` with ``in_channels`` from the first input; the other arguments are that class's.

    Example:
        >>> import trainctl
        >>> LazyConvTranspose2d(1, 2, stride=2)(trainctl.ones(2, 8, 7, 7)).shape
        trainctl.Size([2, 1, 14, 14])
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """:class:`ConvTranspose3d` with ``in_channels`` from the first input.

    Example:
        >>> import trainctl
        >>> LazyConvTranspose3d(2, 3)(trainctl.ones(1, 1, 4, 5, 6)).shape
        trainctl.Size([1, 2, 6, 7, 8])
    """

    cls_to_become = ConvTranspose3d
