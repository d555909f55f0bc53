"""Layers whose weights are kept as codes of few bits, and which compute in floating point with what the codes stand for.

Each is its float layer, except that a weight is no parameter: the ``state_dict`` holds its packed codes, scales and zero
points, and the attribute is made from them. So compiled plans, exports and gradients of the input are the float layer's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from trainctl import nn
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.tensor import Tensor
from trainctl.backend.weight_groups import GroupedWeight, GroupFormat, pack, quantize_groups, unpack
from trainctl.nn.uninitialized import is_lazy

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_ONE_WEIGHT = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Embedding, nn.EmbeddingBag)
_ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


def weight_names(module: nn.Module) -> tuple[str, ...]:
    """Return the parameters of a layer that can be kept in few bits; those of layers below it are theirs.

    Example:
        >>> weight_names(nn.LSTM(3, 4))
        ('weight_ih_l0', 'weight_hh_l0')
    """
    if isinstance(module, WeightOnly):
        return ()
    if isinstance(module, _ONE_WEIGHT):
        return ("weight",)
    if isinstance(module, nn.MultiheadAttention):
        return tuple(name for name in _ATTENTION if getattr(module, name) is not None)
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        return tuple(name for name, _ in module.named_parameters(recurse=False) if name.startswith("weight_"))
    return ()


def as_rows(module: nn.Module, weight: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Return a layer's weight as ``[O, K]``: a row for each output (or index, or gate), along the input.

    Example:
        >>> as_rows(nn.ConvTranspose2d(2, 3, 5), numpy.zeros((2, 3, 5, 5))).shape
        (3, 50)
    """
    if not isinstance(module, _TRANSPOSED):
        return weight.reshape(len(weight), int(numpy.prod(weight.shape[1:])))
    parts = _in_groups(module, weight.shape)
    return weight.reshape(parts).swapaxes(1, 2).reshape(module.out_channels, -1 if weight.size else parts[1])


def from_rows(module: nn.Module, rows: numpy.ndarray[Any, Any], shape: tuple[int, ...]) -> numpy.ndarray[Any, Any]:
    """Return rows as the weight, of a shape, that :func:`as_rows` made them of."""
    if not isinstance(module, _TRANSPOSED):
        return rows.reshape(shape)
    groups, inputs, outputs, *kernel = _in_groups(module, shape)
    return numpy.ascontiguousarray(rows.reshape(groups, outputs, inputs, *kernel).swapaxes(1, 2)).reshape(shape)


