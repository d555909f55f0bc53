"""Patterns over the names of a model's tensors: ``*.bias``, ``0.*``, as a shell's are over files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any


def matching(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the names that one of the patterns fits, in their order.

    Example:
        >>> matching(["*.bias", "0.*"], ["0.weight", "0.bias", "1.weight", "1.bias"])
        ['0.weight', '0.bias', '1.bias']
    """
    patterns = list(patterns)
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def hint(pattern: str, names: Iterable[str]) -> str:
    """Return what to write instead of a pattern that fits no name.

    Example:
        >>> hint("0.wieght", ["0.weight", "0.bias"]), hint("features", ["features.0.weight"])
        ("did you mean '0.weight'?", "did you mean 'features.*'?")
    """
    names = list(names)
    if any(name.startswith(pattern.rstrip(".") + ".") for name in names):
        return f"did you mean '{pattern.rstrip('.')}.*'?"
    kinds = {f"*.{name.rpartition('.')[2]}": None for name in names}
    near = difflib.get_close_matches(pattern, [*names, *kinds], n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return f"the names are {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def parameter_names(model: Any) -> dict[str, Any]:
    """Return a model's parameters by name; one that is used twice has both names."""
    return dict(model.named_parameters(remove_duplicate=False))


def tensor_names(model: Any) -> list[str]:
    """Return the names in a model's ``state_dict``: parameters and buffers."""
    return list(model.state_dict())


def freeze(model: Any, patterns: Iterable[str]) -> None:
    """Let the parameters that a pattern fits stay as they are: they get no gradient.

    Example:
        >>> from trainctl import nn
        >>> model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
        >>> freeze(model, ["0.*"])
        >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        ['1.weight', '1.bias']
    """
    parameters = parameter_names(model)
    for name in matching(patterns, parameters):
        parameters[name].requires_grad_(False)


def frozen_statistics(model: Any, patterns: Iterable[str]) -> list[Any]:
    """Return the modules that have a buffer which a pattern fits: batch norms whose running statistics are to stay.

    They have to be in evaluation mode while the others learn.

    Example:
        >>> from trainctl import nn
        >>> model = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2))
        >>> frozen_statistics(model, ["0.*"]) == [model[0]], frozen_statistics(model, ["*.weight"])
        (True, [])
    """
    patterns, found = list(patterns), []
    for prefix, module in model.named_modules():
        names = [f"{prefix}.{name}" if prefix else name for name, _ in module.named_buffers(recurse=False)]
        if matching(patterns, names):
            found.append(module)
    return found
