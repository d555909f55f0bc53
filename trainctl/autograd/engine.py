"""The walk back through the graph.

Nodes are numbered as they are made, so a node's consumers always have higher numbers: taking the highest
number first from a heap visits every node once, after all of its gradients have arrived, without
recursion and without counting dependencies.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.state import quietly, state
from trainctl.autograd.tensor import Tensor


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add to every leaf's ``grad`` the gradient of the sum of ``tensors`` weighted by ``grad_tensors``.

    Args:
        tensors: what to differentiate; scalars unless ``grad_tensors`` is given.
        grad_tensors: the gradient of each tensor, of its shape; None for a scalar.
        retain_graph: keep what backward reads; default: ``create_graph``.
        create_graph: record the walk itself, for gradients of gradients.
        inputs: the leaves (or inner tensors) to add to; default: all leaves.

    Raises:
        RuntimeError: nothing requires a gradient, a gradient is missing or misshapen, or the graph was freed.

    Example:
        >>> import trainctl
        >>> x = trainctl.tensor(3.0, requires_grad=True)
        >>> backward(x * x)
        >>> x.grad
        tensor(6.)
    """
    roots = _as_list(tensors)
    targets = None if inputs is None else _as_list(inputs)
    if targets is not None and not targets:
        raise RuntimeError("`inputs` argument to `backward` cannot be empty.")
    seeds = _seeds(roots, _as_list(grad_tensors, len(roots)), create_graph)
    walk = _Walk(targets, create_graph if retain_graph is None else retain_graph, create_graph, accumulate=True)
    walk.run(roots, seeds)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of ``outputs`` (summed, weighted by ``grad_outputs``) with respect to ``inputs``.

    Nothing is added to any ``grad``.

    Args:
        outputs: what to differentiate.
        inputs: with respect to what.
        grad_outputs: the gradient of each output; None for a scalar.
        retain_graph: keep what backward reads; default: ``create_graph``.
        create_graph: record the walk itself, for gradients of gradients.
        allow_unused: give None for an input that the outputs do not depend on, instead of an error.
        is_grads_batched: not supported.
        materialize_grads: give zeros for such an input.

    Raises:
        RuntimeError: an input is unused, or does not require a gradient, or as for :func:`backward`.

    Example:
        >>> import trainctl
        >>> x = trainctl.tensor(3.0, requires_grad=True)
        >>> (g,) = grad(x**3, x, create_graph=True)
        >>> grad(g, x)
        (tensor(18.),)
    """
    if is_grads_batched:
        raise RuntimeError("is_grads_batched=True is not supported; call grad() once for each gradient")
    roots, targets = _as_list(outputs), _as_list(inputs)
    for each in targets:
        if not each.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    seeds = _seeds(roots, _as_list(grad_outputs, len(roots)), create_graph)
    walk = _Walk(targets, create_graph if retain_graph is None else retain_graph, create_graph, accumulate=False)
    walk.run(roots, seeds)
    found = [walk.captured.get(_key(each)) for each in targets]
    if materialize_grads:
        found = [_zeros_like(target) if each is None else each for each, target in zip(found, targets, strict=True)]
    elif not allow_unused and any(each is None for each in found):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


class _Walk:
    """One walk: what has arrived where, and what is to be kept."""

    def __init__(self, targets: list[Tensor] | None, retain: bool, create_graph: bool, accumulate: bool) -> None:
        self.retain, self.create_graph, self.accumulate = retain, create_graph, accumulate
        self.targets = targets
        self.wanted = None if targets is None else {_key(each) for each in targets}
        self.inner = {} if targets is None else {_key(each): each for each in targets if not each.is_leaf}
        self.captured: dict[Any, Tensor] = {}
        self.pending: dict[Op, list[Tensor | None]] = {}
        self.heap: list[tuple[int, Op]] = []
        self.useful: set[Op] | None = None

    @quietly
    def run(self, roots: list[Tensor], seeds: list[Tensor]) -> None:
        before = state.grad
        state.grad = self.create_graph
        try:
            if self.wanted is not None:
                self.useful = _nodes_leading_to(roots, self.wanted)
            for root, seed in zip(roots, seeds, strict=True):
                edge = root.grad_edge()
                if type(edge) is tuple:
                    self._send(edge, seed)
                else:
                    self._arrive_at_leaf(edge, seed, fresh=False)
            while self.heap:
                _, node = heapq.heappop(self.heap)
                self._visit(node, self.pending.pop(node))
        finally:
            state.grad = before

    def _visit(self, node: Op, gys: list[Tensor | None]) -> None:
        if node._output_hooks is not None:
            _run_output_hooks(node, gys)
        if self.inner:
            for number, gy in enumerate(gys):
                if (node, number) in self.inner and gy is not None:
                    self._capture((node, number), gy)
        if self.useful is not None and node not in self.useful:
            return
        if len(gys) > 1 and node.materializes_gradients:
            gys = [_zeros(node.meta[i], node) if gy is None else gy for i, gy in enumerate(gys)]
        edges = node.edges
        if self.useful is not None:  # what nobody asked for is not computed
            node.edges = [edge if _leads_to(edge, self.wanted, self.useful) else None for edge in edges]
        try:
            gxs = node.backward(*gys)
        finally:
            node.edges = edges
        if type(gxs) is not tuple:
            gxs = (gxs,)
        if state.watcher is not None:
            state.watcher.saw_backward(node, gys, gxs)
        if node._hooks:
            gxs = _run_node_hooks(node, gxs, gys)
        for edge, gx in zip(edges, gxs, strict=False):
            if edge is None or gx is None:
                continue
            if type(edge) is tuple:
                self._send(edge, gx)
            else:
                self._arrive_at_leaf(edge, gx, _is_fresh(gx, gys, gxs, node))
        if not self.retain:
            node.release()

    def _send(self, edge: tuple[Op, int], gx: Tensor) -> None:
        """Let a gradient arrive at a node's output."""
        node, number = edge
        gx = fit_gradient(gx, *node.meta[number])
        arrived = self.pending.get(node)
        if arrived is None:
            if self.useful is not None and node not in self.useful and not self._captures(node):
                return
            arrived = self.pending[node] = [None] * len(node.meta)
            heapq.heappush(self.heap, (-node.sequence, node))
        there = arrived[number]
        arrived[number] = gx if there is None else there + gx

    def _captures(self, node: Op) -> bool:
        return any((node, number) in self.inner for number in range(len(node.meta)))

    def _arrive_at_leaf(self, leaf: Tensor, gx: Tensor, fresh: bool) -> None:
        """Let a gradient arrive at a leaf; ``fresh``: nobody else holds its array."""
        if self.wanted is not None and id(leaf) not in self.wanted:
            return
        fitted = fit_gradient(gx, leaf._array.shape, leaf._array.dtype)
        gx, fresh = fitted, fresh or fitted is not gx
        if leaf._hooks:
            for hook in tuple(leaf._hooks.values()):
                changed = hook(gx)
                gx = gx if changed is None else changed
            fresh = False
        if not self.accumulate:
            there = self.captured.get(id(leaf))
            self.captured[id(leaf)] = gx if there is None else there + gx
            return
        accumulate_grad(leaf, gx, fresh, self.create_graph)

    def _capture(self, key: Any, gy: Tensor) -> None:
        if self.accumulate:
            accumulate_grad(self.inner[key], gy, False, self.create_graph)
        else:
            self.captured[key] = gy


