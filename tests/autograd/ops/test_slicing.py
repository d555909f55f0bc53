"""Parts along a dim, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from tests.scripts import Scripts
from trainctl.autograd.gradcheck import gradgradcheck


def aten_slice(lib, *args, **kwargs):
    """Call the op that PyTorch has under this name, for which its Python module has none."""
    return (lib.ops.aten if lib.__name__ == "torch" else lib).slice(*args, **kwargs)


SLICES = [
    case(A(5, 3)), case(A(5, 3), 0, 1), case(A(5, 3), 0, 1, 4, 2), case(A(5, 3), -1, -2), case(A(5, 3), 1, None, -1), case(A(5, 3), 0, -100, 100), case(A(5, 3), 0, 4, 1), case(A(0, 3), 0, 0, 1),
    case(A(5, 3, layout="T"), dim=0, start=1, end=-1, step=3), case(A(5, dtype="int64"), 0, 2), case(A(1), 0, 0, 1),
]  # fmt: skip
WINDOWS = [
    case(A(5), 0, 2, 1), case(A(7), 0, 3, 2), case(A(7), 0, 2, 3), case(A(6), 0, 2, 2), case(A(2, 5, 3), 1, 3, 1), case(A(2, 5, 3), -1, 2, 1), case(A(9), 0, 7, 1), case(A(5), 0, 5, 1), case(A(5), 0, 1, 1), case(A(5), 0, 0, 2),
    case(A(), 0, 1, 1), case(A(), -1, 0, 2), case(A(0, 3), 1, 2, 1), case(A(3, 0), 1, 0, 1), case(A(4, 5, layout="T"), 0, 2, 1), case(A(4, layout="step"), 0, 2, 1), case(A(5, dtype="int64"), 0, 2, 2), case(A(5), dimension=0, size=2, step=1),
]  # fmt: skip

ROWS = [
    Row("slice", SLICES, call=aten_slice),
    *(Row(name, [case(A(5, 3), 0, 1, 3), case(A(5, 3), 1, 0, 3), case(A(5), 0, 5, 0), case(A(5, 3, layout="T"), 0, 2, 2), case(A(5, dtype="int64"), 0, -3, 2, ), case(A(5, 3), dim=-1, start=1, length=2)])
      for name in ("narrow_copy", "Tensor.narrow_copy")),
    Row("Tensor.unfold", WINDOWS),
]  # fmt: skip

REFUSALS = [
    Refusal("slice", case(A(5), 1), IndexError, "got 1", aten_slice),
    Refusal("slice", case(A(), 0), IndexError, "0-dim", aten_slice),
    Refusal("slice", case(A(5), 0, 0, 5, 0), RuntimeError, r"positive, got 0.*flip", aten_slice),
    Refusal("slice", case(A(5), 0, 0, 5, -1), RuntimeError, "positive, got -1", aten_slice),
    Refusal("narrow_copy", case(A(5), 0, 3, 3), RuntimeError, "exceeds"),
    Refusal("Tensor.unfold", case(A(3), 0, 4, 1), RuntimeError, "dimension 0 is 3 but size is 4"),
    Refusal("Tensor.unfold", case(A(), 0, 2, 1), RuntimeError, "dimension 0 is 1 but size is 2"),
    Refusal("Tensor.unfold", case(A(3), 0, -1, 1), RuntimeError, "size is -1"),
    Refusal("Tensor.unfold", case(A(3), 0, 1, 0), RuntimeError, "step is 0"),
    Refusal("Tensor.unfold", case(A(3), 1, 1, 1), IndexError, "got 1"),
]

test_values, test_gradient, test_refusal = table("slicing", ROWS, REFUSALS)

scripts = Scripts()


@scripts.gives([0.0, 7.0, 7.0, 0.0])
def a_window_is_a_view(lib):
    x = lib.zeros(4)
    x.unfold(0, 2, 1)[1].fill_(7)
    return x


@scripts.gives(([1.0, 2.0, 4.0, 4.0], [1.0, 1.0, 2.0, 2.0]))
def gradients_flow_through_a_changed_window(lib):
    x = lib.tensor([1.0, 2.0, 2.0, 2.0], requires_grad=True)
    y = x * 1
    y.unfold(0, 2, 2)[1].mul_(2)
    y.sum().backward()
    return y, x.grad


@scripts.gives([0.0, 0.0, 0.0])
def a_narrow_copy_has_memory_of_its_own(lib):
    x = lib.zeros(3)
    x.narrow_copy(0, 0, 3).fill_(1)
    return x


test_script = scripts.test()


@pytest.mark.parametrize(("size", "step"), [(2, 1), (2, 3), (4, 1)])
def test_gradients_of_gradients_of_windows(size, step):
    x = trainctl.rand(5, dtype=trainctl.float64).requires_grad_()
    assert gradgradcheck(lambda x: x.unfold(0, size, step) ** 3, (x,))
