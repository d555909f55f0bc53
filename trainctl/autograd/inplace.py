"""Changes in place: the version counter, and a graph that follows a change through views.

A change through a view is a change of its base. The base's new node (:class:`CopySlices`) sends back the
gradient of everything outside the view untouched and passes what lies inside through the op; the view's
own ``grad_fn`` is made anew from the base when it is next asked for (:func:`refresh_view`).
"""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.state import quietly, state
from trainctl.autograd.tensor import Tensor
from trainctl.backend.bfloat16 import BFloat16Array


@quietly
def apply_inplace(cls: type[Op], x: Tensor, *others: Any, **params: Any) -> Tensor:
    """Write ``cls(x, *others)`` into ``x``'s own memory, keep the graph right, and return ``x``.

    The op's backward must not read what it overwrites (``saves`` without 0, no ``saves_output``).

    Raises:
        RuntimeError: ``x`` is a leaf that requires a gradient, or the result does not fit it.
    """
    needs_grad = state.grad and (x.requires_grad or any(isinstance(o, Tensor) and o.requires_grad for o in others))
    check_writable(x, needs_grad)
    node = cls()
    node.params = params
    node.__dict__.update(params)
    node.xp = x._xp
    arrays = [x._array, *(each._array if isinstance(each, Tensor) else each for each in others)]
    _write(node, x, arrays)
    if state.watcher is not None:
        state.watcher.saw_write(node, x, others)
    if needs_grad:
        _rebase(node, x, (x, *others))
    else:
        x._bump_version()
    return x


def check_writable(x: Tensor, needs_grad: bool) -> None:
    """Raise RuntimeError if changing ``x`` in place would lose a gradient, go unnoticed or write one place twice."""
    if x._is_inference and not state.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. "
            "You can make a clone to get a normal tensor before doing inplace update."
        )
    if needs_grad and x._requires_grad and x.is_leaf:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if needs_grad and x._base is not None and x._base._requires_grad and x._base.is_leaf:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if x._array.size and any(
        step == 0 and size > 1 for step, size in zip(x._array.strides, x._array.shape, strict=True)
    ):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


def _write(node: Op, x: Tensor, arrays: list[Any]) -> None:
    xp = node.xp
    if node.takes_out:
        node.forward(*_raw(arrays), out=_raw(x._array))
        return
    result = node.forward(*arrays)
    shape, kind = xp.shape(result), result.dtype
    if shape != x._array.shape:
        raise RuntimeError(f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(shape)}")
    if not xp.can_cast(kind, x._array.dtype, "same_kind"):
        from trainctl.backend.dtypes import FROM_ARRAY

        raise RuntimeError(
            f"result type {FROM_ARRAY[kind].name} can't be cast to the desired output type {x.dtype.name}"
        )
    xp.copyto(x._array, result, casting="same_kind")


def _raw(value: Any) -> Any:
    """Return arrays as what an op that only moves elements works on: bfloat16 as bits."""
    if isinstance(value, list):
        return [_raw(each) for each in value]
    return value.bits if isinstance(value, BFloat16Array) else value


def _rebase(node: Op, x: Tensor, inputs: tuple[Any, ...]) -> None:
    """Make ``node`` the maker of ``x`` and, for a view, of the part of its base that ``x`` is."""
    if x._base is None:
        node._record(inputs, ())
        _adopt(x, node)
    else:
        _record_slices(node, x, x._base, inputs)
    x._bump_version()


def _record_slices(node: Op, view: Tensor, base: Tensor, inputs: tuple[Any, ...]) -> None:
    """Record a change of ``view`` as a change of a part of ``base``."""
    slices = CopySlices()
    slices.inner, slices.recipe, slices.xp = node, view._recipe, node.xp
    slices._record((base, *inputs[1:]), ())
    node._record(inputs, ())
    node.edges = slices.edges  # the op's first gradient is wanted where the base's is
    _adopt(base, slices)


def _adopt(x: Tensor, node: Op) -> None:
    """Make ``node`` the maker of ``x``; a gradient that ``x`` retains is from now on that of its new value."""
    before = x._grad_fn
    if x._retains_grad and before is not None and before._output_hooks:
        kept = before._output_hooks.pop((x._output_number, "retain"), None)
        node._output_hooks = {(0, "retain"): kept} if kept else None
    x._grad_fn, x._output_number, x._requires_grad = node, 0, True
    node.meta = (_meta(x),)


def _meta(x: Tensor) -> tuple[tuple[int, ...], Any]:
    return x._array.shape, x._array.dtype


class CopySlices(Op):
    """The maker of a base after a change through one of its views."""

    inner: Op
    recipe: Any

    def backward(self, gy: Tensor) -> Any:
        """Return the gradient of the base before the change, and of the op's other inputs."""
        whole = gy.clone()
        part = replay(self.recipe, whole)
        gxs = self.inner.backward(part.clone())
        gxs = gxs if type(gxs) is tuple else (gxs,)
        if gxs and gxs[0] is not None:
            part.copy_(gxs[0])
        else:
            part.zero_()
        return (whole, *gxs[1:])

    def release(self) -> None:
        """Free what backward read, here and in the op inside."""
        super().release()
        self.inner.release()


def replay(recipe: Any, base: Tensor) -> Any:
    """Return the view of ``base`` that a recipe of view ops makes."""
    for cls, params in recipe:
        base = cls.apply(base, **params)
    return base


def refresh_view(view: Tensor) -> None:
    """Make a view's ``grad_fn`` anew after its base (or another view of it) was changed in place."""
    base = view._base
    assert base is not None
    assert view._versions is not None
    view._view_version = view._versions[0]
    if base._grad_fn is None:
        return
    before, state.grad = state.grad, True
    try:
        again = replay(view._recipe, base)
    finally:
        state.grad = before
    view._grad_fn, view._output_number, view._requires_grad = (
        again._grad_fn,
        again._output_number,
        again._requires_grad,
    )
