"""Tables of short scripts, each run on trainctl and, where it is installed, on PyTorch.

A script is a function of the library. What it must give stands beside it, so that it means something without
PyTorch; that PyTorch gives the same shows that the expectation is right. Where the outcome is too long to write
down, the two libraries are compared with each other.

    scripts = Scripts()

    @scripts.gives([4.0])
    def a_leaf_used_twice(lib):
        w = lib.tensor([2.0], requires_grad=True)
        (w * w).sum().backward()
        return w.grad

    test_script = scripts.test()
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Run = Callable[[Any], Any]


@dataclass(frozen=True)
class Script:
    """A function of the library and the check that its outcome must pass.

    Args:
        run: the script.
        check: takes the script and the library.
        libraries: those it is run on.
    """

    run: Run
    check: Callable[[Run, Any], None]
    libraries: tuple[str, ...] = ("trainctl", "torch")


class Scripts(list[Script]):
    """A table of scripts; the methods are decorators that add to it."""

    def gives(self, expected: Any, rtol: float = 1e-6) -> Callable[[Run], Run]:
        """The script's outcome, in Python's own types, is ``expected``."""

        def check(run: Run, library: Any) -> None:
            assert_same(plain(run(library), library), expected, rtol)

        return lambda run: self._add(Script(run, check))

    def raises(self, error: type[Exception], match: str) -> Callable[[Run], Run]:
        """The script ends in this very error, with a message in which ``match`` is found."""

        def check(run: Run, library: Any) -> None:
            with pytest.raises(error, match=match) as caught:
                run(library)
            assert caught.type is error

        return lambda run: self._add(Script(run, check))

    def agrees(self, rtol: float = 1e-6, atol: float = 0.0) -> Callable[[Run], Run]:
        """The script gives with trainctl what it gives with PyTorch."""

        def check(run: Run, library: Any) -> None:
            ours = importlib.import_module("trainctl")
            assert_same(plain(run(ours), ours), plain(run(library), library), rtol, atol)

        return lambda run: self._add(Script(run, check, ("torch",)))

    def _add(self, script: Script) -> Run:
        self.append(script)
        return script.run

    def test(self) -> Callable[..., None]:
        """Return the test of every script on every library."""

        def run_script(script: Script, name: str) -> None:
            script.check(script.run, load(name))

        rows = [pytest.param(each, name, id=f"{each.run.__name__}-{name}") for each in self for name in each.libraries]
        return pytest.mark.parametrize(("script", "name"), rows)(run_script)


def load(name: str) -> ModuleType:
    """Return a library; the test is skipped where PyTorch is not installed."""
    library = pytest.importorskip(name, reason="needs the extra `parity`") if name == "torch" else None
    return library or importlib.import_module(name)


def plain(value: Any, library: Any) -> Any:
    """Return a script's outcome in Python's and NumPy's own types, with the library's name made ``lib``."""
    if isinstance(value, library.Tensor):
        return value.detach().tolist()
    if isinstance(value, library.Size):
        return list(value)
    if isinstance(value, (library.dtype, library.device)):
        return plain(str(value), library)
    if isinstance(value, str):
        return re.sub(r"\b(trainctl|torch)\b", "lib", value)
    if isinstance(value, dict):
        return {plain(key, library): plain(each, library) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(each, library) for each in value)
    return value


def assert_same(got: Any, want: Any, rtol: float = 1e-6, atol: float = 0.0) -> None:
    """Assert equality through containers: types too, and floats to a tolerance (NaN equals NaN)."""
    assert type(got) is type(want), f"got {got!r}, expected {want!r}"
    if isinstance(want, dict):
        assert list(got) == list(want)
        for key, each in want.items():
            assert_same(got[key], each, rtol, atol)
    elif isinstance(want, (list, tuple)):
        assert len(got) == len(want), f"got {got!r}, expected {want!r}"
        for mine, theirs in zip(got, want, strict=True):
            assert_same(mine, theirs, rtol, atol)
    elif isinstance(want, (float, complex, np.ndarray)):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)
        assert not isinstance(want, np.ndarray) or got.dtype == want.dtype
    else:
        assert got == want, f"got {got!r}, expected {want!r}"
