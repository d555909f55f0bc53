"""Whether a loss can compare what a model gives with what the data says is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainctl.build.flow import Declared, Path
from trainctl.build.words import BATCH, REFUSALS, dtype_of, refusal, shape_words
from trainctl.registry import TABLES

if TYPE_CHECKING:
    from trainctl.autograd import Tensor
    from trainctl.data.spec import ArraySpec

Mistake = tuple[Path, str, str | None]
"""A key path, a message and a hint."""


@dataclass(frozen=True)
class Comparison:
    """An output, the target it is compared with and the loss that does it.

    Attributes:
        loss: the loss's name in the config.
        path: where the loss is in the config.
        make: the loss itself.
        output: what the model gives for a batch of zeros.
        target: what the data says is right, a sample's.
        data: the dataset's name.
        last: the last layer's key path and how messages name it.
        declared: what decided the output's width, None where nothing did.
    """

    loss: str
    path: Path
    make: Callable[[Any, Any], Any]
    output: Tensor
    target: ArraySpec
    data: str
    last: tuple[Path, str]
    declared: Declared | None

    def mistakes(self) -> Iterator[Mistake]:
        """What keeps the loss from comparing the two."""
        takes, kind = TABLES["loss"][self.loss].targets, _kind(self.target)
        if takes and not self._suits(kind):
            yield self._wrong_targets(kind)
            return
        as_classes = "classes" in takes and kind != "numbers"
        wanted = self._scores() if as_classes else list(self.target.shape)
        if takes and list(self.output.shape[1:]) != wanted and not self._counts_itself(wanted):
            yield self._wrong_output(wanted, as_classes)
        else:
            yield from self._trial()

    def _suits(self, kind: str) -> bool:
        """Whether the loss takes such targets at all."""
        takes = TABLES["loss"][self.loss].targets
        if kind == "numbers":
            of_classes = "classes" in takes  # then they are the classes' probabilities
            return "numbers" in takes and not (of_classes and not self.target.shape)
        return kind == "integers" or "classes" in takes or "labels" in takes

    def _scores(self) -> list[Any]:
        """One score for each class, for each place that has a class."""
        return ["C" if self.target.high is None else self.target.high, *self.target.shape]

    def _counts_itself(self, wanted: list[Any]) -> bool:
        """Whether nobody says how many classes there are, and all the rest fits."""
        shape = list(self.output.shape[1:])
        return wanted[:1] == ["C"] and len(shape) == len(wanted) and shape[1:] == wanted[1:]

    def _wrong_targets(self, kind: str) -> Mistake:
        takes = TABLES["loss"][self.loss].targets
        have = {
            "classes": "class numbers",
            "numbers": f"numbers ({self.target.dtype} {shape_words(self.target.shape)})",
        }[kind]
        wants = "class numbers" if "classes" in takes else "lists of class numbers" if "labels" in takes else "numbers"
        fitting = [f"`loss: {each}`" for each in _FITTING[kind]]
        message = f"{_dotted(self.path)}: {self.loss} takes {wants} as targets; those of {self.data} are {have}"
        return self.path, message, f"write {' or '.join(fitting)}"

    def _wrong_output(self, wanted: list[Any], as_classes: bool) -> Mistake:
        shown = shape_words(wanted)
        message = f"the model gives {shape_words(self.output.shape[1:])}, {self.loss} with {self.data} takes {shown}"
        by_layer = self._by_declared(wanted, as_classes, message)
        if by_layer:
            return by_layer
        path, name = self.last
        return path, f"{name}: {message}", self._ending(wanted)

    def _by_declared(self, wanted: list[Any], as_classes: bool, message: str) -> Mistake | None:
        """The mistake of the layer that decided the width, where its width is all that is wrong."""
        shape, declared = list(self.output.shape[1:]), self.declared
        if declared is None or len(shape) != len(wanted) or not wanted or shape[1:] != wanted[1:]:
            return None
        if shape[0] != declared.size or not isinstance(wanted[0], int):
            return None
        layer, argument = declared.path[-2:]
        each = ", one for each class" if as_classes else ""
        message = f"{declared.layer}: {layer}({argument}={declared.size}): {message}"
        return declared.path, message, f"write `{argument}: {wanted[0]}`{each}"

    def _ending(self, wanted: list[Any]) -> str:
        """Layers to end the model with."""
        shape = list(self.output.shape[1:])
        if not wanted:
            before = "" if shape == [1] else "`Linear: {out_features: 1}` and "
            before = f"`Flatten`, {before}" if len(shape) > 1 else before
            return f"end the model with {before}`Flatten: {{start_dim: 0}}`"
        if len(wanted) > 1 and shape == [*wanted[1:], wanted[0]]:
            order = [0, len(wanted), *range(1, len(wanted))]
            return f"end the model with `Permute: {{dims: {order}}}`: the classes are the second dimension"
        if len(wanted) == 1:
            before = "`Flatten` and " if len(shape) != 1 else ""
            return f"end the model with {before}`Linear: {{out_features: {wanted[0]}}}`"
        return f"the last layers have to make {shape_words(wanted)} of it"

    def _trial(self) -> Iterator[Mistake]:
        """What the loss itself says of zeros."""
        from trainctl.autograd import Tensor
        from trainctl.autograd.ops.creation import zeros

        target = zeros(BATCH, *self.target.shape, dtype=dtype_of(self.target.dtype))
        where = _dotted(self.path)
        try:
            value = self.make(self.output, target)
        except REFUSALS as error:
            yield self.path, f"{where}: {self.loss}: {refusal(error, 'loss', self.loss)}", None
            return
        if not isinstance(value, Tensor):
            yield self.path, f"{where}: {self.loss} gives a {type(value).__name__}, not a tensor", None
        elif value.ndim != 0:
            message = f"{where}: expected one number for a batch, got one for each of {list(value.shape)}"
            yield (*self.path, self.loss, "reduction"), message, "write `reduction: mean`"


_FITTING = {
    "classes": [name for name, entry in TABLES["loss"].items() if "classes" in entry.targets],
    "numbers": ["MSELoss", "L1Loss", "BCEWithLogitsLoss"],
}


def _kind(target: ArraySpec) -> str:
    """What targets are: ``classes``, ``numbers``, or ``integers``, which may be either."""
    if "int" not in target.dtype:
        return "numbers"
    return "integers" if target.high is None else "classes"


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
