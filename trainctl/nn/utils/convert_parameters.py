"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all parameters as one flat tensor.

    Example:
        >>> import trainctl
        >>> parameters_to_vector([trainctl.zeros(1, 2), trainctl.ones(1)])
        tensor([0., 0., 1.])
    """
    return cat([each.reshape(-1) for each in parameters])


@no_grad()
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write one flat tensor back into the parameters.

    Raises:
        TypeError: ``vec`` is no tensor.
        RuntimeError: the sizes differ; nothing has been changed.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected trainctl.Tensor, but got: {type(vec).__name__}")
    listed, start = list(parameters), 0
    wanted = sum(each.numel() for each in listed)
    if vec.numel() != wanted:
        raise RuntimeError(f"a vector of {vec.numel()} elements does not fit parameters of {wanted}")
    for each in listed:
        each.copy_(vec[start : start + each.numel()].reshape(each.shape))
        start += each.numel()
