"""The training loop: a generator of events. It touches no files; its consumers do."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trainctl
from trainctl.backend import jit
from trainctl.data import DataLoader, EpochLoader
from trainctl.errors import Interrupted
from trainctl.train.checkpoint import Best, Checkpoint, Progress
from trainctl.train.evaluate import EvalResult, evaluate, is_summed, on_device
from trainctl.train.events import CheckpointDue, EpochEnd, Event, Notice, StepEnd, TrainStart
from trainctl.train.lengths import steps_per_epoch
from trainctl.train.monitor import monitor_of
from trainctl.train.rows import columns_of, row_of
from trainctl.train.signals import StopSignals
from trainctl.train.state import capture, restore
from trainctl.train.steps import Steps
from trainctl.train.stops import diverged, infinite_weight, interrupted
from trainctl.train.summary import device_of
from trainctl.train.threads import resolve_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.errors import DivergedError


class Loop:
    """One session of a run's training: from its start, or from a checkpoint, to its end or until it is stopped.

    Args:
        experiment: model, data and the rest, as :func:`trainctl.build.build` makes them.
        run: the run's directory, for messages alone.
        resume: where to go on from; default: from the start.
        stop: looked at after every step.

    Attributes:
        progress: how far the run is.
        columns: of a row of metrics.
    """

    def __init__(
        self, experiment: Experiment, run: Path, resume: Checkpoint | None = None, stop: StopSignals | None = None
    ) -> None:
        config = experiment.config
        self.experiment, self.run, self.resume, self.stop = experiment, run, resume, stop or StopSignals()
        self.model, self.optimizer, self.loss = experiment.model, experiment.optimizer, experiment.loss
        self.config, self.config_text = config, experiment.loaded.to_yaml()
        self.progress = deepcopy(resume.progress) if resume else Progress()
        self.threads = resume.threads if resume else resolve_threads(config.threads)
        self.kernels = resume.kernels if resume else jit.kind()
        self.monitor = monitor_of(config, experiment.metrics)
        self.schedule = experiment.schedule
        self.steps_per_epoch = steps_per_epoch(experiment)
        self.columns = columns_of(experiment)
        self.loader = EpochLoader(
            experiment.training_data,
            batch_size=config.data.batch_size,
            seed=config.seed,
            shuffle=config.data.shuffle,
            drop_last=config.data.drop_last,
            num_workers=config.data.num_workers,
        )
        self.mark = time.perf_counter()
        self.notices: list[str] = []
        self.steps = Steps(experiment, self.threads, self.kernels, self.notices.append)

    def restore(self) -> None:
        """Bring model, optimizer, schedule and random stream to where the run stands.

        Raises:
            CheckpointError: the checkpoint is another model's.
        """
        if self.resume:
            restore(self.resume, self.model, self.optimizer, self.schedule)

    def start(self) -> TrainStart:
        """Return the event that comes before all others."""
        data, p = self.experiment, self.progress
        return TrainStart(
            run_dir=self.run,
            name=self.config.name,
            device=device_of(self.model),
            threads=self.threads,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            epochs=self.config.train.epochs,
            steps_per_epoch=self.steps_per_epoch,
            train_samples=len(data.train_data),
            val_samples=0 if data.val_data is None else len(data.val_data),
            start_epoch=p.epoch,
            start_step=p.step + 1,
            resumed=self.resume is not None,
        )

    @property
    def goes_on(self) -> bool:
        """Whether there is an epoch left."""
        return self.progress.epoch <= self.config.train.epochs

    def epochs(self) -> Iterator[Event]:
        """Train the epochs that are left; what is due to be saved has to be before the next event is asked for.

        Raises:
            DivergedError: the loss or a weight is no longer finite.
            Interrupted: a signal came, and what is due has been saved.
        """
        while self.goes_on:
            yield from self._epoch()

    # -- an epoch ---------------------------------------------------------------------------------

    def _epoch(self) -> Iterator[Event]:
        p = self.progress
        self.tick()
        seconds, samples = p.train_seconds, p.samples  # of a resumed epoch, only the rest is timed
        yield from self._steps()
        self.tick(training=True)
        seconds, samples = p.train_seconds - seconds, p.samples - samples
        self._check_weights()
        random_state = trainctl.get_rng_state()
        try:
            measured = self.evaluate(self.experiment.val_data)
        except Interrupted:
            trainctl.set_rng_state(random_state)  # the resumed run validates from the beginning
            yield self._due()
            raise
        event = self._close_epoch(measured, seconds, samples)
        yield event
        yield self._due(best=event.is_best)

    def _steps(self) -> Iterator[Event]:
        """The rest of the epoch's steps. This is the loop whose every microsecond counts."""
        p, model, optimizer, stop, learn = self.progress, self.model, self.optimizer, self.stop, self.steps.learn
        after_step = self.schedule.after_step if self.schedule else None
        every, last, summed = self.config.train.checkpoint_every, self.steps_per_epoch, is_summed(self.loss)
        self.loader.set_epoch(p.epoch, start=p.samples)
        model.train()
        for inputs, target in on_device(self.loader, model):
            value = learn(inputs, target).item()
            p.lr = optimizer.param_groups[0]["lr"]
            p.step += 1
            p.global_step += 1
            if not math.isfinite(value):
                raise self._diverged(f"the loss is {value}")
            while self.notices:
                yield Notice(self.notices.pop())
            size = len(target)
            total, mean = (value, value / size) if summed else (value * size, value)
            p.samples += size
            p.loss_sum += total
            if after_step:
                after_step()
            yield StepEnd(p.epoch, p.step, p.global_step, mean, p.lr, size)
            if stop.signum is not None:
                yield self._due(training=True)
                raise interrupted(self.run, p, stop.signum)
            if every and p.global_step % every == 0 and p.step < last:
                yield self._due(training=True)

    def _close_epoch(self, measured: EvalResult | None, seconds: float, samples: int) -> EpochEnd:
        """Move to the next epoch; return what there is to say of this one."""
        p = self.progress
        if measured and not math.isfinite(measured.loss):
            raise self._diverged(f"the validation loss is {measured.loss}")
        assert p.lr is not None
        event = EpochEnd(
            epoch=p.epoch,
            global_step=p.global_step,
            train_loss=p.loss_sum / p.samples,
            val_loss=measured.loss if measured else None,
            metrics=measured.metrics if measured else {},
            lr=p.lr,
            seconds=seconds,
            samples_per_second=samples / seconds if seconds else 0.0,
            is_best=False,
        )
        row = row_of(event, self.columns)
        is_best = self.monitor.improves(row, p.best)
        if is_best:
            p.best = Best(row[self.monitor.name], p.epoch, p.global_step)
        p.history.append(row)
        p.epoch, p.step, p.samples, p.loss_sum = p.epoch + 1, 0, 0, 0.0
        if self.schedule:
            self.schedule.after_epoch(row[self.monitor.name])
        return replace(event, is_best=is_best)

    def evaluate(self, data: Any) -> EvalResult | None:
        """Measure the model on a split; None where there is none.

        Raises:
            Interrupted: a signal came.
        """
        if data is None:
            return None
        settings = self.config.data
        loader: DataLoader[Any] = DataLoader(data, settings.eval_batch_size, num_workers=settings.num_workers)
        return evaluate(
            self.model, self.loss, self.experiment.metrics, loader, between=self._check_stop, measure=self.steps.measure
        )

    # -- stopping and saving ----------------------------------------------------------------------

    def tick(self, *, training: bool = False) -> None:
        """Count the time since the last tick."""
        now = time.perf_counter()
        elapsed, self.mark = now - self.mark, now
        self.progress.seconds += elapsed
        if training:
            self.progress.train_seconds += elapsed

    def _due(self, *, best: bool = False, training: bool = False) -> CheckpointDue:
        self.tick(training=training)
        if training:
            self._check_weights()
        p = self.progress
        checkpoint = capture(
            self.model,
            self.optimizer,
            self.schedule,
            config=self.config_text,
            threads=self.threads,
            kernels=self.kernels,
            progress=p,
        )
        return CheckpointDue(checkpoint, p.epoch if p.step else p.epoch - 1, p.global_step, best)

    def _check_weights(self) -> None:
        """Bad weights must not replace good ones."""
        name = infinite_weight(self.model)
        if name is not None:
            raise self._diverged(f"the weight {name} is no longer finite")

    def _check_stop(self) -> None:
        if self.stop.signum is not None:
            raise interrupted(self.run, self.progress, self.stop.signum)

    def _diverged(self, what: str) -> DivergedError:
        return diverged(self.run, self.progress, self.config, what)
