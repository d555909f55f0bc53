"""Which module of a model an error comes from: ``layers.2: Linear(128, 10) got [64, 100]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainctl.autograd.tensor import Tensor

if TYPE_CHECKING:
    from trainctl.nn.modules.module import Module

_BLAMED = "_trainctl_blamed"


def blame(error: Exception, module: Module, args: tuple[Any, ...]) -> None:
    """Add to a passing error, once, the path of the innermost module below the outermost caller's.

    The innermost module notes itself as the error passes; each module around it replaces the path by the
    one that leads from itself.
    """
    noted = getattr(error, _BLAMED, None)
    if noted is None:
        setattr(error, _BLAMED, (module, args, error.args))
        return
    innermost, given, original = noted
    path = next((name for name, each in module.named_modules() if each is innermost), None)
    if path and original and isinstance(original[0], str):
        error.args = (f"{original[0]}\n  in {path}: {innermost!r} got {describe(given)}", *original[1:])


def describe(args: tuple[Any, ...]) -> str:
    """Return the shapes of tensor arguments, and the types of others.

    Example:
        >>> import trainctl
        >>> describe((trainctl.ones(64, 100), None))
        '[64, 100], None'
    """
    return ", ".join(str(list(each.shape)) if isinstance(each, Tensor) else _other(each) for each in args)


def _other(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, (bool, int, float, str)) else type(value).__name__
