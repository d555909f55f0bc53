"""What a module owns: parameters, buffers and submodules by name, and the walk over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from trainctl.autograd.tensor import Tensor
from trainctl.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from trainctl.nn.modules.module import Module


# What each table holds, in the order in which an assignment looks for its name.
_KINDS = {
    "_parameters": ("parameter", "trainctl.nn.Parameter"),
    "_modules": ("child module", "trainctl.nn.Module"),
    "_buffers": ("buffer", "trainctl.nn.Buffer, trainctl.Tensor"),
}


class Members:
    """The part of :class:`trainctl.nn.Module` that keeps members: assignment registers, paths find."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent: set[str]

    def _get_name(self) -> str:
        return type(self).__name__

    def _start(self) -> None:
        put = super().__setattr__
        put("_parameters", {})
        put("_buffers", {})
        put("_non_persistent", set())
        put("_modules", {})

    # -- attributes -----------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        tables, home = self.__dict__, _home(value)
        if "_parameters" not in tables:
            if home is not None:
                kind = {"_modules": "module"}.get(home, home.removeprefix("_"))
                raise AttributeError(
                    f"cannot assign {kind} before Module.__init__() call: call super().__init__() first"
                )
            super().__setattr__(name, value)
            return
        for table, (kind, wanted) in _KINDS.items():
            if table == home:
                self._register(table, name, value)
                return
            if name in tables[table]:  # the name is taken, and holds on to what it may hold
                if value is not None and not (table == "_buffers" and isinstance(value, Tensor)):
                    raise TypeError(
                        f"cannot assign '{type(value).__name__}' as {kind} '{name}' ({wanted} or None expected)"
                    )
                tables[table][name] = value
                return
        super().__setattr__(name, value)

    def _register(self, home: str, name: str, value: Any) -> None:
        """Put a member into its table and take the name out of wherever else it was."""
        self.__dict__.pop(name, None)
        for table in _KINDS:
            if table != home:
                self.__dict__[table].pop(name, None)
        self.__dict__[home][name] = value
        if isinstance(value, Buffer):
            (self._non_persistent.discard if value.persistent else self._non_persistent.add)(name)

    def __getattr__(self, name: str) -> Any:
        tables = self.__dict__
        for table in _KINDS:
            if table in tables and name in tables[table]:
                return tables[table][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in _KINDS:
            if name in self.__dict__[table]:
                del self.__dict__[table][name]
                self._non_persistent.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[0].isdigit())  # "0" is no attribute that one could write

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; None keeps the name for later.

        Raises:
            KeyError: the name is empty, has a dot, or is taken.
            TypeError: not a Parameter.
        """
        self._check_name("parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' (trainctl.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but no parameter (running statistics); ``persistent``: part of ``state_dict``.

        Raises:
            KeyError: the name is empty, has a dot, or is taken.
            TypeError: not a Tensor.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (trainctl Tensor or None required)"
            )
        self._buffers[name] = tensor
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under ``name``.

        Raises:
            KeyError: the name is empty, has a dot, or is taken.
            TypeError: not a Module.
        """
        if module is not None and not isinstance(module, Members):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = module

    register_module = add_module

    def _check_name(self, kind: str, name: str, table: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call: call super().__init__() first")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if not name:
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[table]:
            raise KeyError(f"attribute '{name}' already exists")

    def get_submodule(self, target: str) -> Module:
        """Return the submodule at a dotted path.

        Raises:
            AttributeError: there is none.
        """
        module: Any = self
        for name in filter(None, target.split(".")):
            module = module._member(name, Members, "an nn.Module")
        return module

    def _member(self, name: str, kind: type, what: str) -> Any:
        """Return an attribute, which must be of a kind."""
        if not hasattr(self, name):
            raise AttributeError(f"{self._get_name()} has no attribute `{name}`")
        found = getattr(self, name)
        if not isinstance(found, kind):
            raise AttributeError(f"`{name}` is not {what}")
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path in place of another or, without ``strict``, where there was none.

        Raises:
            ValueError: an empty path, or ``module`` is no module.
            AttributeError: a part of the path does not exist, or is no module.
        """
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Members):
            raise ValueError("`module` is not an nn.Module, found " + type(module).__name__)
        parent: Any = self.get_submodule(path)
        if strict or hasattr(parent, name):
            parent._member(name, Members, "an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a dotted path.

        Raises:
            AttributeError: there is none.
        """
        path, _, name = target.rpartition(".")
        return self.get_submodule(path)._member(name, Parameter, "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at a dotted path.

        Raises:
            AttributeError: there is none.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = module._member(name, Tensor, "a buffer")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    # -- walking the tree -----------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield (path, module) for this module and all below, each module once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the modules directly below, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the modules directly below, each once."""
        return (module for _, module in self.named_children())

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in module.__dict__[table].items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter), each parameter once even where it is shared."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (path, buffer), each buffer once."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))


def _home(value: Any) -> str | None:
    """Return the table in which a value is registered."""
    if isinstance(value, Parameter):
        return "_parameters"
    if isinstance(value, Members):
        return "_modules"
    return "_buffers" if isinstance(value, Buffer) else None
