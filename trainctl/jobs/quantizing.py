"""Quantize a trained model, hold it to its float parent, and write it as a checkpoint."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.errors import GateError, UsageError
from trainctl.jobs.experiments import config_of, on_cpu
from trainctl.jobs.measuring import Subject
from trainctl.jobs.places import RUNS
from trainctl.jobs.quantization_data import DataParts, data_parts
from trainctl.storage.packing import to_array
from trainctl.storage.quantization_record import (
    Figure,
    Measured,
    Parents,
    QuantizationRecord,
    QuantizedLayer,
    Settings,
    Verdict,
)
from trainctl.train.aware import plan_in
from trainctl.train.checkpoint import MODEL, Checkpoint, read_checkpoint, weights_sha256
from trainctl.train.checkpoint_files import encode_arrays
from trainctl.train.resolve import find_checkpoint, latest_run

if TYPE_CHECKING:
    from trainctl.jobs.quantization_search import Found
    from trainctl.quantization.post_training import PostTraining, Quantized
    from trainctl.train.drops import Drop, Observed
    from trainctl.train.evaluate import EvalResult
    from trainctl.train.steps import Steps

SCHEMA_VERSION = 1
"""Of what :func:`run_quantization` returns."""


def run_quantization(
    path: str | Path | None,
    output_dir: str | Path,
    settings: Settings | None = None,
    *,
    force: bool = False,
    on_stage: Callable[[str], object] = lambda text: None,
) -> dict[str, Any]:
    """Quantize a trained model and return, as plain data, how it compares with the float one.

    It is written only if all that was asked for holds; ``passed`` says so, and ``reason`` why not.

    Args:
        path: a run, whose best checkpoint is meant, or a checkpoint; None: the latest run.
        output_dir: the checkpoint directory to write.
        settings: how to quantize, and what is asked of the result.
        force: replace a checkpoint that is there.
        on_stage: called with what is about to be done, in words.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        ConfigError: an override does not fit.
        DataError: the run's data is missing or corrupt, or there is too little of it.
        DivergedError: the float model gives numbers that are not finite.
        UsageError: the model is quantized already, has nothing to quantize, or an option does not fit it.
        TrainctlError: the checkpoint cannot be written.

    Example:
        >>> run_quantization("runs/no-such-run", "runs/no-such-int8")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    return _Job(settings or Settings(), Path(output_dir), on_stage).run(path, force)


