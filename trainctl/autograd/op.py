"""One op: array code forward, tensor code backward, and a node of the graph between them.

A subclass says how to compute (``forward``, on arrays of whatever backend) and, right below, what its
gradient is (``backward``, in tensor ops, so that the gradient can be differentiated again). An instance is
one application of the op: it holds the call's parameters as attributes and, where a gradient will be
asked for, is the node of the graph. Replaying it on other arrays is calling ``forward`` again.

Two things no op has to do itself: a gradient that is larger than its input because the input was broadcast
is summed back, and one of another dtype is cast back (:func:`trainctl.autograd.engine.fit_gradient`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy
from numpy import ndarray

from trainctl.autograd.on_codes import run_on_codes
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import NUMPY, Array, Backend, backend_of
from trainctl.backend.bfloat16 import BFloat16Array, narrow_result, wide_argument
from trainctl.backend.quantized_array import QuantizedArray

_sequence = itertools.count()
_new_tensor = Tensor.__new__


class Op:
    """Base of every op.

    Attributes:
        saves: indices of the inputs that ``backward`` reads, as ``self.saved``.
        saves_output: ``backward`` reads the outputs (or those of these numbers), as the last of ``self.saved``.
        is_view: the outputs share the first input's memory.
        differentiable: False for ops whose output has no gradient (comparisons, argmax).
        moves_elements: the output holds elements of the inputs, whatever their type (clone, cat, gather).
        decides_dtype: the output's dtype is not that of the inputs (cast).
        gives_fresh_gradients: False if ``backward`` may return a tensor that somebody else holds.
        replays: the same parameters and shapes give the same shapes, whatever the elements.
        draws: every application takes its turn at a random stream.
        takes_out: ``out`` may be the first input itself, and an in-place form writes there directly.
        materializes_gradients: with several outputs, ``backward`` gets zeros for those without a gradient.
        xp: the backend of the arrays at hand.
        place: the module that applied the op, where anomaly detection noted it.
        edges: for each input, None or where its gradient goes: a leaf tensor, or (node, output number).
    """

    saves: tuple[int, ...] = ()
    saves_output: bool | tuple[int, ...] = False
    is_view: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True
    moves_elements: ClassVar[bool] = False
    decides_dtype: ClassVar[bool] = False
    gives_fresh_gradients: ClassVar[bool] = True
    takes_out: ClassVar[bool] = False
    replays: bool = True
    draws: ClassVar[bool] = False
    materializes_gradients: bool = True

    xp: Backend = NUMPY
    params: dict[str, Any] = {}  # noqa: RUF012 - a default that is replaced, never changed
    edges: Sequence[Any] = ()
    sequence: int = -1
    meta: Any = None
    place: str = ""
    _saved: Any = ()
    _hooks: Any = None
    _output_hooks: Any = None

    if TYPE_CHECKING:  # each op's own signature: arrays in and out, gradients (tensors) in and out
        forward: Callable[..., Any]
        backward: Callable[..., Any]
    else:

        def forward(self, *arrays: Array, out: Array | None = None) -> Any:
            """Compute the output from arrays, into ``out`` where it is given."""
            raise NotImplementedError(f"{type(self).__name__} has no forward")

        def backward(self, *gys: Tensor) -> Any:
            """Return the gradient of each input (None where there is none) from those of the outputs."""
            raise RuntimeError(f"derivative for {self.name()} is not implemented")

    @classmethod
    def name(cls) -> str:
        """Return the op's name as PyTorch prints nodes: ``AddBackward0``."""
        return cls.__name__ + "Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @classmethod
    def apply(cls, *inputs: Any, **params: Any) -> Any:
        """Run the op on tensors (and Python numbers) and record it if a gradient will flow.

        Inputs must already agree in dtype: promotion is the caller's (``ops.cast.binary``). This is the path of
        every op, so it is written for few steps rather than for few lines.
        """
        node = cls()
        if params:
            node.params = params
            node.__dict__.update(params)
        arrays = []
        needs_grad = elsewhere = False
        for each in inputs:
            if isinstance(each, Tensor):
                array = each._array
                arrays.append(array)
                if type(array) is not ndarray:
                    elsewhere = True
                if each._requires_grad or (each._base is not None and each.requires_grad):
                    needs_grad = True
            else:
                arrays.append(each)
        is_view = cls.is_view
        if elsewhere:
            result = _run_elsewhere(node, arrays)
        elif is_view or state.quiet:
            result = node.forward(*arrays)
        else:
            result = _forward_quietly(node, arrays)
        if type(result) is tuple:
            outputs = tuple(map(Tensor._wrap, result))
            if is_view:
                for number, each in enumerate(outputs):
                    _mark_view(each, inputs[0], node.recipe(number))
        else:
            if type(result) is ndarray and not state.inference:
                output = _new_tensor(Tensor)  # what Tensor._wrap does, without the call
                output._array = result
            else:
                output = Tensor._wrap(result)
            outputs = (output,)
            if is_view and inputs:
                _mark_view(output, inputs[0], node.recipe(0))
        if state.watcher is not None:
            state.watcher.saw(node, inputs, outputs)
        if needs_grad and cls.differentiable and state.grad:
            node._record(inputs, outputs)
        return outputs if type(result) is tuple else output

    def _record(self, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """Make this application the node of those outputs that can have a gradient: where it goes, what backward reads."""
        edges: list[Any] = []
        for each in inputs:
            if not isinstance(each, Tensor) or not each._requires_grad:
                edges.append(None)
            elif each._base is None:  # else its node may be out of date
                node = each._grad_fn
                edges.append(each if node is None else (node, each._output_number))
            else:
                edges.append(each.grad_edge())
        self.edges = edges
        self.sequence = next(_sequence)
        meta = self.meta = []
        for output in outputs:
            array = output._array
            kind = array.dtype
            if kind.kind in "fc":
                output._requires_grad = True
                output._grad_fn = self
                if meta:
                    output._output_number = len(meta)
            meta.append((array.shape, kind))
        if self.saves or self.saves_output:
            self._save(inputs, outputs)

    def _save(self, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """Keep what ``saves`` and ``saves_output`` ask for."""
        saved: list[Any] = [keep_input(inputs[number]) for number in self.saves]
        if self.saves_output:
            numbers = range(len(outputs)) if isinstance(self.saves_output, bool) else self.saves_output
            for number in numbers:
                saved.append(SavedOutput(outputs[number], number))
        self._saved = saved

    @property
    def saved(self) -> list[Any]:
        """What ``saves`` and ``saves_output`` asked for, as tensors, checked to be unchanged.

        Raises:
            RuntimeError: backward already ran and freed them, or one was changed in place since.
        """
        if self._saved is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they "
                "have already been freed). Saved intermediate values of the graph are freed when you call .backward() "
                "or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time."
            )
        found = []
        for each in self._saved:
            if type(each) is tuple:
                tensor, version = each
                if isinstance(tensor, Tensor) and tensor._version != version:
                    raise changed_in_place(tensor, "an input", self, tensor._version, version)
                found.append(tensor)
            else:
                found.append(each.unpack(self))
        return found

    def recipe(self, number: int) -> tuple[type[Op], dict[str, Any]]:
        """Return the op, of one output, that makes this output from the first input: for a view, itself."""
        return type(self), self.params

    def needs(self, number: int) -> bool:
        """Return whether a gradient of this input is wanted."""
        return self.edges[number] is not None

    def release(self) -> None:
        """Free what backward read."""
        if self._saved:
            self._saved = None

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that this one sends gradients to, each with its output's number."""
        return tuple(
            (None, 0) if edge is None else (AccumulateGrad(edge), 0) if isinstance(edge, Tensor) else edge
            for edge in self.edges
        )

    def register_hook(self, hook: Any) -> Any:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node's backward; its result replaces grad_inputs."""
        from trainctl.autograd.hooks import add_hook

        if self._hooks is None:
            self._hooks = {}
        return add_hook(self._hooks, hook)


def _forward_quietly(node: Op, arrays: list[Any]) -> Any:
    """Run array code with NumPy's floating-point warnings off."""
    if state.quiet:
        return node.forward(*arrays)
    state.quiet = True
    try:
        return state.silence.run(node.forward, *arrays)
    finally:
        state.quiet = False


def _run_elsewhere(node: Op, arrays: list[Any]) -> Any:
    """Run an op on arrays that are not NumPy's: a device's, bfloat16, or codes with a grid."""
    if any(isinstance(each, QuantizedArray) for each in arrays):
        return run_on_codes(node, arrays, lambda operands: _forward_quietly(node, operands))
    if not any(isinstance(each, BFloat16Array) for each in arrays):
        node.xp = _common_backend(arrays)
        return _forward_quietly(node, arrays)
    if node.moves_elements or node.is_view:
        result = _forward_quietly(node, [each.bits if isinstance(each, BFloat16Array) else each for each in arrays])
        return tuple(map(BFloat16Array, result)) if type(result) is tuple else BFloat16Array(result)
    result = _forward_quietly(node, wide_argument(arrays))
    return result if node.decides_dtype else narrow_result(result)


def _common_backend(arrays: list[Any]) -> Backend:
    """Return the backend of the arrays among the operands; a host's 0-d array joins them as a number.

    Raises:
        RuntimeError: they are on several devices.
    """
    with_dims = {backend_of(each) for each in arrays if hasattr(each, "dtype") and each.ndim}
    every = {backend_of(each) for each in arrays if hasattr(each, "dtype")}
    backends = with_dims or every - {NUMPY} or every
    backends |= every - {NUMPY}
    if len(backends) > 1:
        names = " and ".join(sorted(each.device_type for each in backends))
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {names}!")
    (backend,) = backends
    if backend is not NUMPY:
        arrays[:] = [each.item() if type(each) is numpy.ndarray and each.ndim == 0 else each for each in arrays]
    return backend


class AccumulateGrad:
    """What ``next_functions`` shows for a leaf: the place where ``variable.grad`` is added to."""

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"

    @classmethod
    def name(cls) -> str:
        """Return ``AccumulateGrad``."""
        return cls.__name__


def keep_input(tensor: Any) -> tuple[Any, int]:
    """Return an input (a tensor, a number or None) as it is kept for backward: with the version that it has.

    Raises:
        RuntimeError: the tensor was made in inference mode, so that nobody would notice a change.
    """
    if not isinstance(tensor, Tensor):
        return tensor, 0
    if tensor._is_inference:
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference "
            "mode in computation tracked by autograd. To work around this, you can make a clone to get a "
            "normal tensor and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
        )
    versions = tensor._versions
    return tensor, 0 if versions is None else versions[0]


