"""``Function``: a user's own op, as in PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from trainctl.autograd.engine import fit_gradient
from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.inplace import check_writable
from trainctl.autograd.op import Op, SavedOutput, keep_input
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor


class FunctionCtx(Op):
    """What ``forward`` and ``backward`` of a :class:`Function` share: its node in the graph."""

    gives_fresh_gradients = False  # a user's backward may return a tensor that it keeps
    function: type[Function]
    needs_input_grad: tuple[bool, ...] = ()
    tensor_places: tuple[int, ...] = ()
    output_places: tuple[int, ...] = ()
    output_count = 0
    _to_save: tuple[Any, ...] = ()
    _non_differentiable: tuple[Tensor, ...] = ()
    _dirty: tuple[Tensor, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs or outputs of ``forward``, or None) for backward, as ``ctx.saved_tensors``.

        Raises:
            TypeError: something that is no tensor; keep it as an attribute of ``ctx``.
        """
        for number, each in enumerate(tensors):
            if each is not None and not isinstance(each, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {number} is of type "
                    f"{type(each).__name__}; keep it as an attribute: ctx.name = value"
                )
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
        self.materializes_gradients = value

    @classmethod
    def name(cls) -> str:
        """Return the name that PyTorch gives such a node: ``CubeBackward``."""
        return cls.__name__

    def backward(self, *gys: Any) -> Any:
        """Run the user's backward and hand its result on, one gradient for each tensor input."""
        spread: list[Any] = [None] * self.output_count
        for place, gy in zip(self.output_places, gys, strict=True):
            spread[place] = gy
        gxs = self.function.backward(self, *spread)
        gxs = self._counted(gxs if isinstance(gxs, tuple) else (gxs,))
        pairs = zip(self.edges, self.tensor_places, strict=True)
        return tuple(self._fitted(gxs[place], edge, place) for edge, place in pairs)

    def _counted(self, gxs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return one gradient for each argument of ``forward``, without the Nones that may follow.

        Raises:
            RuntimeError: too few, too many, or one for what is no tensor.
        """
        wanted = len(self.needs_input_grad)
        if len(gxs) < wanted or any(each is not None for each in gxs[wanted:]):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {wanted}, got {len(gxs)})"
            )
        for place, each in enumerate(gxs[:wanted]):
            if each is not None and place not in self.tensor_places:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position {place + 1}, "
                    "but the corresponding forward input was not a Variable"
                )
        return gxs[:wanted]

    def _fitted(self, gx: Any, edge: Any, place: int) -> Any:
        """Return a gradient in the shape and dtype of the input that it is for.

        Raises:
            RuntimeError: it is no tensor, or its shape is no broadcast of the input's.
        """
        if gx is None or edge is None:
            return None
        if not isinstance(gx, Tensor):
            raise RuntimeError(f"function {self.name()}: expected Variable or None (got {type(gx).__name__})")
        array = edge._array if isinstance(edge, Tensor) else None
        shape, kind = edge[0].meta[edge[1]] if array is None else (array.shape, array.dtype)
        try:
            return fit_gradient(gx, shape, kind)
        except RuntimeError:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {place} - got {list(gx.shape)} "
                f"but expected shape compatible with {list(shape)}"
            ) from None


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

    _context: type[FunctionCtx] = FunctionCtx

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._context = type(f"{cls.__name__}Backward", (FunctionCtx,), {"function": cls})

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
        """Run ``forward`` without recording and record the whole as one op.

        Raises:
            TypeError: a tensor is given by keyword, where its gradient would be lost.
        """
        for name, each in kwargs.items():
            if isinstance(each, Tensor):
                raise TypeError(f"{cls.__name__}.apply() takes tensors by position alone, got {name}=<Tensor>")
        ctx = cls._context()
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
    fresh = tuple(_own(each, args, ctx) if isinstance(each, Tensor) else each for each in outputs)
    ctx.output_count = len(outputs)
    ctx.output_places = tuple(i for i, each in enumerate(fresh) if isinstance(each, Tensor))
    ctx._record(tuple(args[i] for i in ctx.tensor_places), tuple(fresh[i] for i in ctx.output_places))
    for old, new in zip(outputs, fresh, strict=True):
        if isinstance(old, Tensor) and _among(old, ctx._non_differentiable):
            new._requires_grad, new._grad_fn = False, None
    ctx._saved = [_keep(each, args, outputs, ctx) for each in ctx._to_save]
    ctx._to_save = ctx._non_differentiable = ctx._dirty = ()  # an output kept here would be a reference cycle
    return fresh


def _keep(
    tensor: Tensor | None, args: tuple[Any, ...], outputs: tuple[Any, ...], ctx: FunctionCtx
) -> tuple[Any, int] | SavedOutput:
    """Return a tensor as it is saved: an output without its link to the node, which it is given again later."""
    if tensor is None or (_among(tensor, args) and not _among(tensor, ctx._dirty)):
        return keep_input(tensor)
    for number, place in enumerate(ctx.output_places):
        if outputs[place] is tensor and not _among(tensor, ctx._non_differentiable):
            return SavedOutput(tensor, number)
    return keep_input(tensor)


def _among(tensor: Tensor, others: tuple[Any, ...]) -> bool:
    return any(tensor is each for each in others)


def _own(output: Tensor, args: tuple[Any, ...], ctx: FunctionCtx) -> Tensor:
    """Return an output that may become this node's: an argument handed through, or a view, becomes a new tensor.

    Raises:
        RuntimeError: an argument changed in place is a leaf that requires a gradient, or a view.
    """
    if _among(output, ctx._dirty):
        check_writable(output, needs_grad=True)
        if output._base is not None:
            raise RuntimeError("a view that forward changes in place cannot be an output; give it a clone")
        output._bump_version()
        return output
    return output.detach() if output._base is not None or _among(output, args) else output


class _Once(Op):
    """Hands a gradient on; asked for the derivative with respect to what it was made from, it says there is none."""

    def forward(self, gx: Any, *sources: Any, out: Any = None) -> Any:
        return gx.view()

    def backward(self, *gys: Tensor) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` that is not made of tensor ops: differentiating it again is an error, not a wrong result.

    Example:
        >>> import trainctl
        >>> class Double(Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x * 2
        ...
        ...     @staticmethod
        ...     @once_differentiable
        ...     def backward(ctx, grad_output):
        ...         return trainctl.as_tensor(grad_output.numpy() * 2)
        >>> x = trainctl.tensor(2.0, requires_grad=True)
        >>> Double.apply(x).backward()
        >>> x.grad
        tensor(2.)
    """

    @functools.wraps(backward)
    def run(ctx: FunctionCtx, *gys: Any) -> Any:
        with no_grad():
            result = backward(ctx, *gys)
        gxs = result if isinstance(result, tuple) else (result,)
        sources = [each for each in (*gys, *ctx.saved_tensors) if isinstance(each, Tensor)]
        return tuple(_Once.apply(gx, *sources) if isinstance(gx, Tensor) else gx for gx in gxs)

    return run
