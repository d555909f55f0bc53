"""A tensor is shown as PyTorch shows it, to the letter.

``reprs.txt`` holds expressions and what PyTorch prints for them; both libraries are held to it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import trainctl
from tests.scripts import load

TABLE = (Path(__file__).parent / "reprs.txt").read_text()
EXAMPLES = [tuple(each.strip().split("\n", 1)) for each in TABLE.split(">>> ")[1:]]


class Names(dict):
    """The names an expression may use: the library's, and Python's where the library's is a dtype."""

    def __missing__(self, name):
        return {"float": float, "complex": complex}.get(name) or getattr(self["library"], name)


@pytest.mark.parametrize("name", ["trainctl", "torch"])
@pytest.mark.parametrize(("expression", "want"), EXAMPLES, ids=[source for source, _ in EXAMPLES])
def test_repr(expression, want, name):
    got = repr(eval(expression, {}, Names(library=load(name))))
    assert got.replace("torch.", "trainctl.") == want


def random_array(draw):
    """Return an array of any kind, magnitude and shape, with zeros, infinities and NaN in some."""
    shape = draw.choice([0, 1, 2, 3, 5, 9, 30], size=draw.randint(5), p=[0.02, 0.2, 0.2, 0.2, 0.2, 0.13, 0.05])
    kind = np.dtype(draw.choice(["float16", "float32", "float64", "int8", "int64", "bool", "complex64", "complex128"]))
    values = np.asarray(draw.randn(*shape) * 10.0 ** draw.randint(-7, 10))
    values = np.round(values) if draw.rand() < 0.3 else values
    values = np.asarray(values * (draw.rand(*shape) < 0.5)) if draw.rand() < 0.2 else values
    if kind.kind in "fc" and draw.rand() < 0.2:
        values = np.where(draw.rand(*shape) < 0.3, draw.choice([np.inf, -np.inf, np.nan]), values)
    with np.errstate(all="ignore"):
        if kind.kind == "c":
            values = values + 1j * draw.permutation(values.ravel()).reshape(shape)
        return np.asarray(values).astype(kind)


@pytest.mark.parametrize("seed", range(10))
def test_random_tensors_are_shown_as_torch_shows_them(seed):
    torch, draw = load("torch"), np.random.RandomState(seed)
    for array in [random_array(draw) for _ in range(30)]:
        want = repr(torch.from_numpy(array.copy())).replace("torch.", "trainctl.")
        assert repr(trainctl.from_numpy(array)) == want


def test_str_is_repr():
    x = trainctl.ones(2)
    assert str(x) == repr(x) == f"{x}" == "tensor([1., 1.])"


def test_lists_of_tensors_show_each():
    assert repr([trainctl.ones(1), trainctl.tensor(2)]) == "[tensor([1.]), tensor(2)]"


def test_the_default_dtype_is_not_named():
    try:
        trainctl.set_default_dtype(trainctl.float64)
        assert repr(trainctl.ones(1)) == "tensor([1.])"
        assert repr(trainctl.ones(1) * 1j) == "tensor([0.+1.j])"
        assert repr(trainctl.ones(1, dtype=trainctl.float32)) == "tensor([1.], dtype=trainctl.float32)"
    finally:
        trainctl.set_default_dtype(trainctl.float32)


def test_showing_a_tensor_leaves_the_graph_alone():
    x = trainctl.ones(2, requires_grad=True)
    y = x * 2
    repr(y)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
