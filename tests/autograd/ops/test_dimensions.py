"""Dims moved, exchanged and added, against PyTorch and against differences."""

from __future__ import annotations

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from tests.scripts import Scripts

ROWS = [
    *(Row(name, [
        case(A(2, 3, 4), 0, 2), case(A(2, 3, 4), -1, 0), case(A(2, 3, 4), (0, 1), (-1, 0)), case(A(2, 3, 4), [2, 0, 1], [0, 1, 2]), case(A(2, 3), (), ()), case(A(), 0, -1), case(A(), (), ()), case(A(0, 3), 0, 1),
        case(A(2, 3, 4, layout="T"), source=1, destination=2), case(A(2, 3, dtype="int64"), 0, 1),
    ]) for name in ("movedim", "Tensor.movedim", "moveaxis", "Tensor.moveaxis")),
    *(Row(name, [case(A(2, 3, 4), 0, -1), case(A(2, 3), 1, 1), case(A(), 0, -1), case(A(0, 3), 0, 1)])
      for name in ("swapaxes", "Tensor.swapaxes", "Tensor.swapaxes_", "swapdims", "Tensor.swapdims", "Tensor.swapdims_")),
    Row("exchanged_by_name", [case(A(2, 3))], call=lambda lib, x: (lib.swapaxes(x, axis0=0, axis1=1), lib.swapdims(x, dim0=0, dim1=1))),
    *(Row(name, [case(A(2, 3)), case(A()), case(A(3)), case(A(0, 3)), case(A(2, 3, layout="T")), case(A(3, layout="step")), case(A(2, 3, dtype="bool"))]) for name in ("ravel", "Tensor.ravel")),
    *(Row(name, [case(A()), case(A(3)), case(A(2, 3)), case(A(1, 2, 3)), case(A(2, 1, 2, 1)), case(A(0)), case(A(3, layout="step")), case(A(), A(2), A(2, 3)), case([A(dtype="int64"), A(2)]), case(())])
      for name in ("atleast_1d", "atleast_2d", "atleast_3d")),
]  # fmt: skip

REFUSALS = [
    Refusal("movedim", case(A(2, 3), 2, 0), IndexError, "got 2"),
    Refusal("movedim", case(A(2, 3), (0, 1), (0,)), RuntimeError, r"source \(\[0, 1\] dims\).*destination \(\[0\] dims\)"),
    Refusal("movedim", case(A(2, 3), (0, 0), (0, 1)), RuntimeError, r"`source` \(\[0, 0\]\)"),
    Refusal("movedim", case(A(2, 3), (0, 1), (1, -1)), RuntimeError, r"`destination` \(\[1, -1\]\)"),
    Refusal("movedim", case(A(2, 3), 0, (1,)), TypeError, "both be ints"),
    Refusal("swapaxes", case(A(2, 3), 0, 2), IndexError, "got 2"),
    Refusal("atleast_1d", case(2), TypeError, "int"),
    Refusal("atleast_2d", case((A(2),), A(2)), TypeError, "tuple"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("dimensions", ROWS, REFUSALS)

scripts = Scripts()


@scripts.gives((True, True, False, False))
def ravel_copies_what_does_not_lie_in_order(lib):
    x = lib.zeros(2, 4)
    return tuple(each.ravel().data_ptr() == each.data_ptr() for each in (x, x[1], x.t(), x[:, ::2]))


@scripts.gives((True, True, False))
def what_has_the_dims_is_returned_itself(lib):
    x = lib.zeros(2, 3)
    return lib.atleast_2d(x) is x, lib.atleast_1d([x])[0] is x, lib.atleast_3d(x) is x


@scripts.gives([[5.0, 0.0], [5.0, 0.0]])
def moved_dims_are_a_view(lib):
    x = lib.zeros(2, 2)
    lib.movedim(x, 0, 1)[0] = 5
    return x


@scripts.gives(([4.0, 2.0], [2.0, 1.0]))
def gradients_flow_through_a_changed_view(lib):
    x = lib.tensor([2.0, 2.0], requires_grad=True)
    y = x * 1
    lib.atleast_2d(y)[0, 0] *= 2
    y.sum().backward()
    return y, x.grad


test_script = scripts.test()


def test_a_new_dim_is_a_view():
    x = trainctl.tensor(1.0)
    assert trainctl.atleast_3d(x).data_ptr() == x.data_ptr()