def _in_groups(module: nn.Module, shape: tuple[int, ...]) -> list[int]:
    groups: int = module.groups
    return [groups, shape[0] // groups, *shape[1:]]


class WeightOnly(nn.Module):
    """What the layers below share.

    Attributes:
        form: how their weights are kept.
        kept: the names of these weights. For each there are buffers ``NAME_codes`` (uint8, packed; int8 or uint8 in the
            weight's shape at 8 bits), ``NAME_scale`` (``[O, groups]``) and, unless symmetric, ``NAME_zero_point``
            (uint8, packed likewise).
    """

    form: GroupFormat
    kept: tuple[str, ...]
    _buffers: Any  # those named above are there
    _parameters: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(f"{type(self).__name__} is made of a float layer: {type(self).__name__}.from_float(layer)")

    @classmethod
    def from_float(
        cls, mod: nn.Module, form: GroupFormat | None = None, given: Mapping[str, GroupedWeight] | None = None
    ) -> Any:
        """Return a float layer with its weights in few bits; it shares what else it has with the layer.

        Args:
            mod: the layer.
            form: how to keep them; default: 4 bits, in groups of 32.
            given: the codes of weights by name, where they are not to be the nearest; all have one format, which is taken.

        Raises:
            ValueError: a weight is not finite, or not initialized yet.
        """
        found = dict(given or {})
        for name in weight_names(mod):
            if name not in found:
                found[name] = quantize_groups(as_rows(mod, float_weight(mod, name)), form or GroupFormat())
        wide = any(each.form.scale_dtype == "float32" for each in found.values())
        form = next((each.form for each in found.values()), form or GroupFormat())
        if wide and form.scale_dtype != "float32":
            form = GroupFormat(form.bits, form.group_size, form.symmetric, "float32")
        made = cls.empty(mod, form)
        for name, grouped in found.items():
            made._keep(name, grouped)
        return made

    @classmethod
    def empty(cls, mod: nn.Module, form: GroupFormat) -> Any:
        """Return a float layer with room for its weights in few bits, to be loaded: they are 0."""
        made = cls.__new__(cls)
        for key, value in mod.__dict__.items():
            made.__dict__[key] = value.copy() if isinstance(value, (dict, set)) else value
        made.form, made.kept = form, weight_names(mod)
        for name in made.kept:
            made._make_room(name, made._parameters.pop(name))
        return made

    def _make_room(self, name: str, weight: Tensor) -> None:
        if is_lazy(weight):
            raise ValueError(f"{name} is not initialized yet: call the model with a batch first")
        shape = tuple(weight.shape)
        outputs, inputs = as_rows(self, numpy.empty(shape, numpy.bool_)).shape
        size = (outputs, self.form.groups(inputs))
        self.register_buffer(name, weight.detach().clone().zero_(), persistent=False)
        buffers = {"codes": self._stored(numpy.zeros(shape, self._code_dtype))}
        buffers["scale"] = numpy.ones(size, self.form.scale_dtype)
        if not self.form.symmetric:
            buffers["zero_point"] = self._stored(numpy.zeros(size, numpy.uint8))
        for part, array in buffers.items():
            self.register_buffer(f"{name}_{part}", from_numpy(array).to(weight.device))

    @property
    def _code_dtype(self) -> Any:
        return numpy.int8 if self.form.symmetric else numpy.uint8

    def _stored(self, codes: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        return codes if self.form.bits == 8 else pack(codes, self.form.bits)

    def _keep(self, name: str, grouped: GroupedWeight) -> None:
        """Fill the room of a weight."""
        shape = tuple(self._buffers[name].shape)
        self._put(f"{name}_codes", self._stored(from_rows(self, grouped.codes, shape)))
        self._put(f"{name}_scale", grouped.scale)
        if grouped.zero_point is not None:
            self._put(f"{name}_zero_point", self._stored(grouped.zero_point))
        self._put(name, from_rows(self, grouped.dequantize(), shape))

    def _put(self, name: str, array: numpy.ndarray[Any, Any]) -> None:
        self._buffers[name].copy_(from_numpy(numpy.ascontiguousarray(array)))

    def grouped(self, name: str = "weight") -> GroupedWeight:
        """Return a weight's codes, scales and zero points.

        Example:
            >>> layer = WeightOnlyLinear.from_float(nn.Linear(40, 2))
            >>> layer.grouped().codes.shape, layer.grouped().scale.shape
            ((2, 40), (2, 2))
        """
        return self._grouped(name, self._buffers)

    def _grouped(self, name: str, buffers: Mapping[str, Any]) -> GroupedWeight:
        codes, scale, zero_point = (buffers.get(f"{name}_{part}") for part in ("codes", "scale", "zero_point"))
        weight = as_rows(self, self._read(codes, tuple(self._buffers[name].shape), self.form.symmetric))
        kept = scale.cpu().numpy().astype(self.form.scale_dtype)  # type: ignore[union-attr]  # always there
        points = None if zero_point is None else self._read(zero_point, kept.shape, False)
        return GroupedWeight(weight, kept, points, self.form)

    def _read(self, stored: Any, shape: tuple[int, ...], signed: bool) -> numpy.ndarray[Any, Any]:
        array: numpy.ndarray[Any, Any] = stored.cpu().numpy()
        return array if self.form.bits == 8 else unpack(array, self.form.bits, shape, signed)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        """Note what is to be copied, the weights that the codes stand for too."""
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        copies = {name: tensor for table, name, tensor in local_metadata["copies"] if table is self._buffers}
        buffers = {**self._buffers, **copies}
        for name in self.kept if copies else ():
            weight = self._buffers[name]
            made = from_rows(self, self._grouped(name, buffers).dequantize(), tuple(weight.shape))
            tensor = from_numpy(made).to(weight.device, weight.dtype)
            local_metadata["copies"].append((self._buffers, name, tensor))

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Convert the layer; scales move, but stay in their precision."""
        before = {f"{name}_scale": self._buffers[f"{name}_scale"] for name in self.kept}
        super()._apply(fn, recurse)
        for name, scale in before.items():
            self._buffers[name] = scale.to(self._buffers[name].device)
        return self

    def extra_repr(self) -> str:
        """Return the layer's line, with how its weights are kept."""
        parts = [super().extra_repr(), f"bits={self.form.bits}, group_size={self.form.group_size}"]
        return ", ".join(part for part in parts if part)


def float_weight(module: nn.Module, name: str) -> numpy.ndarray[Any, Any]:
    """Return a weight as float32.

    Raises:
        ValueError: it is not initialized yet.
    """
    weight = getattr(module, name)
    if is_lazy(weight):
        raise ValueError(f"{name} is not initialized yet: call the model with a batch first")
    return weight.detach().float().cpu().numpy()


class WeightOnlyLinear(WeightOnly, nn.Linear):
    """:class:`trainctl.nn.Linear` with weights in few bits."""


class WeightOnlyConv1d(WeightOnly, nn.Conv1d):
    """:class:`trainctl.nn.Conv1d` with weights in few bits."""


class WeightOnlyConv2d(WeightOnly, nn.Conv2d):
    """:class:`trainctl.nn.Conv2d` with weights in few bits."""


class WeightOnlyConv3d(WeightOnly, nn.Conv3d):
    """:class:`trainctl.nn.Conv3d` with weights in few bits."""


class WeightOnlyConvTranspose1d(WeightOnly, nn.ConvTranspose1d):
    """:class:`trainctl.nn.ConvTranspose1d` with weights in few bits."""


class WeightOnlyConvTranspose2d(WeightOnly, nn.ConvTranspose2d):
    """:class:`trainctl.nn.ConvTranspose2d` with weights in few bits."""


class WeightOnlyConvTranspose3d(WeightOnly, nn.ConvTranspose3d):
    """:class:`trainctl.nn.ConvTranspose3d` with weights in few bits."""


class WeightOnlyEmbedding(WeightOnly, nn.Embedding):
    """:class:`trainctl.nn.Embedding` with weights in few bits."""


class WeightOnlyEmbeddingBag(WeightOnly, nn.EmbeddingBag):
    """:class:`trainctl.nn.EmbeddingBag` with weights in few bits."""


class WeightOnlyRNN(WeightOnly, nn.RNN):
    """:class:`trainctl.nn.RNN` with weights in few bits."""


class WeightOnlyLSTM(WeightOnly, nn.LSTM):
    """:class:`trainctl.nn.LSTM` with weights in few bits."""


class WeightOnlyGRU(WeightOnly, nn.GRU):
    """:class:`trainctl.nn.GRU` with weights in few bits."""


class WeightOnlyRNNCell(WeightOnly, nn.RNNCell):
    """:class:`trainctl.nn.RNNCell` with weights in few bits."""


class WeightOnlyLSTMCell(WeightOnly, nn.LSTMCell):
    """:class:`trainctl.nn.LSTMCell` with weights in few bits."""


class WeightOnlyGRUCell(WeightOnly, nn.GRUCell):
    """:class:`trainctl.nn.GRUCell` with weights in few bits."""


class WeightOnlyMultiheadAttention(WeightOnly, nn.MultiheadAttention):
    """:class:`trainctl.nn.MultiheadAttention` with weights in few bits."""


_CLASSES: dict[Any, type[WeightOnly]] = {made.__bases__[1]: made for made in WeightOnly.__subclasses__()}


def class_of(kind: type[nn.Module]) -> type[WeightOnly]:
    """Return the class of layers with weights in few bits for a class of float layers; subclasses get one of their own.

    Example:
        >>> class_of(nn.Linear).__name__
        'WeightOnlyLinear'
    """
    if kind not in _CLASSES:
        words = {"__doc__": f"{kind.__name__} with weights in few bits."}
        _CLASSES[kind] = type(f"WeightOnly{kind.__name__}", (WeightOnly, kind), words)
    return _CLASSES[kind]
