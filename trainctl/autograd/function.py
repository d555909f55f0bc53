"""``Function``: a user's own op, as in PyTorch."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op, SavedTensor
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor


class FunctionCtx(Op):
    """What ``forward`` and ``backward`` of a :class:`Function` share: its node in the graph."""

    gives_fresh_gradients = False  # a user's backward may return a tensor that it keeps
    function: type[Function]
    _to_save: tuple[Any, ...] = ()
    _non_differentiable: tuple[Tensor, ...] = ()
    _dirty: tuple[Tensor, ...] = ()
    _materialize = True
    needs_input_grad: tuple[bool, ...] = ()
    tensor_places: tuple[int, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (inputs or outputs of ``forward``, or None) for backward, as ``ctx.saved_tensors``."""
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to ``save_for_backward``."""
        return tuple(self.saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self._non_differentiable = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that ``forward`` changed these inputs in place."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """With False, ``backward`` gets None instead of zeros for outputs without a gradient."""
        self._materialize = value

    @classmethod
    def name(cls) -> str:
        """Return the name that PyTorch gives such a node."""
        return "FunctionBackward"

    def __repr__(self) -> str:
        return f"<{self.function.__name__}Backward object at {id(self):#x}>"

    def backward(self, *gys: Any) -> Any:
        """Run the user's backward and hand its result on, one gradient for each tensor input."""
        gxs = self.function.backward(self, *gys)
        gxs = gxs if isinstance(gxs, tuple) else (gxs,)
        extra = len(gxs) - len(self.needs_input_grad)
        if extra > 0 and all(each is None for each in gxs[-extra:]):
            gxs = gxs[:-extra]
        if len(gxs) != len(self.needs_input_grad):
            raise RuntimeError(
                f"function {self.function.__name__}Backward returned an incorrect number of gradients "
                f"(expected {len(self.needs_input_grad)}, got {len(gxs)})"
            )
        return tuple(gxs[place] for place in self.tensor_places)


class Function:
    """Base of a user's own op: static ``forward(ctx, ...)`` and ``backward(ctx, *grad_outputs)``.

    Example:
        >>> import trainctl
        >>> class Cube(Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x**3
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         (x,) = ctx.saved_tensors
        ...         return 3 * x**2 * grad_output
        >>> x = trainctl.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; with ``setup_context`` overridden it takes no ``ctx``."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what backward needs, where ``forward`` takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: Any) -> Any:
        """Return the gradient of each argument of ``forward``, None where there is none."""
        raise NotImplementedError("You must implement the backward function for custom autograd.Function.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` without recording and record the whole as one op."""
        ctx = FunctionCtx()
        ctx.function = cls
        ctx.needs_input_grad = tuple(isinstance(each, Tensor) and each.requires_grad for each in args)
        ctx.tensor_places = tuple(i for i, each in enumerate(args) if isinstance(each, Tensor))
        before, state.grad = state.grad, False
        try:
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        finally:
            state.grad = before
        outputs = result if isinstance(result, tuple) else (result,)
        if state.grad and any(ctx.needs_input_grad):
            outputs = _record(ctx, args, outputs)
        return outputs if isinstance(result, tuple) else outputs[0]


def _record(ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put ``ctx`` into the graph between the arguments and the outputs."""
    tensors = tuple(args[place] for place in ctx.tensor_places)
    edges_from = tuple(each if each.requires_grad else None for each in tensors)
    fresh = tuple(
        _own(each, args, ctx) if isinstance(each, Tensor) and not _among(each, ctx._non_differentiable) else each
        for each in outputs
    )
    saved = [_SavedByUser(each, outputs, fresh, ctx) for each in ctx._to_save]
    ctx._record(edges_from, tuple(each for each in fresh if isinstance(each, Tensor)))
    for old, new in zip(outputs, fresh, strict=True):
        if isinstance(old, Tensor) and _among(old, ctx._non_differentiable):
            new._requires_grad, new._grad_fn = False, None
    ctx._saved = [each.keep() for each in saved]
    return fresh


class _SavedByUser:
    """A tensor given to ``save_for_backward``: None, an output (kept without a cycle), or any other."""

    def __init__(self, tensor: Any, outputs: tuple[Any, ...], fresh: tuple[Any, ...], ctx: FunctionCtx) -> None:
        self.ctx = ctx
        self.number = next((i for i, each in enumerate(outputs) if each is tensor and tensor is not None), -1)
        self.tensor = tensor if self.number < 0 else fresh[self.number]

    def keep(self) -> SavedTensor:
        if self.number < 0:
            return SavedTensor(self.tensor)
        return SavedTensor(self.tensor, self.number, self.ctx)


def _among(tensor: Tensor, others: tuple[Tensor, ...]) -> bool:
    return any(tensor is each for each in others)


def _own(output: Tensor, args: tuple[Any, ...], ctx: FunctionCtx) -> Tensor:
    """Return an output that may become this node's: an argument handed through becomes a new tensor."""
    if _among(output, ctx._dirty):
        output._bump_version()
        return output
    if any(output is each for each in args):
        return Tensor._wrap(output._array)
    return output