class SavedOutput:
    """An output kept for backward: without its link to the node, which would be a reference cycle."""

    __slots__ = ("array", "number", "version", "versions")

    def __init__(self, output: Tensor, number: int) -> None:
        self.array, self.number = output._array, number
        self.versions = output._versions or output._share_version()
        self.version = self.versions[0]

    def unpack(self, node: Op) -> Tensor:
        """Return the output, linked to the node again.

        Raises:
            RuntimeError: it was changed in place since.
        """
        output = Tensor._wrap(self.array)
        if self.versions[0] != self.version:
            raise changed_in_place(output, f"output {self.number}", node, self.versions[0], self.version)
        output._versions = self.versions
        output._requires_grad, output._grad_fn, output._output_number = True, node, self.number
        return output


def changed_in_place(tensor: Tensor, what: str, node: Op, now: int, then: int) -> RuntimeError:
    """Return the error for a tensor that backward needs as it was before somebody changed it."""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{tensor.dtype} {list(tensor.shape)}], which is {what} of {node.name()}, is at version {now}; "
        f"expected version {then} instead. "
        "Hint: change a clone (x = x.clone()) or use the out-of-place form of the op."
    )


def _mark_view(output: Tensor, source: Tensor, recipe: tuple[type[Op], dict[str, Any]]) -> None:
    """Tie a view to the tensor whose memory it shares, and note how it is made from it."""
    output._base = source if source._base is None else source._base
    if output._is_inference is not source._is_inference:
        output._is_inference = source._is_inference
    output._versions = versions = source._versions or source._share_version()
    output._view_version = versions[0]
    output._recipe = (*source._recipe, recipe)
