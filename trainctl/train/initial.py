"""The first weights of a run, from another run, a checkpoint, a safetensors file or an ONNX model."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.errors import CheckpointError
from trainctl.storage.packing import Arrays, to_array
from trainctl.storage.saving import load
from trainctl.train.aware import float_weights
from trainctl.train.checkpoint import INDEX, MODEL, read_checkpoint, weights_sha256
from trainctl.train.resolve import find_checkpoint

_SHOWN = 5


def read_weights(path: str | Path) -> tuple[Arrays, str]:
    """Return weights by name, and the SHA-256 of the file that holds them.

    Args:
        path: a run, whose best checkpoint is meant, a checkpoint, or a safetensors file.

    Raises:
        CheckpointError: there is no such thing, or it is damaged.

    Example:
        >>> read_weights("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    path = Path(path)
    if path.is_file() and not (path.name == MODEL and (path.parent / INDEX).is_file()):
        return _read_file(path)
    found = find_checkpoint(path)
    checkpoint = read_checkpoint(found)
    if checkpoint.quantization is not None:
        parent = checkpoint.quantization.parents.weights
        raise CheckpointError(
            f"{found}: a quantized checkpoint; training begins with numbers, and it has codes",
            hint=f"name the float model that it was made from: its weights have SHA-256 {parent}",
        )
    return float_weights(checkpoint), weights_sha256(found)


def load_initial(model: Any, path: str, *, strict: bool = True, sha256: str | None = None) -> tuple[str, str | None]:
    """Give a model the weights at ``path``, by name.

    Args:
        model: a module; nothing of it changes where an error is raised.
        path: as :func:`read_weights` takes it, or an ONNX file.
        strict: whether names and shapes must all be the model's; False takes those that are.
        sha256: what the file's has to be; None: any.

    Returns:
        The SHA-256 of what was read, and what was left out, in words (None: nothing).

    Raises:
        CheckpointError: there are no such weights, they are not this model's, or they have another SHA-256.
    """
    state = model.state_dict()
    shapes = {name: list(to_array(tensor).shape) for name, tensor in state.items()}
    weights, found = _read_onnx(Path(path), state, shapes) if is_onnx(path) else read_weights(path)
    weights = {**weights, **_twins(weights, state)}
    if sha256 not in (None, found):
        raise CheckpointError(
            f"{path}: not the weights that init_from.sha256 names: expected {sha256}, got {found}",
            hint="leave out init_from.sha256 to begin with the ones that are there",
        )
    fitting = [name for name in shapes if name in weights and list(weights[name].shape) == shapes[name]]
    problems = _problems(weights, shapes)
    if problems and (strict or not fitting):
        raise _misfit(path, problems, is_strict=strict)
    model.load_state_dict({**state, **{name: Tensor._wrap(weights[name].copy()) for name in fitting}})
    left_out = f"init_from: {len(fitting)} of {len(shapes)} tensors are from {path}; {_listed(problems, '; ')}"
    return found, left_out if problems else None


def _twins(weights: Arrays, state: dict[str, Any]) -> Arrays:
    """Return, by name, missing weights that are one tensor with another in the model: files hold such a tensor once."""
    kept = {id(to_array(tensor)): name for name, tensor in state.items() if name in weights}
    owners = {name: kept.get(id(to_array(tensor))) for name, tensor in state.items() if name not in weights}
    return {name: weights[owner] for name, owner in owners.items() if owner is not None}


def is_onnx(path: str | Path) -> bool:
    """Return whether a path is that of an ONNX file, which has weights by a model's names only.

    Example:
        >>> is_onnx("model.onnx"), is_onnx("runs/model")
        (True, False)
    """
    return Path(path).suffix.lower() == ".onnx" and not Path(path).is_dir()


def _read_onnx(path: Path, state: dict[str, Any], shapes: dict[str, list[int]]) -> tuple[Arrays, str]:
    """Return an ONNX file's weights for a model; batches that norms have counted are not in it."""
    from trainctl.onnx.weights import read_state, uncounted

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found: Arrays = dict(read_state(path, shapes))
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return {**found, **{name: to_array(state[name]) for name in uncounted(state, found)}}, digest


def _read_file(path: Path) -> tuple[Arrays, str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from error
    tensors = load(_Named(data, str(path)))
    if not isinstance(tensors, dict) or not all(isinstance(each, Tensor) for each in tensors.values()):
        raise CheckpointError(
            f"{path}: not a table of tensors by name", hint="write it with save(model.state_dict(), path)"
        )
    return {str(name): to_array(tensor) for name, tensor in tensors.items()}, hashlib.sha256(data).hexdigest()


class _Named(io.BytesIO):
    """Bytes that have been read, with the name of the file for messages."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _problems(weights: Arrays, shapes: dict[str, list[int]]) -> list[str]:
    """What is missing, what has another shape, and what the model has no place for, in the model's order."""
    missing = [f"{name}: missing there" for name in shapes if name not in weights]
    misfits = [
        f"{name}: {list(weights[name].shape)} there, {shape} in the model"
        for name, shape in shapes.items()
        if name in weights and list(weights[name].shape) != shape
    ]
    return misfits + missing + [f"{name}: not in the model" for name in weights if name not in shapes]


def _misfit(path: str, problems: list[str], *, is_strict: bool) -> CheckpointError:
    hint = f"`init_from: {{path: {path}, strict: false}}` takes the weights that fit" if is_strict else None
    return CheckpointError(f"{path}: its weights are not this model's:\n  {_listed(problems)}", hint=hint)


def _listed(problems: list[str], between: str = "\n  ") -> str:
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return between.join([*problems[:_SHOWN], *more])
