"""``quantize_inference`` and ``quantize_weight``: quantization-aware training in two calls, before an ordinary loop.

Both change a model in place, keep its parameters the same objects (an optimizer made before goes on with them), may be
called in either order, and do nothing to a layer that has been through them already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from trainctl import nn
from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.state import is_on
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import uint8
from trainctl.backend.quantized_dtypes import per_channel_symmetric, qint8, quint8
from trainctl.nn import qat as nnqat
from trainctl.nn.intrinsic import _FusedModule
from trainctl.nn.modules.module import Module
from trainctl.quantization.fake_quantize import FakeQuantize, default_embedding_fake_quant
from trainctl.quantization.observers import MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver
from trainctl.quantization.observing import attach, is_activation_post_process, is_attached, round_input
from trainctl.quantization.qconfig import QConfig

__all__ = ["quantize_inference", "quantize_weight"]

Types = Collection[type[Module]]

_ROUNDED: dict[type[Module], Any] = {
    nn.Linear: nnqat.Linear, nn.Conv1d: nnqat.Conv1d, nn.Conv2d: nnqat.Conv2d, nn.Conv3d: nnqat.Conv3d,
    nn.Embedding: nnqat.Embedding, nn.EmbeddingBag: nnqat.EmbeddingBag,
}  # fmt: skip
_FLOAT = {rounded: kind for kind, rounded in _ROUNDED.items()}
_TABLES = (nn.Embedding, nn.EmbeddingBag)


class TrainedRange(FakeQuantize):
    """Fake quantization whose range is that of training: once trained, evaluation rounds to it, and does not widen it.

    A model that is never trained is calibrated by what it evaluates.

    Arguments are those of :class:`trainctl.quantization.FakeQuantize`.

    Attributes:
        trained: of one element: whether a training batch has been seen.
    """

    trained: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register_buffer("trained", tensor([0], dtype=uint8))

    def forward(self, X: Tensor) -> Tensor:
        """Return ``X`` rounded."""
        if self.training:
            self.trained.fill_(1)
        elif is_on(self.trained):
            return self._on_grid(X) if is_on(self.fake_quant_enabled) else X
        return super().forward(X)


_ACTIVATION = TrainedRange.with_args(observer=MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=quint8)
_WEIGHT = FakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver, averaging_constant=1.0, quant_min=-127, quant_max=127, dtype=qint8,
    qscheme=per_channel_symmetric, ch_axis=0,
)  # fmt: skip
_QCONFIG = QConfig(activation=_ACTIVATION, weight=_WEIGHT)
_TABLE_QCONFIG = QConfig(activation=_ACTIVATION, weight=default_embedding_fake_quant)


def quantize_weight(net: Module, types: Types) -> None:
    """Have the weights of layers rounded whenever they are used: int8, a range for each output channel.

    The weights are trained in float, through the rounding; :func:`trainctl.quantization.convert` leaves them on the grid:
    as codes if :func:`quantize_inference` was called, too, else as float numbers.

    Args:
        net: the model; changed in place.
        types: of the layers: Linear, Conv1d, Conv2d, Conv3d, Embedding, EmbeddingBag. A subclass is another type.

    Raises:
        TypeError: ``types`` is no set of module types.
        ValueError: it is empty, the model has no layer of one of them, or one that has no weights to round.

    Example:
        >>> import trainctl
        >>> from trainctl import nn, quantization
        >>> net = nn.Sequential(nn.Linear(2, 2))
        >>> _ = net[0].weight.data.copy_(trainctl.tensor([[1.0, 0.004], [1.27, 0.5]]))
        >>> quantize_weight(net, {nn.Linear})
        >>> quantization.convert(net.eval())[0].weight.detach()
        tensor([[1.0000, 0.0079],
                [1.2700, 0.5000]])
    """
    found = _found("quantize_weight", net, types)
    without = sorted({kind.__name__ for kind, _ in found if kind not in _ROUNDED})
    if without:
        takes = ", ".join(kind.__name__ for kind in _ROUNDED)
        raise ValueError(f"quantize_weight takes {takes}; got {', '.join(without)}")
    for kind, layer in found:
        if not hasattr(layer, "weight_fake_quant"):
            layer.qconfig = _TABLE_QCONFIG if kind in _TABLES else _QCONFIG
            layer.weight_fake_quant = layer.qconfig.weight().to(layer.weight.device).train(layer.training)
            layer.__class__ = _ROUNDED[kind]  # the layer stays the same object, in lists and closures too


def quantize_inference(net: Module, types: Types) -> None:
    """Have what goes into layers, and what comes out of them, rounded: to 8 bits, in a moving average of its range.

    Ranges follow the training batches; evaluation uses them. :func:`trainctl.quantization.convert` makes layers of these
    types quantized ones, which compute in integers; the weights of one that was not given to :func:`quantize_weight` are
    rounded then.

    Args:
        net: the model; changed in place.
        types: of the layers; each takes, and returns, a float tensor. A subclass is another type.

    Raises:
        TypeError: ``types`` is no set of module types.
        ValueError: it is empty, or the model has no layer of one of them.

    Example:
        >>> import trainctl
        >>> from trainctl import nn, quantization
        >>> net = nn.Sequential(nn.Linear(2, 2))
        >>> quantize_inference(net, {nn.Linear})
        >>> _ = net(trainctl.tensor([[0.0, 255.0]]))
        >>> net[0].input_fake_quant.scale
        tensor([1.])
    """
    for kind, layer in _found("quantize_inference", net, types):
        if kind not in _TABLES and not hasattr(layer, "input_fake_quant"):
            layer.add_module("input_fake_quant", _made(layer))
            layer.register_forward_pre_hook(round_input, prepend=True)
        if not is_attached(layer):
            layer.qconfig = _TABLE_QCONFIG if kind in _TABLES else _QCONFIG
            attach(layer, _made(layer))


def _made(layer: Module) -> Module:
    device = next((each.device for each in layer.parameters()), None)
    made = _ACTIVATION()
    return (made if device is None else made.to(device)).train(layer.training)


def _found(caller: str, net: Module, types: Types) -> list[tuple[Any, Any]]:
    """Return the layers of the given types, each with the type that it had as a float layer."""
    wanted = {types} if isinstance(types, type) else set(_checked(caller, types))
    layers = [(_FLOAT.get(type(each), type(each)), each) for each in _walk(net)]
    there = Counter(kind for kind, _ in layers)
    missing = sorted(kind.__name__ for kind in wanted - there.keys())
    if missing:
        listed = ", ".join(f"{kind.__name__} ({count})" for kind, count in there.items())
        raise ValueError(f"{caller}: the model has no {' and no '.join(missing)}; it has {listed}")
    return [(kind, layer) for kind, layer in layers if kind in wanted]


def _checked(caller: str, types: Any) -> Types:
    is_collection = isinstance(types, Collection) and not isinstance(types, str)
    if not is_collection or not all(isinstance(each, type) and issubclass(each, Module) for each in types):
        raise TypeError(f"{caller} takes a set of module types, such as {{nn.Linear}}; got {types!r}")
    if not types:
        raise ValueError(f"{caller}: the set of module types is empty; name some, such as {{nn.Linear}}")
    return types


def _walk(module: Module) -> list[Module]:
    """Return a module and those below it, without observers and the insides of fused layers."""
    found: list[Module] = [module]
    if not isinstance(module, _FusedModule):
        below = [child for child in module.children() if not is_activation_post_process(child)]
        found += [each for child in below for each in _walk(child)]
    return list(dict.fromkeys(found))
