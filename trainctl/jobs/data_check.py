"""Look at every sample of a config's data: counts, ranges, what cannot be read, what is there twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trainctl.data.bulk import bulk_method
from trainctl.errors import DataError, UsageError

if TYPE_CHECKING:
    from trainctl.config import LoadedConfig
    from trainctl.data.spec import SampleSpec

SCHEMA_VERSION = 1
"""Of what :func:`check_data` returns."""

_BATCH = 1000
_SHOWN = 5
_MOST_COLUMNS = 64  # whose mean and deviation are listed one by one


@dataclass(frozen=True)
class Finding:
    """Something in the data.

    Attributes:
        message: what, and where.
        is_error: whether training on it would go wrong, or its figures would lie.
    """

    message: str
    is_error: bool


@dataclass
class _Part:
    """What is counted of one split."""

    samples: int = 0
    unreadable: list[str] = field(default_factory=list)
    not_finite: list[int] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    classes: Counter[int] = field(default_factory=Counter)
    low: float = np.inf
    high: float = -np.inf
    numbers: int = 0
    sums: Any = 0.0
    squares: Any = 0.0
    target_low: float = np.inf
    target_high: float = -np.inf


def check_data(loaded: LoadedConfig, *, allow_duplicates: bool = False) -> dict[str, Any]:
    """Read all of a config's data, before its transforms, and return what is in it, as plain data.

    Args:
        loaded: the config.
        allow_duplicates: an input that stands in two splits is worth a note, not an error.

    Raises:
        ConfigError: the config cannot be built.
        DataError: a file is missing, or damaged as a whole.
        UsageError: a sample has several inputs or targets.
    """
    from trainctl.build import build

    experiment = build(loaded)
    spec = experiment.sample
    assert spec is not None
    if isinstance(spec.inputs, Mapping) or isinstance(spec.target, Mapping):
        raise UsageError(
            f"{loaded.file}: the samples of {loaded.config.data.dataset.name} have several inputs or targets",
            hint="data check reads data with one input and one target",
        )
    seen: dict[bytes, tuple[str, int, Any]] = {}
    parts: dict[str, _Part] = {}
    doubles: dict[tuple[str, str], list[tuple[int, int, bool]]] = {}
    for name, data in experiment.splits.items():
        parts[name] = part = _Part()
        for index, sample, target in _samples(data, part):
            _count(part, spec, index, sample, target)
            key = hashlib.blake2b(sample.tobytes(), digest_size=16).digest()
            first = seen.setdefault(key, (name, index, target.tolist()))
            if first[:2] != (name, index):
                doubles.setdefault((first[0], name), []).append((first[1], index, first[2] == target.tolist()))
    findings = [*_findings(parts, spec), *_double_findings(doubles, allow_duplicates)]
    return {
        "schema_version": SCHEMA_VERSION,
        "name": loaded.config.name,
        "dataset": loaded.config.data.dataset.name,
        "ok": not any(each.is_error for each in findings),
        "splits": {name: _figures(part, spec) for name, part in parts.items()},
        "findings": [asdict(each) for each in findings],
    }


def _samples(data: Any, part: _Part) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Every sample that can be read: index, input, target."""
    gather = bulk_method(data, "gather", "__getitem__")
    for start in range(0, len(data), _BATCH):
        indices = np.arange(start, min(start + _BATCH, len(data)))
        try:
            inputs, targets = ([], []) if gather is None else gather(indices)[:2]
        except DataError:  # of one sample: then one by one
            inputs, targets = [], []
        if len(inputs):
            yield from zip(indices.tolist(), np.asarray(inputs.numpy()), targets.numpy(), strict=True)
        else:
            yield from _one_by_one(data, indices, part)


def _one_by_one(data: Any, indices: np.ndarray, part: _Part) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    for index in indices.tolist():
        try:
            sample, target = data[index][:2]
        except DataError as error:
            part.unreadable.append(f"sample {index}: {error.message}")
        else:
            yield index, _array(sample), _array(target)


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def _classes(spec: SampleSpec) -> int | None:
    return None if isinstance(spec.target, Mapping) else spec.target.high


