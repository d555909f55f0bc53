"""What becomes of a sample's input before the model: transforms tried on zeros, without data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Report = Callable[[tuple[str | int, ...], str, str | None], None]


def transformed(sample: Any, config: Any, always: Sequence[Any], training: Sequence[Any], report: Report) -> Any:
    """Return a sample after the transforms of all samples; what does not fit is reported.

    Args:
        sample: zeros, as the dataset says its inputs are.
        config: the config's ``data``.
        always: the transforms of ``data.transforms``, None for one that could not be made.
        training: those of ``data.train_transforms``.
        report: told of a mistake: its path, what it is, what to do.
    """
    from trainctl.data.random_transforms import RandomTransform

    for index, (part, transform) in enumerate(zip(config.transforms, always, strict=True)):
        if isinstance(transform, RandomTransform):
            what = f"data.transforms.{index}: {part.name} is random"
            report(("data", "transforms", index), what, "put it under `train_transforms`, for training samples alone")
    changed = _after(sample, "transforms", config.transforms, always, report)
    if not training:
        return changed
    trained = _after(sample, "train_transforms", config.train_transforms, training, report)
    trained = _after(trained, "transforms", config.transforms, always, lambda *_: None)
    if trained.shape != changed.shape:
        message = f"data.train_transforms: training samples are {list(trained.shape)}, others {list(changed.shape)}"
        report(("data", "train_transforms"), message, "make them equal with `transforms`: CenterCrop, Resize")
    return changed


def _after(sample: Any, key: str, parts: Sequence[Any], transforms: Sequence[Any], report: Report) -> Any:
    """A sample after some transforms; those that refuse it are reported and left out."""
    from trainctl.build.words import REFUSALS
    from trainctl.data.random_transforms import tried

    for index, (part, transform) in enumerate(zip(parts, transforms, strict=True)):
        if transform is not None:
            try:
                sample = tried(transform, sample)
            except REFUSALS as error:
                report(("data", key, index), f"data.{key}.{index}: {part.name}: {error}", None)
    return sample
