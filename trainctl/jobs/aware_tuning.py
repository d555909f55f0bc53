"""What ``quantize --method qat`` quantizes: a run that trained for it, or a float model after a short training for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.train.aware import plan_in
from trainctl.train.checkpoint import Checkpoint
from trainctl.train.events import EpochEnd, Event
from trainctl.train.threads import blas_threads, eager_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.config import Component, Config, LoadedConfig
    from trainctl.quantization.aware_conversion import AwareTrained
    from trainctl.storage.quantization_record import Settings
    from trainctl.train.loop import Loop
    from trainctl.train.signals import StopSignals

SMALLER = 0.1
"""Of the run's learning rate, which the fine-tuning begins with."""


def aware_trained(
    experiment: Experiment,
    checkpoint: Checkpoint,
    found: Path,
    settings: Settings,
    batches: Sequence[Any],
    *,
    say: Callable[[str], object] = lambda text: None,
    stop: StopSignals | None = None,
) -> AwareTrained:
    """Return a model that was trained with rounding, ready to be quantized.

    A checkpoint of a run with ``quantization`` is that already; how it rounds, its config has said. A float model is
    trained for ``settings.epochs`` epochs (1 where that is 0), with a tenth of its learning rate that goes down to 0.

    Args:
        experiment: the checkpoint's model, with its weights, and its data; a float model is left alone.
        checkpoint: the checkpoint.
        found: where it is.
        settings: what was asked for.
        batches: inputs that noise is measured on.
        say: called with what is about to be done, in words.
        stop: looked at after every step.

    Raises:
        DivergedError: the loss or a weight is no longer finite.
        Interrupted: ``stop`` said so; nothing is kept.
    """
    from trainctl.quantization.aware_conversion import AwareTrained

    plan = plan_in(checkpoint)
    if plan is None:
        loop = fine_tuned(experiment, checkpoint, found, settings, say, stop)
        assert loop.aware is not None
        experiment, plan = loop.experiment, loop.aware.plan
    assert experiment.rounding is not None
    return AwareTrained(experiment.model, plan, experiment.rounding, batches, settings)


def fine_tuned(
    experiment: Experiment,
    checkpoint: Checkpoint,
    found: Path,
    settings: Settings,
    say: Callable[[str], object],
    stop: StopSignals | None,
) -> Loop:
    """Train a float model for quantization, on the samples that its run had; return the loop at its end."""
    from trainctl.build import build
    from trainctl.train.loop import Loop
    from trainctl.train.state import load_weights

    tuned = build(_tuning(experiment.loaded, settings))
    load_weights(checkpoint, tuned.model)
    loop = Loop(tuned, found)
    loop.threads, loop.kernels, loop.diagnoses = checkpoint.threads, checkpoint.kernels, False
    loop.restore()
    epochs = tuned.config.train.epochs
    say(f"fine-tuning with rounding, for {epochs} epoch{'s' * (epochs != 1)} of {loop.samples:,} samples")
    with blas_threads(eager_threads(tuned.config, loop.threads)):
        for event in loop.epochs():
            _tell(event, epochs, say)
            if stop:
                stop.check("while the model was fine-tuned; nothing was written")
    return loop


def _tell(event: Event, epochs: int, say: Callable[[str], object]) -> None:
    if isinstance(event, EpochEnd):
        say(f"epoch {event.epoch} of {epochs}: the training loss is {event.train_loss:.4g}")


def _tuning(loaded: LoadedConfig, settings: Settings) -> LoadedConfig:
    """A run's config for a short training that begins with its weights."""
    from trainctl.config.components import parse
    from trainctl.config.quantization import QuantizationConfig

    config = loaded.config
    asked: dict[str, Any] = {
        "bits": settings.bits,
        "per_channel": settings.per_channel,
        "exclude": tuple(settings.exclude),
    }
    if settings.bits == 4:
        asked["group_size"] = settings.group_size
    train = {"epochs": settings.epochs or 1, "early_stopping": None, "ema": None, "monitor": None}
    update = {
        "quantization": QuantizationConfig(**asked),
        "train": config.train.model_copy(update={**train, "checkpoint_every": None}),
        "optimizer": _slower(config),
        "scheduler": parse("scheduler", {"CosineAnnealingLR": {"interval": "step"}}),
        "init_from": None,
    }
    return replace(loaded, config=config.model_copy(update=update))


def _slower(config: Config) -> Component | tuple[Component, ...]:
    """The optimizer or optimizers with smaller learning rates."""
    if isinstance(config.optimizer, tuple):
        return tuple(_slower_one(each) for each in config.optimizer)
    return _slower_one(config.optimizer)


def _slower_one(optimizer: Component) -> Component:
    args = _slower_args(optimizer.args)
    groups = tuple(_slower_args(group) for group in args.get("param_groups", ()))
    return replace(optimizer, args={**args, **({"param_groups": groups} if groups else {})})


def _slower_args(args: Mapping[str, Any]) -> dict[str, Any]:
    return {**args, **({"lr": args["lr"] * SMALLER} if "lr" in args else {})}
