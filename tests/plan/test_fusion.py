"""What plans fuse gives what the ops do; and nothing that somebody else reads is left out."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.backend import jit
from trainctl.plan.fused_ops import Follow, MaxOver, NormGradient, ReturnFrom, StandardizeReLU
from trainctl.plan.trace import Apply

pytestmark = pytest.mark.skipif(not jit.available(), reason="what is fused is compiled, by the extra fast")

F = nn.functional
CHANNELS = 16


class Net(nn.Module):
    """A convolution, a norm, and what a test has in mind, in ``after``."""

    def __init__(self, after, norm=None, head=True):
        super().__init__()
        self.conv = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.norm = nn.BatchNorm2d(CHANNELS) if norm is None else norm
        self.second = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.last = nn.BatchNorm2d(CHANNELS)
        self.after = after
        self.head = nn.Linear(CHANNELS, 4) if head else None

    def forward(self, x):
        return self.after(self, x)


def score(net, x):
    return net.head(x.mean((2, 3)))


def plain(net, x):
    return score(net, net.norm(net.conv(x)).relu())


def residual(net, x):
    x = net.norm(net.conv(x)).relu()
    return score(net, (net.last(net.second(x)) + x).relu())


def projected(net, x):
    x = net.conv(x)
    return score(net, (net.norm(x) + net.last(net.second(x))).relu())


def norm_read_twice(net, x):
    y = net.norm(net.conv(x))
    return score(net, y.relu() + y)


def sum_read_twice(net, x):
    x = net.conv(x)
    y = net.norm(x) + x
    return score(net, y.relu() * y)


def in_place(net, x):
    return score(net, net.norm(net.conv(x)).relu_())


def channel_by_channel(net, x):
    """What is added has other dims: it is not the same elements."""
    return score(net, (net.norm(net.conv(x)) + net.head.weight[0].reshape(CHANNELS, 1, 1)).relu())


def pooled(net, x):
    return score(net, F.max_pool2d(net.conv(x).relu(), 2))


def pooled_norm(net, x):
    return score(net, F.max_pool2d(net.norm(net.conv(x)).relu(), 2))


def pooled_alone(net, x):
    return score(net, F.max_pool2d(net.conv(x), (3, 2)))


def pooled_and_read(net, x):
    y = net.conv(x).relu()
    return score(net, F.max_pool2d(y, 2)) + score(net, y)


def pooled_twice(net, x):
    y = net.conv(x).relu()
    return score(net, F.max_pool2d(y, 2)) + score(net, F.max_pool2d(y, 3))


def overlapping(net, x):
    return score(net, F.max_pool2d(net.conv(x).relu(), 3, 2, 1))


def statistics_read(net, x):
    """The old ones before the norm, the new ones after it."""
    old = net.norm.running_mean * 2
    y = score(net, net.norm(net.conv(x)).relu())
    return y + (old - net.norm.running_var).mean()


AFTER = [
    plain, residual, projected, norm_read_twice, sum_read_twice, in_place, channel_by_channel, pooled, pooled_norm,
    pooled_alone, pooled_and_read, pooled_twice, overlapping, statistics_read,
]  # fmt: skip
NORMS = {
    "affine": lambda: nn.BatchNorm2d(CHANNELS),
    "not affine": lambda: nn.BatchNorm2d(CHANNELS, affine=False),
    "no bias": lambda: nn.BatchNorm2d(CHANNELS, bias=False),
    "not tracked": lambda: nn.BatchNorm2d(CHANNELS, track_running_stats=False),
    "no norm": nn.Identity,
}


def pair(after, norm="affine"):
    """Return two equal models."""
    trainctl.manual_seed(3)
    nets = [Net(after, NORMS[norm]()) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    return nets


def batch(seed=0):
    trainctl.manual_seed(seed)
    return trainctl.randn(6, 3, 10, 8), trainctl.randint(0, 4, (6,))


def training(net, others=lambda net: ()):
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def step(x, target):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        return loss, *others(net)

    return step


def ops_of(step):
    """Return the ops of a compiled step's plan."""
    assert not step.reasons
    return [each.op for each in step.plans[-1].records if isinstance(each, Apply)]


def close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-4, atol=2e-5)