class _Job:
    def __init__(self, settings: Settings, target: Path, on_stage: Callable[[str], object]) -> None:
        self.settings, self.target, self.say = settings, target, on_stage
        self._float_steps: Steps | None = None

    def run(self, path: str | Path | None, force: bool) -> dict[str, Any]:
        from trainctl.train.lone_checkpoint import check_place, write_checkpoint

        started = time.perf_counter()
        found = find_checkpoint(latest_run(RUNS) if path is None else path)
        check_place(self.target, found, force=force)
        self.subject = _subject(found, self.settings.overrides)
        self.rounds = plan_in(self.subject.checkpoint) is not None
        self.metric = _deciding(self.subject, self.settings.metric)
        _check_patterns(self.subject, self.settings.exclude)
        parts = self._data()
        base = self._calibrated(parts)
        search = self._search(base, parts)
        result = self._judged(base, parts, search)
        if result["passed"]:
            write_checkpoint(self.checkpoint, self.target)
        return {**result, "written": result["passed"], "seconds": round(time.perf_counter() - started, 3)}

    def _data(self) -> DataParts:
        settings = self.settings
        return data_parts(
            self.subject,
            self.settings.split,
            settings.calibration_batches,
            settings.calibration_batch_size,
            settings.seed,
        )

    def _calibrated(self, parts: DataParts) -> PostTraining:
        from trainctl.jobs.aware_tuning import aware_trained
        from trainctl.quantization.post_training import PostTraining
        from trainctl.train.threads import blas_threads

        base: PostTraining
        if self.settings.method == "qat" or self.rounds:
            base = aware_trained(self.subject, self.settings, parts.calibration, self.say)
            self.settings = base.settings  # what its training rounded, and how
        else:
            self.say(f"calibration on {parts.samples:,} samples of the train split")
            with blas_threads(1):  # the last bits of sums must not depend on the machine's cores
                base = PostTraining(self.subject.experiment.model, parts.calibration, self.settings)
        if not base.names:
            raise UsageError(
                f"{self.subject.found}: the model has no layer to quantize: {_listed(base)}",
                hint="Linear, Conv1d to Conv3d, Embedding, recurrent layers and attention can be",
            )
        kept = len(base.choices) - len(base.names)
        if self.settings.no_fallback and kept:
            many = "1 layer stays" if kept == 1 else f"{kept} layers stay"
            raise GateError(
                f"--no-fallback: {many} in float: {_listed(base)}",
                hint="nothing was written; without --no-fallback they stay as they are",
            )
        return base

    # -- how good it is -------------------------------------------------------------------------------

    def _search(self, base: PostTraining, parts: DataParts) -> Found | None:
        from trainctl.jobs.quantization_search import search
        from trainctl.train.drops import worst_drop

        if self.settings.max_drop is None or self.settings.no_fallback:
            return None
        name, data = parts.search
        self.say(f"search on {len(data):,} samples: {name}")
        theirs = self._measured(self.subject.experiment.model, data)[1]
        return search(base, lambda model: worst_drop(self._measured(model, data)[1], theirs), self.settings.max_drop)

    def _measured(self, model: Any, data: Any) -> tuple[EvalResult, Observed]:
        from trainctl.train.drops import Observed

        experiment = self.subject.experiment
        observed = Observed(self.metric, experiment.loss, experiment.metrics)
        subject, steps = self.subject.with_model(model), None
        if model is experiment.model:  # it is measured several times
            self._float_steps = steps = self._float_steps or subject.steps()
        return subject.measure_on(data, observers=[observed], steps=steps), observed

    def _judged(self, base: PostTraining, parts: DataParts, search: Found | None) -> dict[str, Any]:
        from trainctl.jobs.quantization_search import converted
        from trainctl.train.drops import worst_drop
        from trainctl.train.threads import blas_threads

        keep = search.keep if search else []
        quantized = converted(base, keep, f"--max-drop {self.settings.max_drop:g}" if keep else "")
        name, data = parts.verdict
        self.say(f"verdict on {len(data):,} samples: {name}")
        model = self.subject.experiment.model
        both = self._measured(model, data), self._measured(quantized.model, data)
        with blas_threads(1):
            drop = worst_drop(both[1][1], both[0][1])
        measured = self._record_of(parts, [each[0] for each in both], drop, search)
        self.checkpoint = self._checkpoint(base, quantized, parts, measured)
        self.say("latency")
        return self._result(base, quantized, drop, search, parts)

    def _record_of(self, parts: DataParts, results: Sequence[EvalResult], drop: Drop, search: Found | None) -> Measured:
        from trainctl.train.drops import LEVEL

        metrics = self.subject.experiment.metrics
        sides = [{"loss": each.loss, **each.metrics} for each in results]
        figures = [
            Figure(
                name=name,
                float=_number(sides[0][name]),
                quantized=_number(sides[1][name]),
                higher_is_better=name != "loss" and metrics[name].higher_is_better,
            )
            for name in sides[0]
        ]
        return Measured(
            split=parts.verdict[0],
            samples=results[0].samples,
            figures=figures,
            verdict=Verdict(
                metric=self.metric,
                drop=_number(drop.drop),
                bound=_number(drop.bound),
                level=LEVEL,
                max_drop=self.settings.max_drop,
            ),
            search_split=parts.search[0] if search else None,
            evaluations=search.evaluations if search else 0,
            steps=search.steps if search else [],
        )

    # -- what becomes of it ---------------------------------------------------------------------------

    def _checkpoint(self, base: PostTraining, quantized: Quantized, parts: DataParts, measured: Measured) -> Checkpoint:
        from trainctl.train.quantized_weights import stored_weights
        from trainctl.train.state import load_weights

        parent, found = self.subject.checkpoint, self.subject.found
        weights = stored_weights(quantized.model, quantized.layers)
        sizes = {"float_bytes": self._float_bytes(base), "quantized_bytes": encode_arrays(weights)[1]["bytes"]}
        record = QuantizationRecord(
            settings=self.settings,
            parents=Parents(weights=weights_sha256(found), calibration=parts.sha256, settings=self.settings.sha256),
            layers=sorted(quantized.layers, key=_loudness),
            float_layers=quantized.float_layers,
            measured=measured.model_copy(update=sizes),
        )
        progress = replace(parent.progress, seconds=0.0, train_seconds=0.0)  # no times: the same bytes each time
        made = replace(parent, progress=progress, model=weights, state={}, arrays={}, quantization=record)
        load_weights(made, copy.deepcopy(base.model))  # what is written can be read
        return made

    def _float_bytes(self, base: PostTraining) -> int:
        """Bytes of the float weights: of a run that rounds, without what it rounds with."""
        if not self.rounds:
            return (self.subject.found / MODEL).stat().st_size
        arrays = {name: to_array(each) for name, each in base.model.state_dict().items()}
        return int(encode_arrays(arrays)[1]["bytes"])

    def _result(
        self, base: PostTraining, quantized: Quantized, drop: Drop, search: Found | None, parts: DataParts
    ) -> dict[str, Any]:
        record = self.checkpoint.quantization
        assert record is not None
        assert record.measured is not None
        measured = record.measured
        plain = record.plain()
        reason = self._why_not(drop, search)
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.subject.experiment.config.name,
            "checkpoint": str(self.subject.found),
            "output": str(self.target),
            "passed": reason is None,
            "reason": reason,
            "trained_rounding": self.rounds,
            "method": self.settings.method,
            "bits": self.settings.bits,
            "settings": plain["settings"],
            "parents": plain["parents"],
            "calibration": {"samples": parts.samples, "batches": len(parts.calibration), "split": "train"},
            "split": measured.split,
            "samples": measured.samples,
            "figures": plain["measured"]["figures"],
            "verdict": plain["measured"]["verdict"],
            "search": None
            if search is None
            else {
                "split": measured.search_split,
                "evaluations": search.evaluations,
                "holds": search.holds,
                "steps": plain["measured"]["steps"],
            },
            "bytes": {
                "float": measured.float_bytes,
                "quantized": measured.quantized_bytes,
                "ratio": round(measured.quantized_bytes / measured.float_bytes, 4),
            },
            "latency": self._latency(
                [base.model if self.rounds else self.subject.experiment.model, quantized.model], parts
            ),
            "layers": plain["layers"],
            "float_layers": plain["float_layers"],
            "threads": self.subject.threads,
        }

    def _why_not(self, drop: Drop, search: Found | None) -> str | None:
        most = self.settings.max_drop
        if most is None:
            return None
        if search is not None and not search.holds:
            return f"no choice of layers in float holds --max-drop {most:g} in the search"
        if drop.bound <= most:
            return None
        bound = "not finite" if not math.isfinite(drop.bound) else f"up to {drop.bound:.4g}"
        return f"the drop of {self.metric} may be {bound}, more than --max-drop {most:g}"

    def _latency(self, models: Sequence[Any], parts: DataParts) -> list[dict[str, Any]]:
        from trainctl.jobs.latency import latencies
        from trainctl.train.threads import blas_threads, eager_threads

        batch = parts.calibration[0]
        calls = [self._compiled(model) for model in models]
        with blas_threads(eager_threads(self.subject.experiment.config, self.subject.threads)):
            return latencies(calls, [_first(batch, 1), batch])

    def _compiled(self, model: Any) -> Callable[[Any], Any]:
        """A model as ``predict`` calls it."""
        import trainctl
        from trainctl.train.batches import forward
        from trainctl.train.evaluate import evaluation_mode

        config, checkpoint = self.subject.experiment.config, self.subject.checkpoint
        call: Callable[[Any], Any] = lambda batch: forward(model, batch)  # noqa: E731 - a plan wants a function of its own
        if config.train.compile:
            call = trainctl.compile(
                call, threads=self.subject.threads, kernels=checkpoint.kernels, notify=lambda text: None,
                deterministic=config.train.deterministic, undo=lambda: _nothing,
            )  # fmt: skip

        def run(batch: Any) -> Any:
            with evaluation_mode(model), trainctl.no_grad():
                return call(batch)

        return run