def accumulate_grad(leaf: Tensor, gx: Tensor, fresh: bool, create_graph: bool) -> None:
    """Add ``gx`` to ``leaf.grad``; take it over where it is fresh, copy it where it is somebody's."""
    there = leaf._grad
    if there is None:
        leaf._grad = gx if create_graph or (fresh and not gx._requires_grad) else Tensor._wrap(gx._array.copy())
    elif create_graph:
        leaf._grad = there + gx
    else:
        there._xp.add(there._array, gx._array, out=there._array)
        there._bump_version()
    if leaf._grad_hooks:
        for hook in tuple(leaf._grad_hooks.values()):
            hook(leaf)


def fit_gradient(gx: Tensor, shape: tuple[int, ...], array_dtype: Any) -> Tensor:
    """Return a gradient in its tensor's own shape and dtype: summed over what was broadcast, and cast.

    Raises:
        RuntimeError: the shape cannot come from broadcasting (a wrong backward).
    """
    array = gx._array
    if array.shape != shape:
        from trainctl.autograd.ops.broadcasting import sum_to_shape

        gx = sum_to_shape(gx, shape)
    if array.dtype != array_dtype:
        from trainctl.autograd.ops.cast import cast_gradient

        gx = cast_gradient(gx, array_dtype)
    return gx


