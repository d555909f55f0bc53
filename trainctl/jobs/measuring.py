"""A trained model, measured on one split: the part that an evaluation and its baseline share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.errors import ConfigError, UsageError
from trainctl.jobs.experiments import build_from
from trainctl.train.checkpoint import Checkpoint
from trainctl.train.threads import blas_threads, eager_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.config import LoadedConfig
    from trainctl.train.evaluate import EvalResult
    from trainctl.train.steps import Steps

SPLITS = ("train", "val", "test")


@dataclass
class Subject:
    """A model that is measured.

    Attributes:
        found: its checkpoint's directory.
        checkpoint: its checkpoint.
        experiment: the model with what belongs to it.
        threads: how many it runs on.
        batch_size: samples at a time.
    """

    found: Path
    checkpoint: Checkpoint
    experiment: Experiment
    threads: int
    batch_size: int

    @classmethod
    def build(
        cls, found: Path, checkpoint: Checkpoint, loaded: LoadedConfig, threads: int | None, batch_size: int | None
    ) -> Subject:
        """Build the model and load its weights.

        Args:
            found: the checkpoint's directory.
            checkpoint: the checkpoint.
            loaded: its config, with what is to replace its values.
            threads: default: as the run had.
            batch_size: default: the config's ``data.eval_batch_size``.
        """
        experiment = build_from(checkpoint, found, loaded)
        size = batch_size or loaded.config.data.eval_batch_size
        return cls(found, checkpoint, experiment, threads or checkpoint.threads, size)

    def steps(self) -> Steps:
        """Return what measures the model, batch by batch; plans are made in its first batches."""
        from trainctl.train.steps import Steps

        return Steps(self.experiment, self.threads, self.checkpoint.kernels, lambda text: None)

    def with_model(self, model: Any) -> Subject:
        """Return the subject with another model in the place of its own."""
        return replace(self, experiment=replace(self.experiment, model=model))

    @property
    def splits(self) -> list[str]:
        """The splits that the run has."""
        return [name for name in SPLITS if getattr(self.experiment, f"{name}_data") is not None]

    def data(self, split: str) -> Any:
        """Return the samples of a split.

        Raises:
            UsageError: the run has no such split.
            DataError: the data is missing or corrupt.
        """
        data = getattr(self.experiment, f"{split}_data") if split in SPLITS else None
        if data is None:
            raise UsageError(
                f"{self.found}: the run has no {split} split",
                hint=f"it has {' and '.join(self.splits)}: --split {self.splits[-1]}",
            )
        return data

    def measure(
        self,
        split: str,
        tables: Mapping[str, Any] | None = None,
        observers: Sequence[Callable[[Any, Any], object]] = (),
    ) -> EvalResult:
        """Measure the model on a split: its loss, its metrics and ``tables``.

        Raises:
            UsageError: the run has no such split.
            DataError: the data is missing or corrupt, or there are no samples.
        """
        return self.measure_on(self.data(split), tables, observers)

    def measure_on(
        self,
        data: Any,
        tables: Mapping[str, Any] | None = None,
        observers: Sequence[Callable[[Any, Any], object]] = (),
        steps: Steps | None = None,
    ) -> EvalResult:
        """Measure the model on samples, as :meth:`measure` does on those of a split; with plans that are there already."""
        from trainctl.data import DataLoader
        from trainctl.train.evaluate import evaluate

        experiment = self.experiment
        loader: Any = DataLoader(data, self.batch_size)
        steps = steps or self.steps()
        metrics = {**experiment.metrics, **(tables or {})}
        with blas_threads(eager_threads(experiment.config, self.threads)):
            return evaluate(
                experiment.model, experiment.loss, metrics, loader, measure=steps.measure, observers=observers
            )


def like(
    subject: Subject, found: Path, checkpoint: Checkpoint, theirs: LoadedConfig, threads: int | None
) -> tuple[Subject, bool]:
    """Build another model to be measured on a subject's data, with its metrics.

    The model and the transforms of its inputs are its own; dataset, split, device and metrics are the subject's.

    Args:
        subject: whose data is used.
        found: the other checkpoint's directory.
        checkpoint: the other checkpoint.
        theirs: its config.
        threads: default: as its run had.

    Returns:
        The other model, and whether the subject's loss can be taken of its outputs; else it has its own.

    Raises:
        UsageError: it does not fit the subject's data or metrics.
    """
    from trainctl.train.metrics.links import link_of

    ours = subject.experiment.config
    data = theirs.config.data.model_copy(update={"dataset": ours.data.dataset, "split": ours.data.split})
    device = ours.device if checkpoint.quantization is None else "cpu"
    same = {"data": data, "seed": ours.seed, "device": device, "metrics": ours.metrics}
    try:
        loaded = replace(theirs, config=theirs.config.model_copy(update=same))
        other = Subject.build(found, checkpoint, loaded, threads, subject.batch_size)
    except ConfigError as error:
        raise UsageError(
            f"--baseline {found}: it does not fit the data of {subject.found}: {error.problems[0].message}",
            hint="a baseline takes the same inputs and gives the same classes as the run it is compared with",
        ) from error
    comparable = link_of(other.experiment.loss) == link_of(subject.experiment.loss)
    if comparable:
        other.experiment = replace(other.experiment, loss=subject.experiment.loss)
    return other, comparable
