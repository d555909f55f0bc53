"""Connectionist temporal classification: the likelihood of a label sequence over all its alignments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import div
from trainctl.autograd.ops.cast import refuse
from trainctl.autograd.ops.indexing import outlier
from trainctl.autograd.ops.loss import check_reduction, reduced
from trainctl.autograd.ops.shape import reshape, unsqueeze
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = "ctc_loss"


def _log_sum_exp(xp: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``log(exp(a) + exp(b) + exp(c))``; -inf stays -inf."""
    top = xp.maximum(xp.maximum(a, b), c)
    shift = xp.where(top == -xp.inf, xp.zeros((), top.dtype), top)
    return xp.log(xp.exp(a - shift) + xp.exp(b - shift) + xp.exp(c - shift)) + shift


def _moved(xp: Any, x: Any, by: int) -> Any:
    """Return ``[N, L]`` moved along the states, with -inf where nothing comes from."""
    moved = xp.full_like(x, -xp.inf)
    if by > 0:
        moved[:, by:] = x[:, :-by]
    else:
        moved[:, :by] = x[:, -by:]
    return moved


class CTC(Op):
    """``log_probs [T, N, C], labels [N, S], input_lengths [N], target_lengths [N]`` -> losses ``[N]``.

    The states are the labels with blanks around them, ``L = 2 S + 1``; labels behind a target's end are blanks. The
    second output, ``[T, N, L]``, holds the log-likelihoods of reaching each state at each time, for backward.
    """

    saves = (0, 1, 2, 3)
    saves_output = True
    materializes_gradients = False
    blank: int
    zero_infinity: bool

    def forward(self, log_probs: Any, labels: Any, steps: Any, sizes: Any) -> Any:
        xp = self.xp
        states, emitted, may_skip = self.states(log_probs, labels)
        alphas = xp.full_like(emitted, -xp.inf)
        alphas[0, :, :2] = emitted[0, :, :2]
        for t in range(1, len(alphas)):
            a = alphas[t - 1]
            skipped = xp.where(may_skip, _moved(xp, a, 2), -xp.inf) if states.shape[1] > 2 else xp.full_like(a, -xp.inf)
            alphas[t] = _log_sum_exp(xp, a, _moved(xp, a, 1), skipped.astype(a.dtype)) + emitted[t]
        losses = -self.likelihoods(alphas, steps, sizes)
        if self.zero_infinity:
            losses = xp.where(losses == xp.inf, xp.zeros((), losses.dtype), losses)
        return losses, alphas

    def states(self, log_probs: Any, labels: Any) -> Any:
        """Return (the class of each state ``[N, L]``, log-probabilities ``[T, N, L]``, where a blank may be skipped)."""
        xp, (count, size) = self.xp, labels.shape
        states = xp.full((count, 2 * size + 1), self.blank, labels.dtype)
        states[:, 1::2] = labels
        may_skip = xp.zeros(states.shape, bool)
        may_skip[:, 2:] = (states[:, 2:] != self.blank) & (states[:, 2:] != states[:, :-2])
        return states, log_probs[:, xp.arange(count)[:, None], states], may_skip

    def ends(self, shape: Any, sizes: Any) -> Any:
        """Return where a target may end, ``[N, L]``: in its last label or in the blank behind it."""
        place = self.xp.arange(shape[-1])
        last = 2 * sizes[:, None]
        return (place == last) | (place == last - 1)

    def likelihoods(self, alphas: Any, steps: Any, sizes: Any) -> Any:
        """Return the log-likelihood of each whole target, ``[N]``."""
        xp = self.xp
        last = alphas[xp.maximum(steps - 1, 0), xp.arange(len(steps))]
        last = xp.where(self.ends(last.shape, sizes), last, -xp.inf)
        top = xp.max(last, axis=1)
        shift = xp.where(top == -xp.inf, xp.zeros((), top.dtype), top)
        found = xp.log(xp.sum(xp.exp(last - shift[:, None]), axis=1)) + shift
        nothing = xp.where(sizes == 0, xp.zeros((), top.dtype), -xp.inf)
        return xp.where(steps == 0, nothing, found).astype(alphas.dtype)

    def backward(self, gy: Tensor | None, _: Any) -> Any:
        if gy is None:
            return None
        return CTCGradient.apply(gy, *self.saved, **self.params)