def _is_fresh(gx: Tensor, gys: list[Tensor | None], gxs: tuple[Any, ...], node: Op) -> bool:
    """Return whether ``node`` made this gradient's array anew and gives it to one input alone."""
    if not node.gives_fresh_gradients or gx._array.base is not None:
        return False
    for gy in gys:
        if gx is gy:
            return False
    return len(gxs) == 1 or [id(each) for each in gxs].count(id(gx)) == 1


def _key(tensor: Tensor) -> Any:
    return _edge_key(tensor.grad_edge())


def _edge_key(edge: Any) -> Any:
    """Return a key for an edge; a leaf goes by its id, for ``==`` on tensors is elementwise."""
    return edge if type(edge) is tuple else id(edge)


def _nodes_leading_to(roots: list[Tensor], wanted: set[Any]) -> set[Op]:
    """Return the nodes through which a gradient reaches one of the wanted tensors."""
    seen: set[Op] = set()
    stack = [edge[0] for edge in (root.grad_edge() for root in roots) if type(edge) is tuple]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(edge[0] for edge in node.edges if type(edge) is tuple)
    useful: set[Op] = set()
    for node in sorted(seen, key=lambda each: each.sequence):  # inputs come before their consumers
        if any(_leads_to(edge, wanted, useful) for edge in node.edges):
            useful.add(node)
    return useful


def _leads_to(edge: Any, wanted: Any, useful: set[Op]) -> bool:
    """Return whether a gradient sent along an edge reaches one of the wanted tensors."""
    return edge is not None and (_edge_key(edge) in wanted or (type(edge) is tuple and edge[0] in useful))


def _run_output_hooks(node: Op, gys: list[Tensor | None]) -> None:
    """Run the hooks of the node's outputs, those that retain a gradient last."""
    for wanted in ("hook", "retain"):
        for (number, kind), hooks in tuple(node._output_hooks.items()):
            for hook in tuple(hooks.values()):
                if kind == wanted and gys[number] is not None:
                    changed = hook(gys[number])
                    gys[number] = gys[number] if changed is None else changed


def _run_node_hooks(node: Op, gxs: tuple[Any, ...], gys: list[Tensor | None]) -> tuple[Any, ...]:
    for hook in tuple(node._hooks.values()):
        changed = hook(gxs, tuple(gys))
        if changed is not None:
            gxs = changed if isinstance(changed, tuple) else (changed,)
    return gxs


def _as_list(value: Any, count: int | None = None) -> list[Any]:
    if value is None and count is not None:
        return [None] * count
    if isinstance(value, Tensor) or value is None:
        return [value]
    return list(value)


def _seeds(roots: list[Tensor], given: list[Any], create_graph: bool) -> list[Tensor]:
    """Return the gradient to start from for each root.

    Raises:
        RuntimeError: a root needs no gradient, or its starting gradient is missing or misshapen.
    """
    if len(given) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    seeds = []
    for number, (root, seed) in enumerate(zip(roots, given, strict=True)):
        if not root.requires_grad:
            raise RuntimeError(f"element {number} of tensors does not require grad and does not have a grad_fn")
        if seed is None:
            if root._array.size != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if root._array.dtype.kind == "c":
                raise RuntimeError(
                    "grad can be implicitly created only for real scalar outputs but got " + str(root.dtype)
                )
            seed = Tensor._wrap(root._xp.ones(root._array.shape, root._array.dtype))
        elif tuple(seed.shape) != tuple(root.shape):
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{number}] has a shape of {seed.shape} and "
                f"output[{number}] has a shape of {root.shape}."
            )
        seeds.append(seed)
    return seeds


def _zeros(meta: tuple[tuple[int, ...], Any], node: Op) -> Tensor:
    return Tensor._wrap(node.xp.zeros(*meta))


def _zeros_like(tensor: Tensor) -> Tensor:
    return Tensor._wrap(tensor._xp.zeros(tensor._array.shape, tensor._array.dtype))
