"""The loss of a config: of the one output, or one for each of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trainctl.build.flow import Flow
from trainctl.build.outputs import Comparison
from trainctl.build.words import similar

if TYPE_CHECKING:
    from trainctl.config import Config
    from trainctl.config.losses import Losses
    from trainctl.data.spec import ArraySpec

Report = Callable[[tuple[str | int, ...], str, str | None], None]


def make_loss(component: Any, make: Callable[..., Any]) -> Any:
    """The loss, None where one of its parts was refused.

    Args:
        component: what the config says.
        make: ``make(kind, path, component)`` makes each part, and reports what it refuses.
    """
    from trainctl.nn.outputs import OutputLoss

    if not hasattr(component, "parts"):
        return make("loss", ("loss",), component)
    losses: Losses = component
    made = {name: make("loss", ("loss", name), part) for name, part in losses.parts.items()}
    return None if None in made.values() else OutputLoss(made, losses.weights)


def compare(
    config: Config, loss: Any, outputs: Mapping[str, Flow], target: ArraySpec | Mapping[str, ArraySpec], report: Report
) -> None:
    """Report what keeps a loss from comparing outputs with targets.

    Args:
        config: the config.
        loss: what :func:`make_loss` made of it.
        outputs: what the model gives, by name; one without a name is ``""``.
        target: what the data says is right.
        report: called with a key path, a message and a hint.
    """
    if hasattr(config.loss, "parts"):
        _compare_each(config, loss, outputs, target, report)
        return
    names = [name for name in outputs if name]
    if names:
        hint = f"write one for each output: `loss: {{{', '.join(f'{name}: {config.loss.name}' for name in names)}}}`"
        report(("loss",), f"loss: the model has the outputs {', '.join(names)}; one loss compares one", hint)
    elif isinstance(target, Mapping):
        hint = f"give the model outputs of these names, and a loss for each: `loss: {{{next(iter(target))}: ...}}`"
        report(("loss",), f"loss: the data has the targets {', '.join(target)}; one loss compares one", hint)
    else:
        _one(config, config.loss.name, ("loss",), loss, outputs[""], target, report)


def _compare_each(config: Config, loss: Any, outputs: Mapping[str, Flow], target: Any, report: Report) -> None:
    names = [name for name in outputs if name]
    for name, part in config.loss.parts.items():  # type: ignore[union-attr]  # the caller has seen that it has parts
        path = ("loss", name)
        if name not in names:
            known = similar(name, names) or "the model has one output: write `loss: NAME`"
            report(path, f"loss.{name}: the model has no output '{name}'", known)
        elif isinstance(target, Mapping) and name not in target:
            report(path, f"loss.{name}: the data has no target '{name}'", similar(name, target))
        else:
            spec = target[name] if isinstance(target, Mapping) else target
            _one(config, part.name, path, loss.losses[name], outputs[name], spec, report)


def _one(config: Config, name: str, path: Any, loss: Any, flow: Flow, target: ArraySpec, report: Report) -> None:
    if flow.batch is None:  # after a mistake
        return
    last = flow.last
    comparison = Comparison(
        loss=name,
        path=path,
        make=loss,
        output=flow.batch,
        target=target,
        data=config.data.dataset.name,
        last=(last.path, last.name) if last else (("model",), "model"),
        declared=flow.declared,
    )
    for mistake in comparison.mistakes():
        report(*mistake)
