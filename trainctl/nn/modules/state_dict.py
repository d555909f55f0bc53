"""A module's tensors by path, out and in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.tensor import Tensor
from trainctl.nn.uninitialized import is_lazy

if TYPE_CHECKING:
    from trainctl.nn.modules.module import Module


class LoadResult(NamedTuple):
    """The paths that ``load_state_dict(strict=False)`` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadResult(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def owners(module: Module, prefix: str = "") -> dict[str, tuple[dict[str, Any], str]]:
    """Return path -> (table, name) for every tensor of the module's state, shared ones under each path."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for name, parameter in module._parameters.items():
        if parameter is not None:
            found[prefix + name] = (module._parameters, name)
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent:
            found[prefix + name] = (module._buffers, name)
    for name, child in module._modules.items():
        if child is not None:
            found.update(owners(child, f"{prefix}{name}."))
    return found


def collect_state(module: Module, prefix: str, keep_vars: bool) -> dict[str, Tensor]:
    """Return path -> tensor, detached unless ``keep_vars``."""
    places = owners(module, prefix)
    return {path: table[name] if keep_vars else table[name].detach() for path, (table, name) in places.items()}


def load_state(module: Module, given: Mapping[str, Any], strict: bool, assign: bool) -> LoadResult:
    """Copy (or, with ``assign``, take over) the given tensors; nothing is changed if any does not fit.

    Raises:
        TypeError: ``given`` is no mapping.
        RuntimeError: what differs, all of it.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(given)}.")
    places = owners(module)
    missing = [path for path in places if path not in given]
    unexpected = [path for path in given if path not in places]
    problems = []
    if strict and unexpected:
        problems.append("Unexpected key(s) in state_dict: " + ", ".join(f'"{path}"' for path in unexpected) + ".")
    if strict and missing:
        problems.append("Missing key(s) in state_dict: " + ", ".join(f'"{path}"' for path in missing) + ".")
    for path, (table, name) in places.items():
        if path in given:
            problems.extend(_difference(path, given[path], table[name]))
    if problems:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(problems))
    with no_grad():
        for path, (table, name) in places.items():
            if path in given:
                _put(table, name, given[path], assign)
    return LoadResult(missing, unexpected)


def _difference(path: str, given: Any, own: Tensor) -> list[str]:
    if not isinstance(given, Tensor):
        return [f'While copying the parameter named "{path}", expected trainctl.Tensor but received {type(given)}.']
    if not is_lazy(own) and given.shape != own.shape:
        return [
            f"size mismatch for {path}: copying a param with shape {given.shape} from checkpoint, "
            f"the shape in current model is {own.shape}."
        ]
    return []


def _put(table: dict[str, Any], name: str, given: Tensor, assign: bool) -> None:
    own = table[name]
    if is_lazy(own) and not is_lazy(given):
        own.materialize(given.shape)
    if is_lazy(given):
        return
    if not assign:
        own.copy_(given)
    elif type(own) is type(given) or not own.requires_grad:
        table[name] = given
    else:
        table[name] = type(own)(given, requires_grad=own.requires_grad)
