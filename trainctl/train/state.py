"""Between the live objects of a run and a :class:`~trainctl.train.checkpoint.Checkpoint`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol

import trainctl
from trainctl.errors import CheckpointError
from trainctl.storage.packing import Arrays, pack, to_array, unpack
from trainctl.train.checkpoint import Checkpoint, Progress


class Stateful(Protocol):
    """Something that a run changes as it goes, and that has to be as it was when the run goes on."""

    def state_dict(self) -> dict[str, Any]:
        """Return numbers, arrays, and lists or dicts of them."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on from what ``state_dict`` returned."""


def capture(
    model: Any,
    optimizer: Any,
    schedule: Any = None,
    *,
    config: str,
    threads: int,
    kernels: str,
    progress: Progress,
    more: Mapping[str, Stateful] | None = None,
) -> Checkpoint:
    """Return the state of a run as it is now; weights and state are shared, not copied.

    Args:
        model: a module, whose weights are the checkpoint's model.
        optimizer: the optimizer.
        schedule: the optimizer's schedule, None where there is none.
        config: the resolved config, YAML text.
        threads: the number of threads.
        kernels: whose loops the plans run.
        progress: how far the run is.
        more: what else there is, by name.
    """
    arrays: Arrays = {}
    packed = {
        "optimizer": pack(optimizer.state_dict(), "optimizer", arrays),
        "schedule": schedule and pack(schedule.state_dict(), "schedule", arrays),
        "rng": pack(trainctl.get_rng_state(), "rng", arrays),
        **{name: pack(each.state_dict(), name, arrays) for name, each in (more or {}).items()},
    }
    weights = {name: to_array(tensor) for name, tensor in model.state_dict().items()}
    return Checkpoint(config, threads, kernels, deepcopy(progress), weights, packed, arrays)


def copied(checkpoint: Checkpoint) -> Checkpoint:
    """Return a state with arrays of its own, which the run's next step does not change."""
    model, arrays = (
        {name: array.copy() for name, array in each.items()} for each in (checkpoint.model, checkpoint.arrays)
    )
    return replace(checkpoint, model=model, arrays=arrays)


def restore(
    checkpoint: Checkpoint,
    model: Any,
    optimizer: Any,
    schedule: Any = None,
    more: Mapping[str, Stateful] | None = None,
) -> None:
    """Bring a run's objects to the state in a checkpoint, the random stream included.

    What the checkpoint knows nothing of stays as it is: a config may say more than it did.

    Raises:
        CheckpointError: the checkpoint is another model's or optimizer's.
    """
    load_weights(checkpoint, model)
    try:
        state = unpack(checkpoint.state["optimizer"], checkpoint.arrays)
        _check_groups(_groups_in(state), _groups_in(optimizer.state_dict()))
        optimizer.load_state_dict(state)
        if schedule is not None:
            schedule.load_state_dict(unpack(checkpoint.state["schedule"], checkpoint.arrays))
        for name, each in (more or {}).items():
            if name in checkpoint.state:
                each.load_state_dict(unpack(checkpoint.state[name], checkpoint.arrays))
        trainctl.set_rng_state(unpack(checkpoint.state["rng"], checkpoint.arrays))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        what = f"the checkpoint's optimizer state does not fit: {type(error).__name__}: {error}"
        raise CheckpointError(what, hint=_OTHER_MODEL) from error


def _groups_in(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The groups of an optimizer's state, or of all of several optimizers."""
    return [group for each in state.get("optimizers", [state]) for group in each["param_groups"]]


def _check_groups(saved: Any, own: list[dict[str, Any]]) -> None:
    """Check that an optimizer's settings have the names and the kinds of values that its own have.

    Raises:
        ValueError: they have not.
    """
    for group, mine in zip(saved, own, strict=True):
        for name, value in mine.items():
            numbers = isinstance(value, int | float) and isinstance(group[name], int | float)
            if not numbers and value is not None and type(group[name]) is not type(value):
                raise ValueError(f"{name} is {str(group[name])[:80]!r}, a {type(group[name]).__name__}")


def rewind_to_here(model: Any, optimizer: Any) -> Callable[[], None]:
    """Return a function that puts weights, buffers, gradients, optimizer and random stream back to what they are now.

    Weights and buffers stay the same objects.
    """
    tensors = [*model.parameters(), *model.buffers()]
    copies = [each.detach().clone() for each in tensors]
    gradients = [(each, each.grad.clone()) for each in model.parameters() if each.grad is not None]
    state = deepcopy(optimizer.state_dict())
    stream = trainctl.get_rng_state()

    def rewind() -> None:
        with trainctl.no_grad():
            for tensor, copy in zip(tensors, copies, strict=True):
                tensor.copy_(copy)
        model.zero_grad()
        for parameter, gradient in gradients:
            parameter.grad = gradient.clone()
        optimizer.load_state_dict(state)
        trainctl.set_rng_state(stream)

    return rewind


def load_weights(checkpoint: Checkpoint, model: Any) -> None:
    """Load a checkpoint's weights into a model; a quantized checkpoint's make it a quantized model first.

    Raises:
        CheckpointError: the model's weights have other names, shapes or types; the message lists which.
    """
    if checkpoint.quantization is not None:
        from trainctl.train.quantized_weights import restored

        checkpoint = restored(checkpoint, model)
    expected = {name: to_array(tensor) for name, tensor in model.state_dict().items()}
    problems = [f"{name}: missing in the checkpoint" for name in expected.keys() - checkpoint.model.keys()]
    problems += [f"{name}: not in the model" for name in checkpoint.model.keys() - expected.keys()]
    for name in expected.keys() & checkpoint.model.keys():
        got, want = (f"{array.dtype} {list(array.shape)}" for array in (checkpoint.model[name], expected[name]))
        if got != want:
            problems.append(f"{name}: {got} in the checkpoint, {want} in the model")
    if problems:
        shown = sorted(problems)[:5]
        more = [f"and {len(problems) - 5} more"] if len(problems) > 5 else []
        lines = "\n  ".join(["the checkpoint's weights are not this model's:", *shown, *more])
        raise CheckpointError(lines, hint=_OTHER_MODEL)
    model.load_state_dict({name: trainctl.from_numpy(array) for name, array in checkpoint.model.items()})


_OTHER_MODEL = "use the config that the checkpoint was made with: it is in its run directory"
