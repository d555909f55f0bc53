"""The metrics of a config, made and tried on the zeros that the model and the data give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainctl.errors import ConfigError

if TYPE_CHECKING:
    from trainctl.autograd import Tensor
    from trainctl.config import Component
    from trainctl.data.spec import ArraySpec

# What a metric raises at shapes it cannot work with, besides a ConfigError.
_REFUSALS = (ArithmeticError, AssertionError, IndexError, RuntimeError, TypeError, ValueError)


def make_metrics(components: Sequence[Component], make: Callable[..., Any]) -> dict[str, Any]:
    """Return the metrics by what their figures are called, which is no argument of theirs.

    Args:
        components: as the config has them.
        make: ``make(kind, path, component)`` gives an object, None where the constructor refuses.
    """
    made = {}
    for index, each in enumerate(components):
        args = {key: value for key, value in each.args.items() if key != "name"}
        made[each.label] = make("metric", ("metrics", index), replace(each, args=args))
    return made


def try_metrics(
    components: Sequence[Component],
    metrics: Mapping[str, Any],
    loss: Any,
    output: Tensor,
    target: ArraySpec,
    report: Callable[..., None],
) -> None:
    """Report each metric that cannot compare what the model gives with what the data says is right.

    Args:
        components: as the config has them.
        metrics: by the components' labels; None where the constructor refused.
        loss: the loss.
        output: the model's, of a batch of zeros.
        target: what a sample's target is.
        report: called with a key path, a message and a hint.
    """
    import trainctl

    zeros = trainctl.zeros(len(output), *target.shape, dtype=getattr(trainctl, target.dtype), device=output.device)
    for index, component in enumerate(components):
        metric, path = metrics[component.label], ("metrics", index)
        if metric is None:
            continue
        try:
            metric.bind(loss)
            metric.reset()
            metric.update(output, zeros)
            metric.compute()
            metric.reset()
        except ConfigError as error:
            for problem in error.problems:
                report(path, f"metrics.{index}: {problem.message}", problem.hint)
        except _REFUSALS as error:
            report(path, f"metrics.{index}: {component.name}: {error}")