def _nothing() -> None:
    """What there is to undo of a call that changes nothing."""


def _first(batch: Any, count: int) -> Any:
    return {name: each[:count] for name, each in batch.items()} if isinstance(batch, dict) else batch[:count]


def _loudness(layer: QuantizedLayer) -> float:
    return math.inf if layer.sqnr is None else layer.sqnr


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _listed(base: PostTraining) -> str:
    kept = [f"{each.name} ({each.kind}: {each.reason})" for each in base.choices if each.scheme is None]
    more = f" and {len(kept) - 5} more" if len(kept) > 5 else ""
    return ", ".join(kept[:5]) + more if kept else "no layer with weights"


# -- what is checked first ----------------------------------------------------------------------------


def _subject(found: Path, overrides: Sequence[str]) -> Subject:
    from trainctl.jobs.evaluation import check_replaceable

    check_replaceable(overrides)
    checkpoint = read_checkpoint(found)
    if checkpoint.quantization is not None:
        parent = checkpoint.quantization.parents.weights
        raise UsageError(
            f"{found}: is quantized already",
            hint=f"quantize the float model it was made from: weights {parent[:16]}...",
        )
    loaded = on_cpu(config_of(checkpoint, found, overrides))
    return Subject.build(found, checkpoint, loaded, None, None)


def _deciding(subject: Subject, metric: str | None) -> str:
    """The figure that decides: what was asked for, else the first metric, else the loss."""
    from trainctl.jobs.gates import check_names

    experiment = subject.experiment
    if metric is None:
        return next(iter(experiment.metrics), "loss")
    check_names([metric], ["loss", *experiment.metrics], list(experiment.tables), "--metric")
    return metric


def _check_patterns(subject: Subject, patterns: Sequence[str]) -> None:
    """Check that each pattern of ``--exclude`` fits a layer with weights."""
    from trainctl.quantization.trained.selection import fits, layers_with_weights
    from trainctl.train.patterns import hint

    layers = [(name, type(module).__name__) for name, module in layers_with_weights(subject.experiment.model)]
    for pattern in patterns:
        if not any(fits(name, kind, pattern) for name, kind in layers):
            names = list(dict.fromkeys([name for name, _ in layers] + [kind for _, kind in layers]))
            raise UsageError(f"--exclude {pattern}: fits no layer with weights", hint=hint(pattern, names))
