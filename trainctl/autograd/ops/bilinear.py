"""The bilinear form of two vectors."""

from __future__ import annotations

from trainctl.autograd.ops.arithmetic import add
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.shape import permute, reshape, squeeze, unsqueeze
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "bilinear"
FUNCTIONAL = "bilinear"


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input1 @ weight[o] @ input2 + bias[o]`` for each output o.

    Args:
        input1: ``[..., in1]``.
        input2: ``[..., in2]``, of the same leading dims.
        weight: ``[out, in1, in2]``.
        bias: ``[out]``.

    Returns:
        ``[..., out]``.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.

    Example:
        >>> import trainctl
        >>> bilinear(trainctl.ones(2), trainctl.ones(3), trainctl.ones(1, 2, 3))
        tensor([6.])
    """
    _check_bilinear(input1, input2, weight, bias)
    lead, (out, in1, in2) = input1._array.shape[:-1], weight._array.shape
    by_first = reshape(permute(weight, (1, 0, 2)), (in1, out * in2))
    rows = reshape(matmul(input1, by_first), (*lead, out, in2))
    y = squeeze(matmul(rows, unsqueeze(input2, -1)), -1)
    return y if bias is None else add(y, bias)


def _check_bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    first, second, form = input1._array.shape, input2._array.shape, weight._array.shape
    if len(first) != len(second) or not first:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {len(first)} and {len(second)}")
    for dim, (one, other) in enumerate(zip(first[:-1], second[:-1], strict=True)):
        if one != other:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {dim}: got {one} and {other}")
    if len(form) != 3:
        raise RuntimeError(f"bilinear(): expected weight [out, in1, in2], got shape {list(form)}")
    for name, got, wanted in (("input1", first[-1], form[1]), ("input2", second[-1], form[2])):
        if got != wanted:
            raise RuntimeError(f"bilinear(): {name} size does not match weight size: got {got} but expected {wanted}")
    if bias is not None and bias._array.shape != form[:1]:
        raise RuntimeError(
            f"bilinear(): bias does not match weight: got shape {list(bias.shape)} but expected [{form[0]}]"
        )
    kinds = [each.dtype.name for each in (input1, input2, weight, bias) if each is not None]
    if len(set(kinds)) > 1:
        raise RuntimeError(f"All tensors must have the same dtype, got {', '.join(kinds)}")
