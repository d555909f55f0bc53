"""The samples that a quantization is calibrated, tried and judged on: three sets, none of which has a sample of another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.errors import DataError
from trainctl.jobs.measuring import Subject

_TRAIN = "train"


@dataclass(frozen=True)
class DataParts:
    """Who sees which samples.

    Attributes:
        calibration: inputs, a batch each, as the model takes them.
        samples: how many those are.
        sha256: of them.
        search: what layers are tried on, and the name of it.
        verdict: what decides, and the name of it.
    """

    calibration: Sequence[Any]
    samples: int
    sha256: str
    search: tuple[str, Any]
    verdict: tuple[str, Any]


def data_parts(subject: Subject, split: str | None, batches: int, batch_size: int, seed: int) -> DataParts:
    """Divide a run's samples.

    Calibration has samples of the training split. The verdict has the test split, else the validation split, else a part
    of the training split; the search has the validation split, else a part of the training split.

    Args:
        subject: the float model with its data.
        split: what decides; default: as above.
        batches: of calibration; fewer where there are not so many.
        batch_size: samples in each.
        seed: of which samples of the training split go where.

    Raises:
        UsageError: there is no such split.
        DataError: there are too few samples for three parts, or one is not finite.
    """
    from trainctl.data import Subset

    available = subject.splits
    verdict = split or next(name for name in ("test", "val", _TRAIN) if name in available)
    subject.data(verdict)  # says what there is where this is not
    search = "val" if "val" in available and verdict != "val" else _TRAIN
    whole = subject.data(_TRAIN)
    order = np.random.default_rng(seed).permutation(len(whole))
    roles = [role for role, name in (("search", search), ("verdict", verdict)) if name == _TRAIN]
    shares = _shares(subject, len(whole), batches * batch_size, roles)
    parts = dict(zip(shares, np.split(order, np.cumsum(list(shares.values()))[:-1]), strict=True))
    own: dict[str, tuple[str, Any]] = {
        role: (f"a part of {_TRAIN}", Subset(whole, np.sort(parts[role]))) for role in roles
    }
    calibration = list(_batches(Subset(whole, np.sort(parts["calibration"])), batch_size))
    _check_finite(subject, calibration, np.sort(parts["calibration"]), batch_size)
    return DataParts(
        calibration,
        len(parts["calibration"]),
        _sha256(calibration),
        own.get("search") or (search, subject.data(search)),
        own.get("verdict") or (verdict, subject.data(verdict)),
    )


def _shares(subject: Subject, count: int, wanted: int, roles: Sequence[str]) -> dict[str, int]:
    """How many training samples each role gets: calibration what it wants, if as much is left for each other one."""
    if count < 1 + len(roles):
        raise DataError(
            f"{subject.found}: {count} training samples; calibration, {' and '.join(roles)} need one each",
            hint="a validation split or a test part would have samples for them",
        )
    calibration = min(wanted, count // (1 + len(roles)) if roles else count)
    left = count - calibration
    each = {role: left // len(roles) for role in roles}
    used = sum(each.values())
    return {"calibration": calibration, **each, "rest": left - used}


def _batches(data: Any, batch_size: int) -> Iterator[Any]:
    from trainctl.data import DataLoader

    for inputs, _ in DataLoader(data, batch_size):
        yield inputs


def _check_finite(subject: Subject, batches: Sequence[Any], indices: np.ndarray, batch_size: int) -> None:
    for number, batch in enumerate(batches):
        for name, array in _arrays(batch):
            if array.dtype.kind != "f":
                continue
            bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
            if bad.any():
                sample = indices[number * batch_size + int(bad.argmax())]
                what = f"input {name}" if name else "input"
                raise DataError(
                    f"{subject.found}: sample {sample} of the train split: its {what} holds NaN or infinity",
                    hint="trainctl data check CONFIG looks at every sample",
                )


def _sha256(batches: Sequence[Any]) -> str:
    """Of the samples as the model sees them: each batch's arrays, with their names, types and shapes."""
    digest = hashlib.sha256()
    for batch in batches:
        for name, array in _arrays(batch):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _arrays(batch: Any) -> list[tuple[str, np.ndarray]]:
    if isinstance(batch, dict):
        return [(name, each.detach().cpu().numpy()) for name, each in batch.items()]
    return [("", batch.detach().cpu().numpy())]