class CTCGradient(CTC):
    """The gradient ``[T, N, C]``: of log-probabilities that are normalised, as PyTorch's; it has no derivative itself."""

    def forward(self, *arrays: Any) -> Any:
        xp = self.xp
        gy, log_probs, labels, steps, sizes, _, alphas = arrays
        states, emitted, may_skip = self.states(log_probs, labels)
        occupancy = xp.zeros_like(emitted)
        total = self.likelihoods(alphas, steps, sizes)[:, None]
        start = xp.where(self.ends(states.shape, sizes), xp.zeros((), gy.dtype), -xp.inf).astype(gy.dtype)
        beta = xp.full_like(start, -xp.inf)
        skipped = xp.full_like(start, -xp.inf)
        for t in range(len(alphas) - 1, -1, -1):
            if t + 1 < len(alphas):
                after = beta + emitted[t + 1]
                if states.shape[1] > 2:
                    skipped = _moved(xp, xp.where(may_skip, after, -xp.inf).astype(gy.dtype), -2)
                beta = _log_sum_exp(xp, after, _moved(xp, after, -1), skipped)
            beta = xp.where((steps == t + 1)[:, None], start, beta)
            occupancy[t] = xp.exp(alphas[t] + beta - total)
        gx = xp.exp(log_probs)
        gx[:, :, self.blank] -= xp.sum(occupancy[:, :, ::2], axis=2)
        every = (xp.arange(len(alphas))[:, None, None], xp.arange(labels.shape[0])[:, None], labels)
        xp.scatter_add(gx, every, -occupancy[:, :, 1::2])
        return self.masked(gx, gy, steps, total)

    def masked(self, gx: Any, gy: Any, steps: Any, total: Any) -> Any:
        """Return the gradient times ``gy``: 0 behind the input's end, and where the loss is infinite NaN (or 0)."""
        xp = self.xp
        impossible = 0.0 if self.zero_infinity else xp.nan
        gx = xp.where(total == -xp.inf, xp.asarray(impossible, gx.dtype), gx * gy[:, None])
        running = xp.arange(len(gx))[:, None] < steps
        return xp.where(running[:, :, None], gx, xp.zeros((), gx.dtype))

    def backward(self, *gys: Tensor | None) -> Any:
        raise RuntimeError(f"derivative for {self.name()} is not implemented")


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return the negative log-likelihood of label sequences under per-step class probabilities (Graves et al., 2006).

    Args:
        log_probs: log-probabilities (normalised, as of ``log_softmax``), ``[T, N, C]`` or ``[T, C]``.
        targets: classes, ``[N, S]`` padded, or all behind each other ``[sum(target_lengths)]``.
        input_lengths: how many of the T steps each sample has: integers ``[N]``, a tensor or a sequence.
        target_lengths: how many labels each sample has, likewise.
        blank: the class that stands for no label.
        reduction: ``none``, ``sum``, or ``mean``: each loss over its target's length (at least 1), then the mean.
        zero_infinity: count a target that is too long for its input as 0 instead of infinity.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: lengths, sizes or classes that do not fit.

    Example:
        >>> import trainctl
        >>> log_probs = trainctl.zeros(3, 1, 2).log_softmax(2)
        >>> ctc_loss(log_probs, trainctl.tensor([[1]]), [3], [1])
        tensor(0.2877)
    """
    check_reduction(reduction)
    refuse("buic", "ctc_loss", log_probs)
    unbatched = log_probs._array.ndim == 2
    if unbatched:
        log_probs = unsqueeze(log_probs, 1)
        targets = unsqueeze(targets, 0) if targets._array.ndim == 1 else targets
    if log_probs._array.ndim != 3 or log_probs._array.size == 0:
        raise RuntimeError(
            f"ctc_loss: log_probs must be [T, N, C] or [T, C] and not empty, got {list(log_probs.shape)}"
        )
    xp, (time, count, classes) = log_probs._xp, log_probs._array.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range [0, {classes}), got {blank}")
    steps, sizes = _lengths("input_lengths", input_lengths, count), _lengths("target_lengths", target_lengths, count)
    if max(steps) > time:
        raise RuntimeError(f"ctc_loss: expected input_lengths to have value at most {time}, but got {max(steps)}")
    labels = _padded(xp, targets, sizes, blank, classes)
    wrapped = (Tensor._wrap(each) for each in (labels, xp.asarray(steps), xp.asarray(sizes)))
    losses, _ = CTC.apply(log_probs, *wrapped, blank=blank, zero_infinity=zero_infinity)
    if reduction == "mean":
        losses = div(losses, Tensor._wrap(xp.asarray([max(each, 1) for each in sizes], log_probs._array.dtype)))
    return reduced(reshape(losses, ()) if unbatched else losses, reduction)


def _lengths(name: str, values: Any, count: int) -> list[int]:
    """Return lengths as Python integers."""
    lengths = reshape(values, -1).tolist() if isinstance(values, Tensor) else list(values)
    if len(lengths) != count:
        raise RuntimeError(f"ctc_loss: {name} must be of size batch_size ({count}), got {len(lengths)}")
    if not all(isinstance(each, int) for each in lengths):
        raise RuntimeError(f"ctc_loss: {name} must be integers, got {lengths}")
    if min(lengths) < 0:
        raise RuntimeError(f"ctc_loss: expected {name} to have value at least 0, but got {min(lengths)}")
    return lengths


def _padded(xp: Any, targets: Tensor, sizes: Sequence[int], blank: int, classes: int) -> Any:
    """Return labels ``[N, max(sizes)]``, blank behind each target's end."""
    flat, size = targets._array.astype(xp.int64), max(sizes)
    if flat.ndim == 1:
        if len(flat) != sum(sizes):
            raise RuntimeError(
                f"ctc_loss: expected targets to have size {sum(sizes)} at dimension 0, but got {len(flat)}"
            )
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
    elif flat.ndim == 2 and flat.shape[0] == len(sizes) and flat.shape[1] >= size:
        starts = [i * flat.shape[1] for i in range(len(sizes))]
    else:
        raise RuntimeError(
            f"ctc_loss: expected targets [{len(sizes)}, at least {size}] or [{sum(sizes)}], got {list(flat.shape)}"
        )
    place = xp.arange(size)
    inside = place < xp.asarray(sizes)[:, None]
    if flat.size == 0:
        return xp.full((len(sizes), size), blank, xp.int64)
    labels = flat.reshape(-1)[xp.where(inside, xp.asarray(starts)[:, None] + place, 0)]
    labels = xp.where(inside, labels, blank)
    bad = outlier(labels, classes)
    if bad is not None:
        raise RuntimeError(f"ctc_loss: expected targets to be classes in [0, {classes}), got {bad}")
    return labels
