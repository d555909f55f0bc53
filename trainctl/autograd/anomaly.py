"""Anomaly detection: stop at the first op that makes a NaN, and name it and its module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from trainctl.autograd.observer import Observer
from trainctl.autograd.state import state

if TYPE_CHECKING:
    from trainctl.autograd.op import Op
    from trainctl.autograd.tensor import Tensor


class detect_anomaly:
    """Check every result, forward and backward, for NaN; much slower, for finding where one comes from.

    Args:
        check_nan: raise at the first NaN; with False only the module of each op is noted.

    Raises:
        RuntimeError: (inside the block) an op made a NaN; names the op and, inside a model, the module.

    Example:
        >>> import trainctl
        >>> with trainctl.autograd.detect_anomaly():
        ...     trainctl.tensor(-1.0).log()
        Traceback (most recent call last):
        RuntimeError: Log made a NaN from inputs without one
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._wanted = Watcher(check_nan)
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before, state.watcher = state.watcher, self._wanted
        return self

    def __exit__(self, *_: object) -> None:
        state.watcher = self._before


class set_detect_anomaly(detect_anomaly):
    """Turn anomaly detection on or off, at once as a call, or for a ``with`` block.

    Example:
        >>> with set_detect_anomaly(False):
        ...     state.watcher is None
        True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(check_nan)
        self._before = state.watcher
        state.watcher = self._wanted if mode else None

    def __enter__(self) -> Self:
        return self


class Watcher(Observer):
    """Looks at what each op makes, and knows which modules are being called."""

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan
        self.modules: list[Any] = []

    def call(self, module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a module's forward as the innermost module."""
        self.modules.append(module)
        try:
            return forward(*args, **kwargs)
        finally:
            self.modules.pop()

    def place(self) -> str:
        """Return the path of the innermost module below the outermost, with its class."""
        if not self.modules:
            return ""
        outer, inner = self.modules[0], self.modules[-1]
        path = next((name for name, each in outer.named_modules() if each is inner), "")
        return f" in {path or type(inner).__name__}: {inner!r}"

    def saw(self, node: Op, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """Note where an op was applied; raise RuntimeError if it made a NaN."""
        node.place = self.place()
        if self.check_nan and any(map(has_nan, outputs)) and not any(map(has_nan, inputs)):
            raise RuntimeError(f"{type(node).__name__} made a NaN{node.place} from inputs without one")

    def saw_backward(self, node: Op, gys: list[Any], gxs: tuple[Any, ...]) -> None:
        """Raise RuntimeError if a node's backward made a NaN."""
        if self.check_nan and any(map(has_nan, gxs)) and not any(map(has_nan, gys)):
            number = next(i for i, each in enumerate(gxs) if has_nan(each))
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {number}th output{node.place}.")


def has_nan(value: Any) -> bool:
    """Return whether a tensor holds a NaN (False for what is no tensor)."""
    array = getattr(value, "_array", None)
    if array is None or array.dtype.kind not in "fc":
        return False
    return bool(value._xp.isnan(array).any())


def is_anomaly_enabled() -> bool:
    """Return whether anomaly detection is on."""
    return isinstance(state.watcher, Watcher)
