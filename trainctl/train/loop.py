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
from trainctl.errors import DivergedError, Interrupted
from trainctl.train.averaging import Ema
from trainctl.train.aware import PART, AwareTraining
from trainctl.train.checkpoint import Best, Checkpoint, Progress
from trainctl.train.evaluate import EvalResult, evaluate, on_device
from trainctl.train.events import CheckpointDue, EarlyStop, EpochEnd, Event, Notice, StepEnd, TrainStart
from trainctl.train.lengths import samples_per_epoch, steps_per_epoch
from trainctl.train.monitor import early_stopping_of, first_comparable, monitor_of
from trainctl.train.patterns import frozen_statistics
from trainctl.train.rows import Meters, columns_of, row_of
from trainctl.train.signals import StopSignals
from trainctl.train.state import Stateful, capture, copied, restore
from trainctl.train.steps import Steps
from trainctl.train.stops import diverged, infinite_weight, stop_here
from trainctl.train.summary import device_of
from trainctl.train.threads import resolve_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment


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
        diagnoses: whether a run that diverges is looked at.
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
        self.early = early_stopping_of(config, self.monitor)
        self.frozen = frozen_statistics(self.model, config.freeze)
        self.aware = AwareTraining.of(experiment, resume)
        self.ema = Ema(self.model, config.train.ema.decay) if config.train.ema else None
        self.evaluated = self.ema.module if self.ema else self.model
        self.meters = Meters()
        parts: dict[str, Stateful | None] = {"ema": self.ema, "early_stopping": self.early, "meters": self.meters}
        parts[PART] = self.aware if self.aware and self.aware.begun else None
        self.more = {name: part for name, part in parts.items() if part is not None}
        self.schedule = experiment.schedule
        self.steps_per_epoch = steps_per_epoch(experiment)
        self.samples = samples_per_epoch(experiment)
        self.columns = columns_of(experiment)
        self.measures = {"lr_1", "grad_norm"} & set(self.columns)
        self.loader = EpochLoader(
            experiment.training_data,
            batch_size=config.data.batch_size,
            seed=config.seed,
            shuffle=config.data.shuffle,
            drop_last=config.data.drop_last,
            num_workers=config.data.num_workers,
        )
        self.mark = time.perf_counter()
        self.diagnoses = True
        self._base: Checkpoint | None = None  # until there is one on disk, to look back from if the run diverges
        self.notices: list[str] = []
        self.steps = Steps(experiment, self.threads, self.kernels, self.notices.append, self.evaluated)

    def restore(self) -> None:
        """Bring model, optimizer, schedule and random stream to where the run stands.

        Raises:
            CheckpointError: the checkpoint is another model's.
        """
        if self.resume:
            restore(self.resume, self.model, self.optimizer, self.schedule, self.more)
            self.meters.counted = self.meters.counted or self.progress.samples  # which older checkpoints go by
        self._base = self.resume or copied(self._capture())

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
        """Whether there is an epoch left, and a point in it."""
        return self.progress.epoch <= self.config.train.epochs and not self.stopped_early

    @property
    def stopped_early(self) -> bool:
        """Whether early stopping leaves out epochs."""
        return self.progress.epoch <= self.config.train.epochs and self.early is not None and self.early.is_over

    def epochs(self) -> Iterator[Event]:
        """Train the epochs that are left; what is due to be saved has to be before the next event is asked for.

        Raises:
            DivergedError: the loss or a weight is no longer finite.
            Interrupted: a signal came, and what is due has been saved.
        """
        while self.goes_on:
            self._check_stop()
            yield from self._epoch()
        if self.early and self.stopped_early:
            best = self.progress.best
            yield EarlyStop(self.progress.epoch - 1, self.early.reason, best.epoch if best else None)

    # -- an epoch ---------------------------------------------------------------------------------

    def _epoch(self) -> Iterator[Event]:
        p = self.progress
        if self.aware and self.aware.is_due(p.epoch):
            yield self._begin_rounding(self.aware)  # before the clock of the epoch's steps
        self.tick()
        seconds, samples = p.train_seconds, p.samples  # of a resumed epoch, only the rest is timed
        yield from self._steps()
        self.tick(training=True)
        seconds, samples = p.train_seconds - seconds, p.samples - samples
        yield from self._check_weights()
        random_state = trainctl.get_rng_state()
        try:
            measured = self.evaluate(self.experiment.val_data)
        except Interrupted:
            trainctl.set_rng_state(random_state)  # the resumed run validates from the beginning
            yield from self._save()
            raise
        if measured and not math.isfinite(measured.loss):
            yield from self._diverge(f"the validation loss is {measured.loss}", in_validation=True)
        event = self._close_epoch(measured, seconds, samples)
        yield event
        yield from self._save(best=event.is_best)

    def _steps(self) -> Iterator[Event]:
        """The rest of the epoch's steps. This is the loop whose every microsecond counts."""
        p, optimizer, stop, meters = self.progress, self.optimizer, self.stop, self.meters
        after_step, ema = self.schedule and self.schedule.after_step, self.ema
        every, last = self.config.train.checkpoint_every, self.steps_per_epoch
        norm = None
        self.loader.set_epoch(p.epoch, start=p.samples)
        self.training_mode()
        for total, size, counted in self.steps.over(on_device(self.loader, self.model), self.samples - p.samples):
            p.lr = optimizer.param_groups[0]["lr"]
            p.step += 1
            p.global_step += 1
            if not math.isfinite(total):
                yield from self._diverge(f"the loss is {total}")
            while self.notices:
                yield Notice(self.notices.pop())
            p.samples += size
            p.loss_sum += total
            meters.counted += counted
            if self.measures:
                norm = self.steps.grad_norm
                if norm is not None and not math.isfinite(norm):
                    yield from self._diverge(f"the norm of the gradients is {norm}")
                meters.after_step([group["lr"] for group in optimizer.param_groups], norm)
            if ema:
                ema.after_step()
            if after_step:
                after_step()
            yield StepEnd(p.epoch, p.step, p.global_step, total / max(counted, 1), p.lr, size, norm)
            if stop.signum is not None:
                yield from self._save(training=True)
                self._check_stop()
            if every and p.global_step % every == 0 and p.step < last:
                yield from self._save(training=True)

    def training_mode(self) -> None:
        """Let the model learn, all but the statistics that are frozen."""
        self.model.train()
        for module in self.frozen:
            module.training = False
        if self.aware and self.aware.begun:
            self.aware.enter(self.model, self.progress.epoch)

    def _begin_rounding(self, aware: AwareTraining) -> Notice:
        """Have the model, and the average, round from here on; for plans and the diagnosis that is another model."""
        self.loader.set_epoch(self.progress.epoch)
        inputs, _ = next(iter(on_device(self.loader, self.model)))
        aware.begin([self.model, *([self.evaluated] if self.ema else [])], self.optimizer, inputs)
        self.more[PART] = aware
        self.steps = Steps(self.experiment, self.threads, self.kernels, self.notices.append, self.evaluated)
        if self.diagnoses:
            self._base = copied(self._capture())  # what there was, in memory or on disk, is of a float model
        return Notice(aware.told())

    def _close_epoch(self, measured: EvalResult | None, seconds: float, samples: int) -> EpochEnd:
        """Move to the next epoch; return what there is to say of this one."""
        p = self.progress
        assert p.lr is not None
        event = EpochEnd(
            epoch=p.epoch,
            global_step=p.global_step,
            train_loss=p.loss_sum / max(self.meters.counted, 1),
            val_loss=measured.loss if measured else None,
            metrics=measured.metrics if measured else {},
            lr=p.lr,
            seconds=seconds,
            samples_per_second=samples / seconds if seconds else 0.0,
            is_best=False,
            lrs=self.meters.lrs or (p.lr,),
            grad_norm=self.meters.grad_norm,
        )
        row = row_of(event, self.columns)
        first = first_comparable(self.config)
        is_best = self.monitor.improves(row, None if p.best and p.best.epoch < first <= p.epoch else p.best)
        if is_best:
            p.best = Best(row[self.monitor.name], p.epoch, p.global_step)
        if self.early and p.epoch >= first:
            self.early.after_epoch(p.epoch, row[self.monitor.name])
        p.history.append(row)
        self.meters.reset()
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
        if self.aware and self.aware.begun:
            self.aware.hold(self.evaluated)
        settings = self.config.data
        loader: DataLoader[Any] = DataLoader(data, settings.eval_batch_size, num_workers=settings.num_workers)
        return evaluate(
            self.evaluated, self.loss, self.experiment.metrics, loader,
            between=self._check_stop, measure=self.steps.measure,
        )  # fmt: skip

    # -- stopping and saving ----------------------------------------------------------------------

    def tick(self, *, training: bool = False) -> None:
        """Count the time since the last tick."""
        now = time.perf_counter()
        elapsed, self.mark = now - self.mark, now
        self.progress.seconds += elapsed
        if training:
            self.progress.train_seconds += elapsed

    def _save(self, *, best: bool = False, training: bool = False) -> Iterator[Event]:
        """Have the state saved; bad weights must not replace good ones."""
        self.tick(training=training)
        if training:
            yield from self._check_weights()
        p = self.progress
        yield CheckpointDue(self._capture(), p.epoch if p.step else p.epoch - 1, p.global_step, best)
        self._base = None

    def _capture(self) -> Checkpoint:
        return capture(
            self.evaluated, self.optimizer, self.schedule,
            config=self.config_text, threads=self.threads, kernels=self.kernels, progress=self.progress, more=self.more,
        )  # fmt: skip

    def _check_stop(self) -> None:
        stop_here(self.stop, self.run, self.progress)

    # -- diverging --------------------------------------------------------------------------------

    def _check_weights(self) -> Iterator[Event]:
        name = infinite_weight(self.model)
        if name is not None:
            yield from self._diverge(f"the weight {name} is no longer finite", bad_weight=name)

    def _diverge(self, reason: str, *, bad_weight: str | None = None, in_validation: bool = False) -> Iterator[Event]:
        """End the run; say all that can be found out of why."""
        from trainctl.train.diagnosis import diagnose

        if not self.diagnoses:
            raise DivergedError(reason)
        event = diagnose(self, reason, self._base, bad_weight=bad_weight, in_validation=in_validation)
        yield event
        raise diverged(event, self.config)
