"""What a trained model answers to samples that have no targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from trainctl.errors import UsageError
from trainctl.jobs.answers import Answer, answers_of
from trainctl.jobs.experiments import config_of
from trainctl.jobs.places import RUNS
from trainctl.jobs.runtimes import Runtime, runtime_module
from trainctl.train.checkpoint import Checkpoint, read_checkpoint
from trainctl.train.resolve import find_checkpoint, latest_run

if TYPE_CHECKING:
    from trainctl.build.parts import Parts


@dataclass(frozen=True)
class Prediction:
    """What a model answered to one sample.

    Attributes:
        file: where the sample is from.
        row: its place in the file, from 0.
        id: what names it there; None where nothing does.
        answer: the answer.
    """

    file: str
    row: int
    id: Any
    answer: Answer


@dataclass(frozen=True)
class Source:
    """What is predicted, and how it is read.

    Attributes:
        paths: files, folders of images, or ``-``.
        format: of all of them; default: what their names say, and CSV or JSON lines from a pipe.
        id: the column of a table that names its rows.
        drop: columns of a table that are passed over.
        scale: what numbers are divided by; bytes, as pixels are, always by 255.
        stdin: what ``-`` means.
    """

    paths: Sequence[str]
    format: str | None = None
    id: str | None = None
    drop: Sequence[str] = ()
    scale: float | None = None
    stdin: IO[bytes] | None = None


class Predictor:
    """A trained model, ready to answer; no data set is needed. Its config's transforms are applied, as in ``eval``.

    Args:
        path: a run, whose best checkpoint is meant, or a checkpoint; None for the latest run.
        threads: default: as the run had.
        batch_size: samples at a time; default: the config's ``data.eval_batch_size``.
        device: where to compute; default: as the config says.
        runtime: what runs the model.

    Attributes:
        checkpoint: the checkpoint's directory.
        classes: the names of the classes; None where the data set has none.
        notes: what looks odd in what was predicted, one sentence each.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        ConfigError: its config does not fit this version.
        UsageError: the model has several inputs or outputs.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        threads: int | None = None,
        batch_size: int | None = None,
        device: str | None = None,
        runtime: Runtime = "trainctl",
    ) -> None:
        from trainctl.build.parts import Parts
        from trainctl.data import Compose
        from trainctl.registry import extended
        from trainctl.train.aware import as_saved
        from trainctl.train.batches import output_names
        from trainctl.train.metrics.links import link_of
        from trainctl.train.state import load_weights

        self.checkpoint = find_checkpoint(latest_run(RUNS) if path is None else path)
        saved = read_checkpoint(self.checkpoint)
        loaded = config_of(saved, self.checkpoint, (), {"device": ("--device", device)})
        with extended(loaded.names):
            parts = Parts(loaded)
        as_saved(parts.model, parts.rounding, saved)
        load_weights(saved, parts.model)
        parts.model.eval()
        if isinstance(parts.sample.inputs, Mapping):
            names = ", ".join(parts.sample.inputs)
            raise UsageError(f"{self.checkpoint}: predict takes models of one input; this one has {names}")
        if outputs := output_names(parts.loss):
            raise UsageError(
                f"{self.checkpoint}: predict takes models of one output; this one has {', '.join(outputs)}"
            )
        self._spec = parts.sample.inputs
        self._model, self._device = parts.model, parts.device
        self._transform = Compose(parts.transforms)
        self._threads, self._config = threads or saved.threads, loaded.config
        self._batch_size = batch_size or loaded.config.data.eval_batch_size
        self._link = link_of(parts.loss)
        self._forward = self._compiled(saved) if runtime == "trainctl" else runtime_module(parts, self._threads)
        self.classes = class_names(parts)
        self._scales_images = getattr(parts.dataset_class, "scales_images", False)
        self._columns = _column_names(loaded.config.data.dataset.args)
        self.notes: list[str] = []

    def _compiled(self, saved: Checkpoint) -> Callable[[Any], Any]:
        """The model as ``eval`` runs it, so that its answers have the same bits."""
        import trainctl
        from trainctl.train.summary import device_of

        if not self._config.train.compile or device_of(self._model) != "cpu":
            return self._model
        deterministic = self._config.train.deterministic
        return trainctl.compile(
            self._model.__call__, threads=self._threads, kernels=saved.kernels, notify=lambda text: None,
            deterministic=deterministic, undo=lambda: _nothing,
        )  # fmt: skip

    def predict(self, source: Source) -> Iterator[Prediction]:
        """Yield the answers, in the order of the samples; memory does not grow with them.

        Raises:
            DataError: a file is missing or damaged, or a row is not a sample; the message names the line.
            UsageError: a file's name does not say what it holds.
        """
        from trainctl.data.inputs import Columns, Expected, expand
        from trainctl.train.threads import blas_threads, eager_threads

        expected = Expected(self._spec, source.scale, self._scales_images)
        columns = Columns(source.id, tuple(source.drop), *self._columns)
        files = expand(list(source.paths))
        formats = [source.format or _format(path, source.stdin) for path in files]
        threads = eager_threads(self._config, self._threads)
        with blas_threads(threads):
            for path, format in zip(files, formats, strict=True):
                yield from self._file(path, format, expected, columns, source.stdin)

    def _file(
        self, path: str, format: str, expected: Any, columns: Any, stdin: IO[bytes] | None
    ) -> Iterator[Prediction]:
        from trainctl.data.inputs import read_blocks

        row = 0
        for block in read_blocks(path, format, expected, columns, self._batch_size, stdin):
            if row == 0 and expected.scale is None:
                self._note_pixels(path, block.values)
            ids = block.ids or [None] * len(block.values)
            for own, answer in zip(ids, self.answer(block.values, expected.scale), strict=True):
                yield Prediction(path, row, own, answer)
                row += 1

    def _note_pixels(self, path: str, values: np.ndarray) -> None:
        """Numbers that look like pixels, to a model of images, may be 255 times what it was trained on."""
        image = len(self._spec.shape) == 3 and self._spec.dtype.startswith("float")
        if image and values.dtype != np.uint8 and values.max() > 1 and (values == np.round(values)).all():
            self.notes.append(
                f"{path}: whole numbers up to {values.max():g} for an image; if they are pixels, --scale 255"
            )

    def answer(self, values: np.ndarray, scale: float | None = None) -> list[Answer]:
        """Return the answers to samples.

        Args:
            values: [N, *shape], as a data set has them before the config's transforms; uint8 stands for 0 to 1.
            scale: what they are divided by, if they are not uint8.
        """
        import trainctl

        # What overflows is reported with the answer, not by a warning.
        with trainctl.no_grad(), np.errstate(over="ignore", invalid="ignore"):
            batch = trainctl.from_numpy(self._prepared(values, scale))
            if getattr(self._transform, "takes_batches", False):
                batch = self._transform(batch)
            else:
                batch = trainctl.stack([self._transform(sample) for sample in batch])
            return answers_of(self._forward(batch.to(self._device)), self._link)

    def _prepared(self, values: np.ndarray, scale: float | None) -> np.ndarray:
        dtype = np.dtype(self._spec.dtype)
        values = values.reshape(len(values), *self._spec.shape)
        if dtype.kind != "f":
            return values.astype(dtype)
        if values.dtype == np.uint8:
            return np.divide(values, dtype.type(255), dtype=dtype)  # as the data sets do it, to the bit
        return (values if scale is None else values / scale).astype(dtype)


def _nothing() -> None:
    """What there is to undo of a call that changes nothing."""


def _format(path: str, stdin: IO[bytes] | None) -> str:
    """The format of a file by its name; of a pipe by its first byte."""
    from trainctl.data.inputs import STDIN, format_of

    if path != STDIN:
        return format_of(path)
    peek = getattr(stdin, "peek", None)
    start = peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] if peek else b""
    return "jsonl" if start in (b"{", b"[") else "csv"


def class_names(parts: Parts) -> list[str] | None:
    """Return the names of the classes: as the config writes them, or as the data set knows them."""
    names = parts.config.data.dataset.args.get("classes") or getattr(parts.dataset_class, "classes", None)
    return [str(name) for name in names] if isinstance(names, list | tuple) and names else None


def _column_names(args: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the columns that a table's data set has as inputs and as targets; none where it is no table."""
    features, target = args.get("features"), args.get("target")
    targets = target if isinstance(target, list | tuple) else [target]
    named = features if isinstance(features, list | tuple) else ()
    return tuple(map(str, named)), tuple(str(each) for each in targets if each is not None)
