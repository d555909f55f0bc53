"""Every name of ``surface.txt`` is there, in each form that PyTorch gives it where PyTorch is installed to ask."""

from __future__ import annotations

import inspect
import re
import types
from pathlib import Path
from typing import Any

import pytest

import trainctl
from tests.backend.test_device_ops import rows

try:
    import torch
except ModuleNotFoundError:
    torch = None

PLACES = (
    "autograd", "nn", "nn.functional", "nn.init", "nn.Module", "nn.utils", "optim", "optim.lr_scheduler", "optim.swa_utils",
)  # fmt: skip
SURFACE = Path(__file__).with_name("surface.txt").read_text()


def names(section: str) -> list[str]:
    """Return the names listed under a section's heading."""
    text = re.sub("#.*", "", SURFACE)
    return re.search(rf"^\[{re.escape(section)}\]([^\[]*)", text, re.MULTILINE)[1].split()


def member(owner: Any, path: str) -> Any:
    """Return what a dotted path names, None if there is no such thing."""
    for part in path.split("."):
        owner = getattr(owner, part, None)
    return owner


def is_function(found: Any, library: Any) -> bool:
    return callable(found) and not isinstance(found, (type, library.dtype))


def forms(library: Any, name: str) -> set[str]:
    """Return how a library offers an op: by which function, method or property of ``Tensor``, in-place form."""
    module, _, leaf = name.rpartition(".")
    found = {name} if is_function(member(library, name), library) else set()
    if module and is_function(member(library, f"{name}_"), library):
        found.add(f"{name}_")
    if module != "linalg":  # Tensor.norm is torch.norm, Tensor.cross is torch.cross
        found |= {f"Tensor.{each}" for each in (leaf, f"{leaf}_") if hasattr(library.Tensor, each)}
    return found


@pytest.mark.parametrize("name", names("ops"))
def test_an_op_has_the_forms_that_pytorch_gives_it(name):
    here = forms(trainctl, name)
    assert here
    if torch is not None:
        assert here >= forms(torch, name)


@pytest.mark.parametrize("name", names("operators"))
def test_a_tensor_has_pytorch_s_operators(name):
    assert name in dir(trainctl.Tensor)
    assert torch is None or name in dir(torch.Tensor)


@pytest.mark.parametrize(
    "name", [*names("functions"), *(f"{place}.{name}" for place in PLACES for name in names(place))]
)
def test_a_function_or_class_is_where_pytorch_has_it(name):
    assert callable(member(trainctl, name))
    assert torch is None or name == "nms" or callable(member(torch, name))  # nms is torchvision's


def arguments(function: Any) -> list[str]:
    """Return the names of a function's arguments but for those that say where and of what type a result is."""
    parameters = inspect.signature(function).parameters.values()
    named = [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return [each for each in named if each not in ("device", "dtype", "_stacklevel")]


@pytest.mark.parametrize(
    "section", ["nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler", "optim.swa_utils"]
)
def test_arguments_have_pytorch_s_names_and_order(section):
    pytest.importorskip("torch", reason="needs the extra `parity`")
    ops = [name for name in names("ops") if name.startswith(f"{section}.")]
    for name in [*ops, *(f"{section}.{name}" for name in names(section))]:
        here, there = member(trainctl, name), member(torch, name)
        if here is not None and not isinstance(there, types.BuiltinFunctionType):  # those do not tell
            wanted = arguments(there)
            assert arguments(here)[: len(wanted)] == wanted, name


@pytest.mark.parametrize("name", names("dtypes"))
def test_a_dtype(name):
    dtype = getattr(trainctl, name)
    assert isinstance(dtype, trainctl.dtype)
    assert trainctl.ones(2, dtype=dtype).tolist() == [1, 1]


def test_every_section_is_looked_at_and_nothing_is_listed_twice():
    sections = re.findall(r"^\[(.*)\]", SURFACE, re.MULTILINE)
    assert set(sections) == {"ops", "operators", "functions", "dtypes", *PLACES}
    for section in sections:
        assert len(names(section)) == len(set(names(section))) > 0
    assert len(names("ops")) == 353


def test_every_op_has_a_row_in_a_table():
    """A name that is there without a row has never been compared with PyTorch."""
    labels = {row.id for row in rows()}
    words = {word for label in labels for word in re.findall(r"\w+", label)}
    aliases = {"__getitem__": "getitem", "true_divide": "div"}
    missing = [name for name in names("ops") if aliases.get(name, name).rpartition(".")[2] not in words]
    assert missing == []
