"""Shapes and views against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

LAYOUTS = [
    A(2, 3, 4),
    A(3, 4, layout="T"),
    A(3, 4, layout="step"),
    A(),
    A(0, 3),
    A(2, 3, dtype="int64"),
    A(2, 3, dtype="bool"),
    A(2, dtype="complex64"),
]

ROWS = [
    *(Row(name, [case(each) for each in LAYOUTS]) for name in ("clone", "Tensor.contiguous")),
    *(Row(name, [
        case(A(2, 6), (3, 4)), case(A(2, 6), (-1, 4)), case(A(2, 6), (12,)), case(A(), (1, 1)), case(A(1, 1), ()), case(A(0, 3), (3, 0)), case(A(0, 3), (-1, 3)),
        case(A(2, 3, 4, layout="T"), (6, 4)), case(A(2, 3, 4, layout="step"), (6, 4)), case(A(2, 3, dtype="int64"), (3, 2)), case(A(2, 3), [3, 2]),
    ]) for name in ("reshape", "Tensor.reshape")),
    Row("reshape_forms", [case(A(2, 6))], call=lambda lib, x: (x.reshape(3, -1), x.reshape(shape=(4, 3)), lib.reshape(input=x, shape=[12]), x.reshape(lib.Size([6, 2])))),
    Row("Tensor.view", [case(A(2, 6), 3, 4), case(A(2, 6), (-1, 4)), case(A(2, 6), 12), case(A(1, 1), ()), case(A(0, 3), 3, 0), case(A(2, 3, 4, layout="T"), 2, 3, 2, 2), case(A(2, 6), size=(3, 4))]),
    Row("view_as_bytes", [case(A(2, 4, grad=False), name) for name in ("int32", "float64", "int8", "float32")] + [case(A(grad=False), "int32")],
        call=lambda lib, x, name: x.view(getattr(lib, name)), grad=False),
    *(Row(f"Tensor.{name}_as", [case(A(2, 6), A(3, 4)), case(A(1, 4), A(4, 1) if name != "expand" else A(3, 4))]) for name in ("view", "reshape")),
    Row("flatten", [case(A(2, 3, 4)), case(A(2, 3, 4), 1), case(A(2, 3, 4), 0, 1), case(A(2, 3, 4), -2), case(A()), case(A(3)), case(A(2, 0, 3), 1), case(A(2, 3, 4, layout="T"), start_dim=1, end_dim=-1)]),
    Row("unflatten", [case(A(2, 6), 1, (2, 3)), case(A(2, 6), -1, (-1, 2)), case(A(4, 3), 0, (2, 1, 2)), case(A(0, 6), 1, (2, 3)), case(A(2, 6), dim=1, sizes=[6, 1])]),
    Row("permute", [case(A(2, 3, 4), (2, 0, 1)), case(A(2, 3, 4), (-1, -3, -2)), case(A(), ()), case(A(2, 0), (1, 0)), case(A(3, 4, layout="T"), dims=(1, 0)), case(A(3, 2, dtype="int64"), [1, 0])]),
    Row("Tensor.permute", [case(A(2, 3, 4), 2, 0, 1), case(A(2, 3), (1, 0)), case(A(2, 3), dims=[1, 0])]),
    *(Row(name, [case(A(2, 3, 4), 0, 2), case(A(2, 3, 4), -1, 1), case(A(2, 3), 1, 1), case(A(), 0, -1), case(A(0, 3), 0, 1)]) for name in ("transpose", "Tensor.transpose", "Tensor.transpose_")),
    *(Row(name, [case(A(2, 3)), case(A(3)), case(A()), case(A(0, 2))]) for name in ("t", "Tensor.t_")),
    Row("Tensor.T", [case(A(2, 3)), case(A(0, 2))]),
    Row("Tensor.mT", [case(A(2, 3)), case(A()), case(A(2, 3, 4)), case(A(2, 0, 1))]),
    *(Row(name, [case(A(2, 1, 3, 1)), case(A(2, 1, 3, 1), 1), case(A(2, 1, 3, 1), 0), case(A(2, 1, 3, 1), -1), case(A(2, 1, 3, 1), (1, 3)), case(A(2, 1, 3, 1), (0, 1)), case(A(1)), case(A()), case(A(), 0),
                 case(A(1, 0)), case(A(1, 3, 1, layout="T")), case(A(2, 1), dim=1), case(A(1, 2), ())]) for name in ("squeeze", "Tensor.squeeze", "Tensor.squeeze_")),
    Row("squeeze_forms", [case(A(1, 2, 1))], call=lambda lib, x: (x.squeeze(0, 2), lib.squeeze(x, axis=2))),
    *(Row(name, [case(A(2, 3), 0), case(A(2, 3), 1), case(A(2, 3), -1), case(A(2, 3), 2), case(A(2, 3), -3), case(A(), 0), case(A(0), -1), case(A(2, 3, layout="T"), dim=1)])
      for name in ("unsqueeze", "Tensor.unsqueeze", "Tensor.unsqueeze_")),
    *(Row(name, [case(A(5, 3), 0, 1, 3), case(A(5, 3), 1, 0, 3), case(A(5, 3), -1, -2, 2), case(A(5), 0, 5, 0), case(A(5), 0, 0, 0), case(A(5, 3, layout="T"), 0, 2, 2), case(A(5, dtype="int64"), 0, 1, 2),
                 case(A(5, 3), dim=0, start=A(values=1, dtype="int64"), length=2)]) for name in ("narrow", "Tensor.narrow")),
]  # fmt: skip

REFUSALS = [
    Refusal("reshape", case(A(2, 3), (4,)), RuntimeError, r"shape '\[4\]' is invalid for input of size 6"),
    Refusal("reshape", case(A(2, 3), (-1, -1)), RuntimeError, "only one dimension"),
    Refusal("reshape", case(A(2, 3), (-2, 3)), RuntimeError, r"-2 at index 0 of shape \[-2, 3\]"),
    Refusal("reshape", case(A(0), (-1, 0)), RuntimeError, r"\[-1, 0\].*ambiguous"),
    Refusal("reshape", case(A(2, 3), (2.0, 3)), TypeError, "float, int"),
    Refusal(
        "Tensor.view",
        case(A(2, 3, layout="T"), 6),
        RuntimeError,
        r"size \[2, 3\], stride \[1, 2\], wanted \[6\].*reshape",
    ),
    Refusal(
        "view_as_float64", case(A(2, 3)), RuntimeError, "divisible by 2.*got 3", call=lambda lib, x: x.view(lib.float64)
    ),
    Refusal("view_as_int8", case(A()), RuntimeError, "cannot be 0", call=lambda lib, x: x.view(lib.int8)),
    Refusal(
        "view_as_int8",
        case(A(2, 3, layout="T")),
        RuntimeError,
        "must be 1.*got 2",
        call=lambda lib, x: x.view(lib.int8),
    ),
    Refusal("flatten", case(A(2, 3), 1, 0), RuntimeError, "start_dim cannot come after"),
    Refusal("flatten", case(A(2, 3), 0, 2), IndexError, "got 2"),
    Refusal("unflatten", case(A(2, 3), 1, (2, 2)), RuntimeError, r"\[2, 2\].*dim 1 \(3\)"),
    Refusal("unflatten", case(A(2, 3), 1, ()), RuntimeError, "non-empty"),
    Refusal("permute", case(A(2, 3), (0,)), RuntimeError, r"shape \[2, 3\], dims \[0\]"),
    Refusal("permute", case(A(2, 3), (0, 0)), RuntimeError, "dim 0"),
    Refusal("permute", case(A(2, 3), (0, 2)), IndexError, "got 2"),
    Refusal("transpose", case(A(2, 3), 0, 2), IndexError, "got 2"),
    Refusal("t", case(A(2, 3, 4)), RuntimeError, "3D"),
    Refusal("Tensor.mT", case(A(3)), RuntimeError, "Got 1-D"),
    Refusal("squeeze", case(A(2, 3), 2), IndexError, "got 2"),
    Refusal("squeeze", case(A(1, 3), (0, 0)), RuntimeError, "dim 0"),
    Refusal("unsqueeze", case(A(2, 3), 4), IndexError, r"\[-3, 2\], but got 4"),
    Refusal("narrow", case(A(3), 0, 4, 0), IndexError, r"\[-3, 3\], but got 4"),
    Refusal("narrow", case(A(3), 0, 1, 5), RuntimeError, r"start \(1\) \+ length \(5\) exceeds dimension size \(3\)"),
    Refusal("narrow", case(A(3), 0, 1, -1), RuntimeError, "non-negative"),
    Refusal("narrow", case(A(), 0, 0, 1), RuntimeError, "0-dim"),
    Refusal("narrow", case(A(3), 0, A(1, dtype="int64"), 1), RuntimeError, "0-dim integral"),
]

test_values, test_gradient, test_refusal = table("shape", ROWS, REFUSALS)


def test_what_shares_memory_is_told_from_what_is_copied():
    import trainctl

    x = trainctl.arange(6.0).reshape(2, 3)
    for view in (
        x.view(6),
        x.t(),
        x.T,
        x[0],
        x.unsqueeze(0),
        x.squeeze(),
        x.flatten(),
        x.expand(2, 2, 3),
        x.narrow(1, 0, 1),
        x.detach(),
    ):
        assert view.data_ptr() == x.data_ptr()
    for copy in (x.clone(), x.t().contiguous(), x.t().reshape(6), x.t().flatten()):
        assert copy.data_ptr() != x.data_ptr()
    assert x.contiguous() is x
