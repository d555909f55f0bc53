"""The ops, by family; each is one class (forward directly above backward) and its public function.

A family says where its functions go, as space-separated names (``other=name`` for a second name):

``METHODS``      methods of ``Tensor``
``PROPERTIES``   properties of ``Tensor``
``SETTERS``      what assigning to a property does
``IN_PLACE``     methods with an underscore, which write the value into the tensor
``IN_PLACE_VIEWS``  likewise, where the tensor becomes the view
``FUNCTIONS``    ``trainctl.name``
``FUNCTIONAL``   ``trainctl.nn.functional.name``
``LINALG``       ``trainctl.linalg.name``
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any


@cache
def families() -> tuple[ModuleType, ...]:
    """Return the modules of all families, imported."""
    return tuple(importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))


def listed(kind: str) -> dict[str, Any]:
    """Return name -> function for what the families list under ``kind``.

    Raises:
        ValueError: two families list one name.

    Example:
        >>> listed("FUNCTIONS")["relu"].__name__
        'relu'
    """
    found: dict[str, Any] = {}
    for family in families():
        for entry in getattr(family, kind, "").split():
            name, _, source = entry.partition("=")
            if name in found:
                raise ValueError(f"{name} is listed twice under {kind}, the second time by {family.__name__}")
            found[name] = getattr(family, source or name)
    return found