def same_training(eager, planned, steps=5):
    """Train both, and compare losses, weights, gradients and running statistics."""
    step = trainctl.compile(training(planned), threads=2)
    other = training(eager)
    for number in range(steps):
        close(step(*batch(number)), other(*batch(number)))
    close(planned.state_dict().values(), eager.state_dict().values())
    wanted = [each.grad for each in eager.parameters() if each.grad is not None]
    close([each.grad for each in planned.parameters() if each.grad is not None], wanted)
    return ops_of(step)


@pytest.mark.parametrize("after", AFTER, ids=lambda each: each.__name__)
@pytest.mark.parametrize("norm", NORMS)
def test_a_fused_step_trains_as_the_ops_do(after, norm):
    if after is statistics_read and norm in ("not tracked", "no norm"):
        pytest.skip("there are none")
    same_training(*pair(after, norm))


@pytest.mark.parametrize("after", AFTER, ids=lambda each: each.__name__)
@pytest.mark.parametrize("grad", [True, False])
def test_evaluation(after, grad):
    eager, planned = (each.eval() for each in pair(after))
    step = trainctl.compile(lambda x: planned(x).detach(), threads=2)
    with trainctl.set_grad_enabled(grad):
        for number in range(4):
            x, _ = batch(number)
            close([step(x)], [eager(x)])
    assert not step.reasons or grad


@pytest.mark.parametrize(
    ("after", "fused"),
    [
        (plain, {StandardizeReLU: 1, NormGradient: 1, Follow: 2}),
        (residual, {StandardizeReLU: 2, NormGradient: 2, Follow: 4}),
        (projected, {StandardizeReLU: 1, NormGradient: 2, Follow: 4}),
        (norm_read_twice, {StandardizeReLU: 0, NormGradient: 1, Follow: 2}),
        (in_place, {StandardizeReLU: 0, NormGradient: 1}),
        (pooled, {MaxOver: 1, ReturnFrom: 1, StandardizeReLU: 0}),
        (pooled_norm, {MaxOver: 1, ReturnFrom: 1, NormGradient: 1}),
        (pooled_alone, {MaxOver: 1, ReturnFrom: 1}),
        (pooled_and_read, {MaxOver: 1, ReturnFrom: 1}),
        (pooled_twice, {MaxOver: 2, ReturnFrom: 2}),
        (overlapping, {MaxOver: 0, ReturnFrom: 0}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_is_fused(after, fused):
    ops = same_training(*pair(after), steps=3)
    assert {op: ops.count(op) for op in fused} == fused


def test_what_is_returned_is_there():
    """The norm's output, the ReLU's and the pooling's are results: the first two cannot be dropped."""
    seen = {}

    def watched(net, x):
        seen["norm"] = net.norm(net.conv(x))
        seen["relu"] = seen["norm"].relu()
        seen["pool"] = F.max_pool2d(seen["relu"], 2)
        return score(net, seen["pool"])

    eager, planned = pair(watched)
    others = lambda net: tuple(seen[name].detach() for name in ("norm", "relu", "pool"))  # noqa: E731
    step, other = trainctl.compile(training(planned, others)), training(eager, others)
    for number in range(4):
        close(step(*batch(number)), other(*batch(number)))
    assert StandardizeReLU not in ops_of(step)


def test_a_kept_gradient_between_norm_and_relu_is_there():
    """The gradient of what comes into the sum is a result, too."""
    eager, planned = pair(residual)

    def gradients(net):
        def step(x):
            net.zero_grad()
            first = net.norm(net.conv(x)).relu()
            shifted = net.last(net.second(first)) + first
            y = score(net, shifted.relu()).sum()
            return trainctl.autograd.grad(y, [shifted, first, net.last.weight])

        return step

    step, other = trainctl.compile(gradients(planned)), gradients(eager)
    for number in range(4):
        x, _ = batch(number)
        close(step(x), other(x))
    assert not step.reasons


def test_a_nan_stays():
    _, planned = pair(pooled_norm)
    step = trainctl.compile(lambda x: planned(x).detach())
    with trainctl.no_grad():
        for number in range(3):
            x, _ = batch(number)
            x[2, 1, 4, 4] = float("nan")
            assert np.isnan(step(x).numpy()).all()  # by way of the statistics of the batch


def test_the_number_of_threads_changes_nothing():
    found = []
    for threads in (1, 2, 4):
        _, net = pair(residual)
        step = trainctl.compile(training(net), threads=threads)
        for number in range(4):
            step(*batch(number))
        found.append([each.numpy().tobytes() for each in net.state_dict().values()])
    assert found[0] == found[1] == found[2]
