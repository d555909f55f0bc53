"""A module's tensors by path, out and in, by PyTorch's names for what a subclass may change about it."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.hooks import RemovableHandle, add_hook
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.members import Members
from trainctl.nn.uninitialized import is_lazy

_EXTRA = "_extra_state"


class _IncompatibleKeys(NamedTuple):
    """The paths that ``load_state_dict(strict=False)`` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Stateful(Members):
    """The part of :class:`trainctl.nn.Module` that saves and loads: ``state_dict`` and what goes into it."""

    _version: ClassVar[int] = 1
    dump_patches: ClassVar[bool] = False
    # Hooks, each table made when its first hook is registered.
    _state_dict_pre_hooks: Mapping[int, Any] = {}
    _state_dict_hooks: Mapping[int, Any] = {}
    _load_state_dict_pre_hooks: Mapping[int, Any] = {}
    _load_state_dict_post_hooks: Mapping[int, Any] = {}

    # -- out --------------------------------------------------------------------------------------------

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """Return path -> tensor for all parameters and persistent buffers, sharing their memory.

        Args:
            args: the three options below by position, as older code gives them (deprecated).
            destination: a dict to fill; default: a new one.
            prefix: put before each path.
            keep_vars: give the parameters themselves instead of tensors outside the graph.
        """
        if args:
            warnings.warn("Positional args are being deprecated, use kwargs instead.", FutureWarning, stacklevel=2)
        given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
        destination, prefix = given.get("destination", destination), given.get("prefix", prefix)
        keep_vars = given.get("keep_vars", keep_vars)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in tuple(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in tuple(self._state_dict_hooks.values()):
            hook(self, destination, prefix, metadata)
        return destination

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Put this module's own tensors, and those of none below it, into ``destination``."""
        for name, tensor in self._own_state().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if _overrides(self, "get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        """Return name -> tensor of the parameters and persistent buffers that are set."""
        buffers = {name: each for name, each in self._buffers.items() if name not in self._non_persistent}
        return {name: each for name, each in {**self._parameters, **buffers}.items() if each is not None}

    def get_extra_state(self) -> Any:
        """Return what the ``state_dict`` should have besides tensors; a subclass writes it and ``set_extra_state``."""
        raise RuntimeError(f"{type(self).__name__} has no get_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Take back what :meth:`get_extra_state` returned."""
        raise RuntimeError(f"{type(self).__name__} has no set_extra_state()")

    # -- in ---------------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy tensors into the parameters and buffers of the same path.

        Args:
            state_dict: path -> tensor.
            strict: the paths must be exactly this module's.
            assign: take the tensors themselves over instead of copying their elements.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            RuntimeError: missing or unexpected paths, or shapes that differ; all of them are listed and
                no tensor has been changed.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        load = _Load(getattr(state_dict, "_metadata", None), assign)
        load.walk(self, OrderedDict(state_dict), "")
        if strict:
            for what, keys in (("Unexpected", load.unexpected), ("Missing", load.missing)):
                if keys:
                    listed = ", ".join(f'"{key}"' for key in keys)
                    load.errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if load.errors:
            listed = "\n\t".join(load.errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}")
        with no_grad():
            for copy in load.copies:
                _put(*copy, assign)
        return _IncompatibleKeys(load.missing, load.unexpected)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Check what ``state_dict`` has for this module, and for none below it, and note what is to be copied.

        The copies go to ``local_metadata["copies"]``: they are made once all modules have been checked.
        """
        for hook in tuple(self._load_state_dict_pre_hooks.values()):
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        own = self._own_state()
        for name, tensor in own.items():
            key = prefix + name
            if key in state_dict:
                given = _as_saved_now(state_dict[key], tensor)
                problem = _difference(key, given, tensor)
                if problem is None:
                    table = self._parameters if name in self._parameters else self._buffers
                    local_metadata["copies"].append((table, name, given))
                else:
                    error_msgs.append(problem)
            elif strict:
                missing_keys.append(key)
        self._load_extra_state(state_dict, prefix + _EXTRA, strict, missing_keys, unexpected_keys)
        if strict:
            rest = (key for key in state_dict if key.startswith(prefix) and key != prefix + _EXTRA)
            for key in rest:
                first, dot, _ = key.removeprefix(prefix).partition(".")
                if first not in (self._modules if dot else own):
                    unexpected_keys.append(key)

    def _load_extra_state(
        self, state_dict: dict[str, Any], key: str, strict: bool, missing_keys: list[str], unexpected_keys: list[str]
    ) -> None:
        takes = _overrides(self, "set_extra_state")
        if takes and key in state_dict:
            self.set_extra_state(state_dict[key])
        elif strict and takes:
            missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)

    # -- hooks ------------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the module's state is collected."""
        return self._add_hook("_state_dict_pre_hooks", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after it; the hook may change the dict."""
        return self._add_hook("_state_dict_hooks", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook`` with the module and the arguments of ``_load_from_state_dict`` before the module loads."""

        def with_module(*args: Any) -> None:
            hook(self, *args)

        return self._add_hook("_load_state_dict_pre_hooks", with_module)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` when the module and all below it have been checked."""
        return self._add_hook("_load_state_dict_post_hooks", hook)

    def _add_hook(self, table: str, hook: Callable[..., Any]) -> RemovableHandle:
        return add_hook(self.__dict__.setdefault(table, {}), hook)


class _Load:
    """One ``load_state_dict``: what it has found so far."""

    def __init__(self, metadata: Mapping[str, Any] | None, assign: bool) -> None:
        self.metadata, self.assign = metadata or {}, assign
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.copies: list[tuple[dict[str, Any], str, Tensor]] = []

    def walk(self, module: Stateful, state_dict: dict[str, Any], prefix: str) -> None:
        """Check a module and those below it, each against its own part of the state."""
        metadata = {**self.metadata.get(prefix[:-1], {}), "copies": self.copies}
        if self.assign:
            metadata["assign_to_params_buffers"] = True
        module._load_from_state_dict(state_dict, prefix, metadata, True, self.missing, self.unexpected, self.errors)
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                part = {key: each for key, each in state_dict.items() if key.startswith(below)}
                self.walk(child, part, below)
        for hook in tuple(module._load_state_dict_post_hooks.values()):
            hook(module, _IncompatibleKeys(self.missing, self.unexpected))


def _overrides(module: Stateful, name: str) -> bool:
    return getattr(type(module), name) is not getattr(Stateful, name)


def _as_saved_now(given: Any, own: Tensor) -> Any:
    """Return a scalar that an old file holds as one element of a vector."""
    if isinstance(given, Tensor) and not is_lazy(own) and not is_lazy(given) and own.ndim == 0 and given.ndim == 1:
        return given[0]
    return given


def _difference(path: str, given: Any, own: Tensor) -> str | None:
    """Return why a tensor cannot be loaded, None if it can."""
    if not isinstance(given, Tensor):
        return (
            f'While copying the parameter named "{path}", expected trainctl.Tensor or Tensor-like object from '
            f"checkpoint but received {type(given)}"
        )
    if not is_lazy(own) and given.shape != own.shape:
        return (
            f"size mismatch for {path}: copying a param with shape {given.shape} from checkpoint, "
            f"the shape in current model is {own.shape}."
        )
    return None


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
