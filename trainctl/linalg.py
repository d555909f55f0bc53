"""Linear algebra under PyTorch's names: ``trainctl.linalg.inv``, ``from trainctl import linalg``.

The functions are listed by the families of ops (``LINALG`` in :mod:`trainctl.autograd.ops`).

Example:
    >>> import trainctl
    >>> trainctl.linalg.det(trainctl.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor(6.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainctl.autograd.out import public

globals().update(public("LINALG"))

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
