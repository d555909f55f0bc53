"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from trainctl.autograd.grad_mode import enable_grad, no_grad
from trainctl.autograd.state import quietly
from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import Array
from trainctl.optim.line_search import Point, strong_wolfe
from trainctl.optim.optimizer import Optimizer, check_not_negative


class LBFGS(Optimizer):
    """Limited-memory BFGS (Nocedal, 1980), as PyTorch defines it: ``step`` takes a closure that evaluates the loss.

    Args:
        params: parameters; one group of them.
        lr: learning rate.
        max_iter: iterations of one step.
        max_eval: evaluations of the loss in one step; default: ``1.25 * max_iter``.
        tolerance_grad: stop where no element of the gradient is larger.
        tolerance_change: stop where the loss, or the largest element of a step, changes less.
        history_size: how many steps are remembered.
        line_search_fn: ``"strong_wolfe"``, or None for steps of fixed length.

    Raises:
        ValueError: a negative learning rate, or several groups.

    Example:
        >>> import trainctl
        >>> w = trainctl.tensor([4.0, -3.0], requires_grad=True)
        >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - 1) ** 2 * trainctl.tensor([1.0, 10.0])).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
        tensor(169., grad_fn=<SumBackward0>)
        >>> w
        tensor([1.0000, 1.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_not_negative(lr=lr)
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @no_grad()
    @quietly
    def step(self, closure: Callable[[], Any]) -> Any:
        """Take up to ``max_iter`` iterations, and return the loss before them.

        Args:
            closure: clears the gradients, evaluates the loss, runs backward and returns the loss.

        Raises:
            RuntimeError: an unknown line search.
        """
        evaluate, group = enable_grad()(closure), self.param_groups[0]
        state = self.state[group["params"][0]]  # there is one for all, kept with the first, as in PyTorch
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = evaluate()
        loss, gradient, evaluations = float(first), self._gradient(), 1
        state["func_evals"] += 1
        if _largest(gradient) <= group["tolerance_grad"]:
            return first
        for remaining in reversed(range(group["max_iter"])):
            state["n_iter"] += 1
            self._choose(gradient, loss, state, group)
            if gradient.dot(state["d"]) > -group["tolerance_change"]:
                break
            if group["line_search_fn"] is None:
                tried, loss, gradient = self._move(evaluate, state, loss, gradient, last=remaining == 0)
            else:
                tried, loss, gradient = self._search(evaluate, state, loss, gradient, group["max_eval"] - evaluations)
            evaluations += tried
            state["func_evals"] += tried
            if (
                evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(state["d"] * state["t"]) <= group["tolerance_change"]
                or abs(loss - state["prev_loss"]) < group["tolerance_change"]
            ):
                break
        return first

    def _choose(self, gradient: Tensor, loss: float, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Set the direction and length of the next step, and remember from where it starts."""
        lr = group["lr"].item() if isinstance(group["lr"], Tensor) else group["lr"]
        if state["n_iter"] == 1:
            state.update(d=-gradient, t=None, old_dirs=[], old_stps=[], ro=[], H_diag=1)
        else:
            _remember(gradient - state["prev_flat_grad"], state["d"] * state["t"], state, group["history_size"])
            state["d"] = _direction(gradient, state, group["history_size"])
        state["t"] = min(1.0, 1.0 / gradient.abs().sum()) * lr if state["n_iter"] == 1 else lr
        state["prev_flat_grad"], state["prev_loss"] = gradient.clone(), loss

    def _move(
        self, evaluate: Callable[[], Any], state: dict[str, Any], loss: float, gradient: Tensor, last: bool
    ) -> tuple[int, float, Tensor]:
        """Take the step; return how often the loss was evaluated, the loss and the gradient."""
        self._add(state["t"], state["d"])
        return (0, loss, gradient) if last else (1, float(evaluate()), self._gradient())

    def _search(
        self, evaluate: Callable[[], Any], state: dict[str, Any], loss: float, gradient: Tensor, limit: int
    ) -> tuple[int, float, Tensor]:
        """Take the step that a line search finds; return as :meth:`_move`.

        Raises:
            RuntimeError: an unknown line search.
        """
        group, direction = self.param_groups[0], state["d"]
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError(f"only 'strong_wolfe' is supported, got {group['line_search_fn']!r}")
        places = [parameter._array.copy() for parameter in group["params"]]

        def at(t: Any) -> Point:
            self._add(t, direction)
            value, there = float(evaluate()), self._gradient()
            for parameter, place in zip(group["params"], places, strict=True):
                parameter._array[...] = place
            return Point(t, value, there, there.dot(direction))

        start = Point(0, loss, gradient, gradient.dot(direction))
        found, tried = strong_wolfe(at, start, state["t"], _largest(direction), limit)
        state["t"] = found.t
        self._add(found.t, direction)
        return tried, found.loss, found.grad

    def _gradient(self) -> Tensor:
        """Return all gradients as one vector; a complex number counts as two."""
        flat = []
        for parameter in self.param_groups[0]["params"]:
            array = parameter._xp.zeros_like(parameter._array) if parameter.grad is None else parameter.grad._array
            flat.append(_flat(parameter._xp, array))
        return Tensor._wrap(parameter._xp.concatenate(flat))

    def _add(self, t: Any, direction: Tensor) -> None:
        """Add ``t`` times a vector to all parameters."""
        begin, step = 0, direction._array * float(t)
        for parameter in self.param_groups[0]["params"]:
            w = parameter._array
            is_complex = w.dtype.kind == "c"
            count = w.size * (2 if is_complex else 1)
            part = step[begin : begin + count]
            w += (part.view(w.dtype) if is_complex else part).reshape(w.shape)
            parameter._bump_version()
            begin += count


def _flat(xp: Any, array: Array) -> Array:
    """Return the elements as one real vector."""
    flat = xp.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _largest(vector: Tensor) -> Tensor:
    return vector.abs().max()


def _remember(change: Tensor, step: Tensor, state: dict[str, Any], limit: int) -> None:
    """Add a step, and how it changed the gradient, to the history, if the loss curves upwards along it."""
    curvature = change.dot(step)
    if curvature <= 1e-10:
        return
    history = (state["old_dirs"], change), (state["old_stps"], step), (state["ro"], 1.0 / curvature)
    for kept, new in history:
        if len(kept) == limit:
            kept.pop(0)
        kept.append(new)
    state["H_diag"] = curvature / change.dot(change)


def _direction(gradient: Tensor, state: dict[str, Any], limit: int) -> Tensor:
    """Return minus the gradient times the inverse Hessian that the history suggests (the two loops of L-BFGS)."""
    pasts = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
    weights = state.setdefault("al", [None] * limit)
    direction = -gradient
    for number, (change, step, ro) in reversed(list(enumerate(pasts))):
        weights[number] = step.dot(direction) * ro
        direction -= change * weights[number]
    direction = direction * state["H_diag"]
    for number, (change, step, ro) in enumerate(pasts):
        direction += step * (weights[number] - change.dot(direction) * ro)
    return direction