def _count(part: _Part, spec: SampleSpec, index: int, sample: np.ndarray, target: np.ndarray) -> None:
    part.samples += 1
    for what, array, declared in (("input", sample, spec.inputs), ("target", target, spec.target)):
        if hasattr(declared, "shape") and array.shape != declared.shape:
            part.misfits.append(f"sample {index}: {what} {list(array.shape)} instead of {list(declared.shape)}")
            return
    if not (np.isfinite(sample).all() and np.isfinite(target).all()):
        part.not_finite.append(index)
        return
    high = _classes(spec)
    if high is not None and target.size and not (target.min() >= 0 and target.max() < high):
        part.misfits.append(f"sample {index}: class {target.tolist()} instead of 0 to {high - 1}")
    _add(part, sample.astype(np.float64))
    if high is not None and target.ndim == 0:
        part.classes[int(target)] += 1
    elif target.size:
        part.target_low = min(part.target_low, float(target.min()))
        part.target_high = max(part.target_high, float(target.max()))


def _add(part: _Part, sample: np.ndarray) -> None:
    """Count the values of a sample, channel by channel for an image, column by column for a row."""
    part.low, part.high = min(part.low, float(sample.min())), max(part.high, float(sample.max()))
    columns = (
        sample[None] if sample.ndim == 1 else sample.reshape(len(sample), -1).T if sample.ndim else sample[None, None]
    )
    part.numbers += len(columns)
    part.sums = part.sums + columns.sum(axis=0)
    part.squares = part.squares + (columns**2).sum(axis=0)


def _figures(part: _Part, spec: SampleSpec) -> dict[str, Any]:
    figures: dict[str, Any] = {"samples": part.samples + len(part.unreadable), "unreadable": len(part.unreadable)}
    if part.numbers:
        mean = part.sums / part.numbers
        std = np.sqrt(np.maximum(part.squares / part.numbers - mean**2, 0))
        figures |= {"min": part.low, "max": part.high}
        figures |= {"mean": mean.tolist(), "std": std.tolist()} if mean.size <= _MOST_COLUMNS else {}
    if part.classes:
        figures["classes"] = {str(number): part.classes[number] for number in range(_classes(spec) or 0)}
    elif part.target_low <= part.target_high:
        figures |= {"target_min": part.target_low, "target_max": part.target_high}
    return figures


# -- what is wrong ------------------------------------------------------------------------------------


def _findings(parts: Mapping[str, _Part], spec: SampleSpec) -> Iterator[Finding]:
    for name, part in parts.items():
        if not part.samples and not part.unreadable:
            yield Finding(f"{name}: there are no samples", True)
        for what, found in (
            ("cannot be read", part.unreadable),
            ("not as declared", part.misfits),
            ("NaN or infinite", [f"sample {index}" for index in part.not_finite]),
        ):
            if found:
                yield Finding(f"{name}: {len(found)} {what}: {_some(found)}", True)
        if part.classes:
            missing = [str(number) for number in range(_classes(spec) or 0) if not part.classes[number]]
            if missing:
                yield Finding(
                    f"{name}: no sample of {len(missing)} of {_classes(spec)} classes: {_some(missing)}", False
                )
        if part.numbers > 1:
            yield from _constant(name, part)


def _constant(name: str, part: _Part) -> Iterator[Finding]:
    mean = part.sums / part.numbers
    still = np.flatnonzero(part.squares / part.numbers - mean**2 <= 1e-12 * np.maximum(mean**2, 1e-30))
    if name == "train" and still.size:
        yield Finding(f"{name}: {still.size} columns or channels never change: {_some([str(n) for n in still])}", False)


def _double_findings(
    doubles: Mapping[tuple[str, str], list[tuple[int, int, bool]]], allow_duplicates: bool
) -> Iterator[Finding]:
    for (first, second), pairs in doubles.items():
        shown = _some([f"{one} = {other}" for one, other, _ in pairs])
        if first == second:
            yield Finding(f"{first}: {len(pairs)} inputs are there twice: {shown}", False)
        else:
            message = f"{second}: {len(pairs)} inputs are in {first} too, so figures on {second} flatter: {shown}"
            yield Finding(message, not allow_duplicates)
        other = [f"{one} = {other}" for one, other, same in pairs if not same]
        if other:
            yield Finding(f"{second}: {len(other)} inputs have another target elsewhere: {_some(other)}", False)


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
