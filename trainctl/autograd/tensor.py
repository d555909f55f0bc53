"""``Tensor``: an array with a dtype, a device, and a place in the graph.

The ops are bound to the class in :mod:`trainctl.autograd.methods`; here is what a tensor *is*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from trainctl.autograd.array_holder import ArrayHolder
from trainctl.autograd.hooks import RemovableHandle, RetainGrad, add_hook
from trainctl.autograd.size import Size
from trainctl.autograd.state import note_read, state
from trainctl.backend import dtypes
from trainctl.backend.arrays import Array

if TYPE_CHECKING:
    from trainctl.autograd.op import Op


class Tensor(ArrayHolder):
    """An n-dimensional array that can record what is done with it.

    Make one with :func:`trainctl.tensor`, :func:`trainctl.zeros`, :func:`trainctl.from_numpy`, ...

    Attributes:
        name: a name for the user's own use (``Variable``'s second field).

    Example:
        >>> import trainctl
        >>> x = trainctl.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    # Class-level defaults: making a tensor then costs one attribute, and most keep most of these.
    _array: Array
    _requires_grad = False
    _grad_fn: Op | None = None
    _output_number = 0
    _versions: list[int] | None = None
    _base: Tensor | None = None
    _view_version = 0
    _recipe: tuple[tuple[type[Op], dict[str, Any]], ...] = ()
    _hooks: dict[int, Any] | None = None
    _grad_hooks: dict[int, Any] | None = None
    _retains_grad = False
    _is_inference = False
    _grad: Tensor | None = None
    name: str | None = None

    if TYPE_CHECKING:  # what trainctl.autograd.methods binds

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]  # elementwise, as PyTorch's
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]  # elementwise, as PyTorch's

    __array_priority__ = 1000

    def __init__(self, *data: Any) -> None:
        """``Tensor([1, 2])`` holds the data as float32; ``Tensor(2, 3)`` is uninitialised, of that shape."""
        default = dtypes.get_default_dtype().array_dtype
        if not data or all(isinstance(each, int) for each in data):
            self._array = numpy.empty(data or (0,), default)
        elif len(data) == 1 and isinstance(data[0], Size):
            self._array = numpy.empty(data[0], default)
        elif len(data) == 1 and isinstance(data[0], Tensor):
            self._array = data[0]._array
        elif len(data) == 1:
            self._array = numpy.array(data[0], default)
        else:
            raise TypeError(f"Tensor() takes sizes or one sequence of data, got {len(data)} arguments")

    @classmethod
    def _wrap(cls, array: Any) -> Tensor:
        """Return a tensor around an array, without a copy; NumPy's scalars become 0-d arrays."""
        self = Tensor.__new__(Tensor)
        self._array = numpy.asarray(array) if isinstance(array, numpy.generic) else array
        if state.inference:
            self._is_inference = True
        return self

    @classmethod
    def _constant(cls, array: Any) -> Tensor:
        """As :meth:`_wrap`, for an array that depends on nothing but shapes and options."""
        self = cls._wrap(array)
        if state.watcher is not None:
            state.watcher.saw_constant(self._array)
        return self

    # -- its place in the graph -----------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether ops on this tensor are recorded; settable on a leaf."""
        if self._base is not None:
            self.grad_fn  # noqa: B018 - a change of the base may have made this view part of a graph
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            if value:
                return
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable "
                "in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if value and self._array.dtype.kind not in "fc":
            raise RuntimeError(
                f"only Tensors of floating point and complex dtype can require gradients, got {self.dtype}"
            )
        if value and self._is_inference and not state.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward()`` left, for a leaf that requires one; else None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            self._check_grad(value)
        self._grad = value
        if state.watcher is not None:
            state.watcher.saw_gradient(self, value, "take")

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _check_grad(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
            )
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                "assigned grad has data of a different size: "
                f"expected {list(self._array.shape)}, got {list(value._array.shape)}"
            )
        if value._array.dtype != self._array.dtype:
            raise RuntimeError(f"assigned grad has data of a different type: expected {self.dtype}, got {value.dtype}")

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self.grad_fn is None

    @property
    def grad_fn(self) -> Op | None:
        """The node that made this tensor, None for a leaf."""
        if self._base is not None and self._versions is not None and self._view_version != self._versions[0]:
            from trainctl.autograd.inplace import refresh_view

            refresh_view(self)
        return self._grad_fn

    @property
    def output_nr(self) -> int:
        """Which output of ``grad_fn`` this tensor is."""
        return self._output_number

    def grad_edge(self) -> Any:
        """Return where a gradient of this tensor goes: itself for a leaf, else (node, output number)."""
        node = self.grad_fn
        return self if node is None else (node, self._output_number)

    @property
    def _version(self) -> int:
        if self._is_inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._versions is None else self._versions[0]

    def _share_version(self) -> list[int]:
        if self._versions is None:
            self._versions = [0]
        return self._versions

    def _bump_version(self) -> None:
        """Note that the elements were changed in place."""
        if self._versions is None:
            self._versions = [1]
        else:
            self._versions[0] += 1

    @property
    def data(self) -> Tensor:
        """The same elements outside the graph; assigning replaces the elements."""
        if state.watcher is not None:
            state.watcher.saw_alias(self)
        view = Tensor._wrap(self._array)
        view._is_inference = self._is_inference
        return view

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data must be a Tensor, got {type(value).__name__}")
        self._array = value._array
        self._bump_version()
        note_read("an assignment to a tensor's data")

    def detach(self) -> Tensor:
        """Return a view of the same elements outside the graph."""
        if state.watcher is not None:
            state.watcher.saw_alias(self)
        view = Tensor._wrap(self._array)
        view._versions = self._share_version()  # a change through the view is a change of what backward saved
        view._is_inference = self._is_inference
        return view

    def detach_(self) -> Tensor:
        """Take this tensor out of the graph: it becomes a leaf."""
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place; use detach() instead of detach_().")
        self._grad_fn, self._output_number, self._requires_grad = None, 0, False
        return self

    def is_inference(self) -> bool:
        """Return whether the tensor was made in ``inference_mode``; a view is what its base is."""
        return self._is_inference

    @property
    def retains_grad(self) -> bool:
        """Whether ``backward()`` leaves a gradient in ``grad`` although this is no leaf."""
        return self._retains_grad

    def retain_grad(self) -> None:
        """Ask ``backward()`` to leave this tensor's gradient in ``grad`` although it is no leaf.

        Raises:
            RuntimeError: the tensor does not require a gradient.
        """
        if not self._requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.grad_fn is None or self._retains_grad:
            return
        self._retains_grad = True
        self._add_output_hook("retain", RetainGrad(self))

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` when this tensor's gradient is known; what it returns replaces the gradient.

        Raises:
            RuntimeError: the tensor does not require a gradient.
        """
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is None:
            if self._hooks is None:
                self._hooks = {}
            return add_hook(self._hooks, hook)
        return self._add_output_hook("hook", hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` after a gradient was added to this leaf's ``grad``."""
        if not self._requires_grad or not self.is_leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._grad_hooks is None:
            self._grad_hooks = {}
        return add_hook(self._grad_hooks, hook)

    def _add_output_hook(self, kind: str, hook: Any) -> RemovableHandle:
        node = self._grad_fn
        assert node is not None
        if node._output_hooks is None:
            node._output_hooks = {}
        hooks = node._output_hooks.setdefault((self._output_number, kind), {})
        return add_hook(hooks, hook)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor with respect to every leaf to the leaf's ``grad``.

        Args:
            gradient: the gradient of this tensor, of its shape; may be left out for a scalar (then 1).
            retain_graph: keep what backward reads, for another backward; default: ``create_graph``.
            create_graph: record the backward pass itself, for gradients of gradients.
            inputs: add to the ``grad`` of these leaves alone.

        Raises:
            RuntimeError: no gradient is required, a non-scalar without ``gradient``, or a freed graph.
        """
        from trainctl.autograd.engine import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    # -- to Python and NumPy --------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> Any:
        """Return the elements as a NumPy array that shares memory (``force``: detached and copied as need be).

        Raises:
            RuntimeError: the tensor requires a gradient.
            TypeError: it is on a GPU, or of a type that NumPy lacks.
        """
        note_read("numpy()")
        if self._requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if type(self._array) is not numpy.ndarray and not force:
            if self.device.type != "cpu":
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. "
                    "Use Tensor.cpu() to copy the tensor to host memory first."
                )
            raise TypeError(f"Got unsupported ScalarType {self.dtype.name}: use float() or, if quantized, dequantize()")
        return self._xp.to_host(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return numpy.array(self.numpy(), dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        note_read("printing")
        from trainctl.autograd.printing import tensor_text

        return tensor_text(self)

    def __format__(self, spec: str) -> str:
        if self._array.ndim == 0 and type(self) is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."
            )
        if id(self) in memo:
            return memo[id(self)]
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy._array = self._array.copy()
        copy._requires_grad = self._requires_grad
        copy.grad = None if self.grad is None else self.grad.__deepcopy__(memo)
        copy.name = self.name
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (type(self), self._xp.as_pickled(self._array), self._requires_grad)


def _rebuild(kind: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    tensor = kind.__new__(kind)
    tensor._array, tensor._requires_grad = array, requires_grad
    return tensor


def is_tensor(obj: Any) -> bool:
    """Return whether ``obj`` is a Tensor.

    Example:
        >>> is_tensor([1])
        False
    """
    return isinstance(obj, Tensor)
