"""Shapes and types of arrays, in words and from words."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from trainctl.registry import TABLES, Kind, resolve

if TYPE_CHECKING:
    from trainctl.backend.dtypes import dtype
    from trainctl.config import Component, LoadedConfig
    from trainctl.data.spec import SampleSpec

REFUSALS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, NameError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip
"""What constructors, layers and losses raise at arguments or shapes they cannot work with."""

BATCH = 2
"""Samples in the batch of zeros that layers are tried on."""


def shape_words(sizes: Iterable[Any]) -> str:
    """The shape of a batch, whose size N is open, from a sample's.

    Example:
        >>> shape_words((1, 28, 28))
        '[N, 1, 28, 28]'
    """
    return f"[{', '.join(['N', *map(str, sizes)])}]"


def dtype_of(name: str) -> dtype:
    """A type of numbers by its name.

    Raises:
        ValueError: there is no such type.

    Example:
        >>> dtype_of("int64")
        trainctl.int64
    """
    from trainctl.backend import dtypes

    found = getattr(dtypes, name, None)
    if not isinstance(found, dtypes.dtype):
        raise ValueError(f"there is no dtype {name!r}; see trainctl.float32, trainctl.int64")
    return found


def checked_spec(sample: Any) -> SampleSpec:
    """What a dataset says of its samples, once that is seen to make sense.

    Raises:
        TypeError: it is no :class:`~trainctl.data.spec.SampleSpec`.
        ValueError: it names a dtype that there is not.
    """
    from trainctl.data.spec import ArraySpec, SampleSpec

    if not isinstance(sample, SampleSpec):
        raise TypeError(f"sample_spec should return a SampleSpec, got {sample!r}")
    for part in (sample.inputs, sample.target):
        for each in [part] if isinstance(part, ArraySpec) else part.values():
            dtype_of(each.dtype)
    return sample


def read_spec(sample: Any) -> SampleSpec:
    """What a dataset's samples are by one of them, for a dataset that does not say it.

    Raises:
        TypeError: it is no pair of inputs and target, or of something else than numbers.

    Example:
        >>> read_spec(([1.0, 2.0], 3)).target
        ArraySpec(shape=(), dtype='int64', high=None)
    """
    from trainctl.autograd import Tensor
    from trainctl.autograd.ops.creation import tensor
    from trainctl.data import default_collate
    from trainctl.data.spec import ArraySpec, SampleSpec

    if not isinstance(sample, tuple | list) or len(sample) != 2:
        raise TypeError(f"a sample should be a pair of inputs and target, got {sample!r}")

    def spec_of(part: Any) -> ArraySpec:
        batch = default_collate([tensor(part) if isinstance(part, list | tuple) else part])
        if not isinstance(batch, Tensor):
            raise TypeError(f"a sample should be made of tensors or numbers, got a {type(part).__name__}")
        return ArraySpec(tuple(batch.shape[1:]), str(batch.dtype).rpartition(".")[2])

    def specs_of(part: Any) -> Any:
        return {name: spec_of(each) for name, each in part.items()} if isinstance(part, dict) else spec_of(part)

    return SampleSpec(specs_of(sample[0]), specs_of(sample[1]))


def similar(name: str, names: Iterable[str]) -> str | None:
    """A hint: the nearest of the valid names, or all of them.

    Example:
        >>> similar("imgae", ["image", "text"])
        "did you mean 'image'?"
    """
    valid = list(names)
    near = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean '{near[0]}'?" if near else f"valid: {', '.join(map(repr, valid))}" if valid else None


def refusal(error: Exception, kind: Kind, name: str) -> str:
    """What a constructor or a layer said, with its own line where it is a plugin's."""
    entry = TABLES[kind].get(name)
    if entry is None or entry.made is None:
        return str(error)
    file = entry.target.partition(":")[0]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f" ({file}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def attempted(kind: Kind, name: str, act: Any) -> tuple[Any, str | None]:
    """What ``act`` gives, and None; or None, and what it said where it refuses."""
    try:
        return act(), None
    except REFUSALS as error:
        return None, refusal(error, kind, name)


def blamed(loaded: LoadedConfig, message: str, path: tuple[str | int, ...], component: Component) -> Any:
    """The key path of the argument that a message names and that is not left at its default; else the component's."""
    for argument in component.args:
        where = (*path, component.name, argument)
        named = re.search(rf"\b{_SPELLED.get(argument, re.escape(argument))}\b", message, re.IGNORECASE)
        if named and loaded.origin(where) != "default":
            return where
    return path


# How PyTorch's messages, which the constructors keep to, spell an argument's name.
_SPELLED = {
    "lr": "learning rate",
    "eps": "epsilon value",
    "betas": "beta parameter",
    "start_factor": "starting multiplicative factor",
    "end_factor": "ending multiplicative factor",
    "schedulers": "got no scheduler",
}


def made(kind: Kind, component: Component, *first: Any, **sizes: Any) -> tuple[Any, str | None]:
    """The object that a component describes, and None; or None, and what its constructor said."""
    return attempted(kind, component.name, lambda: resolve(kind, component.name)(*first, **{**component.args, **sizes}))
