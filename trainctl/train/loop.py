"""The training loop: a generator of events that keeps the run's files as it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import trainctl
from trainctl.backend import jit
from trainctl.data import DataLoader, EpochSampler
from trainctl.errors import DataError, DivergedError, Interrupted, UsageError
from trainctl.train.batches import size_of
from trainctl.train.checkpoint import Best, Checkpoint, Progress, read_checkpoint
from trainctl.train.evaluate import EvalResult, evaluate, is_summed, on_device
from trainctl.train.events import CheckpointSaved, EpochEnd, Event, Notice, StepEnd, TrainEnd, TrainStart
from trainctl.train.monitor import monitor_of
from trainctl.train.resolve import find_checkpoint
from trainctl.train.rundir import RunDirectory
from trainctl.train.signals import StopSignals
from trainctl.train.state import capture, load_weights, restore
from trainctl.train.steps import Steps
from trainctl.train.stops import diverged, infinite_weight, interrupted
from trainctl.train.summary import device_of, number, summarize
from trainctl.train.threads import blas_threads, eager_threads, resolve_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment


def train(
    experiment: Experiment,
    run: RunDirectory,
    *,
    resume: Checkpoint | None = None,
    stop: StopSignals | None = None,
) -> Iterator[Event]:
    """Train, yielding an event for all that happens; the model ends with the weights of the best epoch.

    After every epoch, and every ``train.checkpoint_every`` steps, a checkpoint is saved. A run that goes on
    from one ends with the same bits, in weights and metrics files, as a run that never stopped.

    Args:
        experiment: model, data and the rest, as :func:`trainctl.build.build` makes them.
        run: where the run is recorded.
        resume: where to go on from; default: from the start.
        stop: looked at after every step; once its ``signum`` is set, the state is saved and the run stops.

    Raises:
        DataError: there is not one batch to train on.
        CheckpointError: ``resume`` is another model's.
        UsageError: ``resume`` is past ``train.epochs``.
        DivergedError: the loss or a weight is no longer finite; the checkpoints stay as they were.
        Interrupted: ``stop`` said so, and everything is saved.
    """
    loop = _Loop(experiment, run, resume, stop or StopSignals())
    with blas_threads(eager_threads(loop.config, loop.threads)):
        yield from loop.events()


def check_experiment(experiment: Experiment) -> None:
    """Find out before a run begins what would stop it only later; all data is opened.

    Raises:
        DataError: a split has no samples, or its data is missing or corrupt.
        ConfigError: a scheduler is over before the run is.
    """
    steps_per_epoch(experiment)
    _ = experiment.schedule
    for name, data in (("validation", experiment.val_data), ("test", experiment.test_data)):
        if data is not None and not len(data):
            raise DataError(f"the {name} split has no samples", hint="see `data:` in the config")


def steps_per_epoch(experiment: Experiment) -> int:
    """Return the number of batches in an epoch.

    Raises:
        DataError: there is none.
    """
    data, samples = experiment.config.data, len(experiment.train_data)
    steps = samples // data.batch_size if data.drop_last else -(-samples // data.batch_size)
    if not steps:
        raise DataError(
            f"{samples} training samples make no batch of {data.batch_size}",
            hint="lower data.batch_size, or leave out data.drop_last",
        )
    return steps


class _Loop:
    """One session of a run: from its start, or from a checkpoint, to its end or until it is stopped."""

    def __init__(self, experiment: Experiment, run: RunDirectory, resume: Checkpoint | None, stop: StopSignals) -> None:
        config = experiment.config
        self.experiment, self.run, self.resume, self.stop = experiment, run, resume, stop
        self.model, self.optimizer, self.loss = experiment.model, experiment.optimizer, experiment.loss
        self.config = config
        self.config_text = experiment.loaded.to_yaml()
        self.progress = deepcopy(resume.progress) if resume else Progress()
        self.threads = resume.threads if resume else resolve_threads(config.threads)
        self.kernels = resume.kernels if resume else jit.kind()
        self.monitor = monitor_of(config, experiment.metrics)
        self.schedule = experiment.schedule
        self.steps_per_epoch = steps_per_epoch(experiment)
        self.columns = ["epoch", "global_step", "train_loss", "val_loss", *experiment.metrics, "lr"]
        self.sampler = EpochSampler(experiment.train_data, seed=config.seed, shuffle=config.data.shuffle)
        self.loader: DataLoader[Any] = DataLoader(
            experiment.train_data,
            batch_size=config.data.batch_size,
            sampler=self.sampler,
            drop_last=config.data.drop_last,
        )
        self.mark = time.perf_counter()
        self.notices: list[str] = []
        self.steps = Steps(experiment, self.threads, self.kernels, self.notices.append)

    def events(self) -> Iterator[Event]:
        """The whole session."""
        finished = self._open()
        yield self._start()
        if finished:
            yield Notice(f"{self.run.path}: the run has its {self.config.train.epochs} epochs already")
        while self.progress.epoch <= self.config.train.epochs:
            yield from self._epoch()
        load_weights(read_checkpoint(find_checkpoint(self.run.path)), self.model)
        yield TrainEnd(self.run.path, finished or self._finish())

    # -- beginning --------------------------------------------------------------------------------

    def _open(self) -> dict[str, Any] | None:
        """Bring objects and files to where the run stands; return its summary if it is finished."""
        done = self.progress.epoch - 1
        if done > self.config.train.epochs:
            raise UsageError(
                f"{self.run.path}: the run is past train.epochs {self.config.train.epochs}: it has {done}",
                hint=f"--epochs {done} or more goes on with it",
            )
        if self.resume:
            restore(self.resume, self.model, self.optimizer, self.schedule)
        self.run.write_config(self.config_text)
        self.run.write_metrics(self.columns, self.progress.history)
        summary = self.run.read_summary()
        if done == self.config.train.epochs and summary and summary.get("steps") == self.progress.global_step:
            return summary
        self.run.remove_summary()
        return None

    def _start(self) -> TrainStart:
        data, p = self.experiment, self.progress
        return TrainStart(
            run_dir=self.run.path,
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

    # -- an epoch ---------------------------------------------------------------------------------

    def _epoch(self) -> Iterator[Event]:
        p = self.progress
        self._tick()
        seconds, samples = p.train_seconds, p.samples  # of a resumed epoch, only the rest is timed
        yield from self._steps()
        self._tick(training=True)
        seconds, samples = p.train_seconds - seconds, p.samples - samples
        self._check_weights()
        random_state = trainctl.get_rng_state()
        try:
            measured = self._evaluate(self.experiment.val_data)
        except Interrupted:
            trainctl.set_rng_state(random_state)  # the resumed run validates from the beginning
            yield self._save()
            raise
        row, is_best = self._close_epoch(measured)
        saved = self._save(best=is_best)
        yield EpochEnd(
            epoch=row["epoch"],
            global_step=row["global_step"],
            train_loss=row["train_loss"],
            val_loss=row["val_loss"],
            metrics=measured.metrics if measured else {},
            lr=row["lr"],
            seconds=seconds,
            samples_per_second=samples / seconds if seconds else 0.0,
            is_best=is_best,
        )
        yield saved

    def _steps(self) -> Iterator[Event]:
        """The rest of the epoch's steps. This is the loop whose every microsecond counts."""
        p, model, optimizer, stop, learn = self.progress, self.model, self.optimizer, self.stop, self.steps.learn
        after_step = self.schedule.after_step if self.schedule else None
        every, last, summed = self.config.train.checkpoint_every, self.steps_per_epoch, is_summed(self.loss)
        self.sampler.set_epoch(p.epoch, start=p.samples)
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
            size = size_of(target)
            total, mean = (value, value / size) if summed else (value * size, value)
            p.samples += size
            p.loss_sum += total
            if after_step:
                after_step()
            yield StepEnd(p.epoch, p.step, p.global_step, mean, p.lr, size)
            if stop.signum is not None:
                yield self._save(training=True)
                raise interrupted(self.run, p, stop.signum)
            if every and p.global_step % every == 0 and p.step < last:
                yield self._save(training=True)

    def _close_epoch(self, measured: EvalResult | None) -> tuple[dict[str, Any], bool]:
        """Write the epoch's row and move to the next epoch; return the row and whether it is the best."""
        p = self.progress
        if measured and not math.isfinite(measured.loss):
            raise self._diverged(f"the validation loss is {measured.loss}")
        row: dict[str, Any] = {
            "epoch": p.epoch,
            "global_step": p.global_step,
            "train_loss": p.loss_sum / p.samples,
            "val_loss": measured.loss if measured else None,
            **{name: number(measured.metrics[name]) if measured else None for name in self.experiment.metrics},
            "lr": p.lr,
        }
        is_best = self.monitor.improves(row, p.best)
        if is_best:
            p.best = Best(row[self.monitor.name], p.epoch, p.global_step)
        p.history.append(row)
        p.epoch, p.step, p.samples, p.loss_sum = p.epoch + 1, 0, 0, 0.0
        if self.schedule:
            self.schedule.after_epoch(row[self.monitor.name])
        self.run.append_metrics(self.columns, row)
        return row, is_best

    # -- the end ----------------------------------------------------------------------------------

    def _finish(self) -> dict[str, Any]:
        """Measure the best weights on the test split and write the summary."""
        test = self._evaluate(self.experiment.test_data)
        self._tick()
        summary = summarize(
            self.experiment,
            self.progress,
            test,
            monitor=self.monitor.name,
            threads=self.threads,
            last=find_checkpoint(self.run.path, "last"),
            best=find_checkpoint(self.run.path),
        )
        self.run.write_summary(summary)
        return summary

    def _evaluate(self, data: Any) -> EvalResult | None:
        if data is None:
            return None
        loader: DataLoader[Any] = DataLoader(data, batch_size=self.config.data.eval_batch_size)
        return evaluate(
            self.model, self.loss, self.experiment.metrics, loader, between=self._check_stop, measure=self.steps.measure
        )

    # -- stopping and saving ----------------------------------------------------------------------

    def _tick(self, *, training: bool = False) -> None:
        """Count the time since the last tick."""
        now = time.perf_counter()
        elapsed, self.mark = now - self.mark, now
        self.progress.seconds += elapsed
        if training:
            self.progress.train_seconds += elapsed

    def _save(self, *, best: bool = False, training: bool = False) -> CheckpointSaved:
        self._tick(training=training)
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
        path = self.run.checkpoints.save(checkpoint, best=best)
        return CheckpointSaved(path, p.epoch if p.step else p.epoch - 1, p.global_step)

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
