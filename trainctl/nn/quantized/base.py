"""What quantized layers share: their grids, their weights as codes, and how codes go in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy

from trainctl.autograd.ops.cast import cast, check_tensor
from trainctl.autograd.ops.quantization import Codes, WithGrid, is_quantized
from trainctl.autograd.ops.quantized import DequantizeLinear, QuantizeLinear
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.affine import QParams
from trainctl.backend.quantized_dtypes import quint8
from trainctl.nn.modules.module import Module

_GRIDS = {
    "scale": dtypes.float64,
    "zero_point": dtypes.int64,
    "input_scale": dtypes.float64,
    "input_zero_point": dtypes.int64,
}


_ZERO_POINTS = {"scale": "zero_point", "input_scale": "input_zero_point"}


def _grid_field(name: str) -> Any:
    def read(self: QuantizedModule) -> Any:
        found = self._buffers[name]
        return None if found is None else found._array.item()

    return property(read, doc=f"The ``{name}``: a number, None where there is no such grid.")


class QuantizedModule(Module):
    """A layer that gives codes; one that is handed float numbers gives back float numbers.

    Attributes:
        scale: the distance of neighbours on the output's grid; None: the output is float.
        zero_point: the code of 0 on it.
        input_scale: the same of the input's grid, which a float input is put on; None: not known.
        input_zero_point: the code of 0 on that.
    """

    scale: Any = _grid_field("scale")
    zero_point: Any = _grid_field("zero_point")
    input_scale: Any = _grid_field("input_scale")
    input_zero_point: Any = _grid_field("input_zero_point")

    channel_axis: ClassVar[int] = 0  # the dim of weights along which they may have grids of their own

    def _start(self) -> None:
        super()._start()
        self._buffers.update(dict.fromkeys(_GRIDS))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _GRIDS:
            kept = None if value is None else numpy.asarray(float(value), _GRIDS[name].array_dtype)
            self._buffers[name] = None if kept is None else Tensor._wrap(kept)
            if name.endswith("scale") and (value is None) is not (self._buffers[_ZERO_POINTS[name]] is None):
                setattr(self, _ZERO_POINTS[name], None if value is None else 0)  # both, or none
        else:
            super().__setattr__(name, value)

    @property
    def output_grid(self) -> QParams | None:
        """The grid of the output."""
        return None if self.scale is None else QParams(self.scale, self.zero_point)

    @property
    def input_grid(self) -> QParams | None:
        """The grid that a float input is put on."""
        return None if self.input_scale is None else QParams(self.input_scale, self.input_zero_point)

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    def _codes(self, input: Tensor) -> tuple[Tensor, QParams]:
        """Return the input's codes and their grid.

        Raises:
            NotImplementedError: a float input, and no grid is known for it.
        """
        check_tensor(self._get_name(), input, "input")
        if is_quantized(input):
            return Codes.apply(input), input._array.qparams
        grid = self.input_grid
        if grid is None:
            raise NotImplementedError(
                f"Could not run {self._get_name()} with arguments from the 'CPU' backend: it was given a tensor of "
                f"{input.dtype}, and knows no grid for it. Put a QuantStub (Quantize) in front of it, or set its "
                "input_scale and input_zero_point."
            )
        return QuantizeLinear.apply(cast(input, dtypes.float32), qparams=grid), grid

    def _result(self, y: Tensor, like: Tensor) -> Tensor:
        """Return codes of the output's grid as the kind of tensor that the input was; float numbers as they are."""
        grid = self.output_grid
        if grid is None:
            return y
        if is_quantized(like):
            return WithGrid.apply(y, kind=quint8, scale=self.scale, zero_point=self.zero_point)
        return DequantizeLinear.apply(y, qparams=grid)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move what is there; codes and grids keep their types."""
        kept = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, before in kept.items():
            after = self._buffers[name]
            if before is not None and after is not None and after.dtype is not before.dtype:
                self._buffers[name] = before
        return self

    # -- state ----------------------------------------------------------------------------------------

    def _takes(self, name: str, given: Tensor) -> bool:
        """Return whether a tensor of a ``state_dict`` may stand for a buffer of another shape, or for none."""
        if name in _GRIDS:
            return given.numel() == 1
        codes = self._buffers.get(name.removesuffix("_scale").removesuffix("_zero_point") + "_codes")
        return codes is not None and given.shape in ((), (codes.shape[self.channel_axis],))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """As the base class's, but that grids come and go with the ``state_dict``."""
        rest, taken = dict(state_dict), set()
        for key, given in state_dict.items():
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and isinstance(given, Tensor) and self._takes(name, given):
                local_metadata["copies"].append((_Adopting(self), name, rest.pop(key)))
                taken.add(key)
        own_missing: list[str] = []
        super()._load_from_state_dict(rest, prefix, local_metadata, strict, own_missing, unexpected_keys, error_msgs)
        missing_keys += [key for key in own_missing if key not in taken]


class _Adopting(dict[str, Any]):
    """A table of buffers in which what is loaded takes the place of what was there, whatever its shape."""

    requires_grad = False

    def __init__(self, module: QuantizedModule) -> None:
        super().__init__()
        self.module, self.name = module, ""

    def __getitem__(self, name: str) -> Any:
        self.name = name
        return self

    def copy_(self, given: Tensor) -> None:
        """Take a tensor's elements over."""
        self[self.name] = given.detach().clone()

    def __setitem__(self, name: str, given: Tensor) -> None:
        if name in _GRIDS:
            setattr(self.module, name, given._array.item())
        else:
            own = self.module._buffers[name]
            self.module._buffers[name] = given if own is None else cast(given, own.dtype)
