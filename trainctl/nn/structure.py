"""Layers that are made of layers, as a config writes them: ``Sequential``, ``Repeat``, ``Residual``, ``Parallel``."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from trainctl.autograd.ops.joining import cat
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules import container
from trainctl.nn.modules.container import ModuleList
from trainctl.nn.modules.module import Module

Merge = Literal["cat", "sum", "mean", "mul"]


class Sequential(container.Sequential):
    """Layers called one after the other: :class:`trainctl.nn.Sequential` from a list.

    Args:
        layers: the layers.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__(*layers)


class Repeat(container.Sequential):
    """The same layers several times over, each time with weights of their own.

    Args:
        times: how often.
        layers: the layers; here, a module for each time.

    Raises:
        ValueError: there is not one module for each time.
    """

    def __init__(self, times: int, layers: Sequence[Any]) -> None:
        if len(layers) != times:
            raise ValueError(f"expected a module for each of {times} times, got {len(layers)}")
        super().__init__(*layers)


class Residual(Module):
    """What layers make of the input, plus the input: ``layers(x) + shortcut(x)``, of equal shapes.

    Args:
        layers: called one after the other.
        shortcut: likewise, on the other way; none: the input itself.

    Raises:
        RuntimeError: the two shapes differ.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> Residual([nn.Linear(3, 3)])(trainctl.ones(2, 3)).shape
        trainctl.Size([2, 3])
    """

    def __init__(self, layers: Sequence[Any], shortcut: Sequence[Any] = ()) -> None:
        super().__init__()
        self.layers = container.Sequential(*layers)
        self.shortcut = container.Sequential(*shortcut)

    def forward(self, input: Tensor) -> Tensor:
        """Return the sum of both ways."""
        output, kept = self.layers(input), self.shortcut(input)
        if output.shape != kept.shape:
            raise RuntimeError(f"the layers make {list(output.shape)}, the shortcut {list(kept.shape)}")
        return output + kept


class Parallel(Module):
    """Several branches of layers that each take the input; their outputs merged into one.

    Args:
        branches: lists of layers; an empty one is the input itself.
        merge: ``cat`` along ``dim``, or ``sum``, ``mean`` or ``mul`` of outputs of equal shapes.
        dim: of ``cat``.

    Raises:
        ValueError: there is no branch.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> Parallel([[nn.Linear(3, 4)], []])(trainctl.ones(2, 3)).shape
        trainctl.Size([2, 7])
    """

    def __init__(self, branches: Sequence[Sequence[Any]], merge: Merge = "cat", dim: int = 1) -> None:
        super().__init__()
        if not branches:
            raise ValueError("expected at least one branch")
        self.branches = ModuleList([container.Sequential(*layers) for layers in branches])
        self.merge, self.dim = merge, dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the merged outputs."""
        return merged([branch(input) for branch in self.branches], self.merge, self.dim)

    def extra_repr(self) -> str:
        """Return how outputs are merged."""
        return f"merge={self.merge}" + (f", dim={self.dim}" if self.merge == "cat" else "")


def merged(tensors: Sequence[Tensor], merge: Merge, dim: int = 1) -> Tensor:
    """Return several tensors as one.

    Raises:
        ValueError: their shapes differ, other than in ``dim`` of ``cat``.

    Example:
        >>> import trainctl
        >>> merged([trainctl.ones(2), trainctl.ones(2)], "sum")
        tensor([2., 2.])
    """
    if merge == "cat":
        return cat(list(tensors), dim)
    shapes = [list(each.shape) for each in tensors]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"{merge} takes equal shapes, got {', '.join(map(str, shapes))}")
    if merge == "mul":
        return functools.reduce(operator.mul, tensors)
    total = functools.reduce(operator.add, tensors)
    return total / len(tensors) if merge == "mean" else total


class Named(Module):
    """Modules under any names, those of a module's own methods included.

    Args:
        modules: by name.

    Example:
        >>> from trainctl import nn
        >>> [name for name, _ in Named({"half": nn.Linear(1, 1)}).named_parameters()]
        ['half.weight', 'half.bias']
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        super().__init__()
        self._modules.update(modules)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the names and the modules."""
        return self._modules.items()

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]


class Node(Module):
    """One node of a :class:`Graph`: what it takes, merged or as it is, through layers.

    Args:
        takes: the names of the inputs and nodes that it takes.
        layers: called one after the other; the first takes all there are, unless they are merged before.
        merge: how several are merged; None: they are not.
        dim: of ``cat``.
    """

    def __init__(self, takes: Sequence[str], layers: Sequence[Any], merge: Merge | None = None, dim: int = 1) -> None:
        super().__init__()
        self.takes, self.merge, self.dim = tuple(takes), merge, dim
        self.layers = container.Sequential(*layers)

    def forward(self, *inputs: Tensor) -> Any:
        """Return what the last layer makes of the inputs."""
        values: Sequence[Any] = [merged(inputs, self.merge, self.dim)] if self.merge else inputs
        for layer in self.layers:
            values = [layer(*values)]
        return values[0]


class Graph(Module):
    """Nodes by name, each taking inputs and other nodes; called with every input by its name.

    Args:
        nodes: by name, each after those that it takes.
        outputs: the names of the nodes that are returned: one as it is, several as a dict.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> graph = Graph({"half": Node(["x"], [nn.Linear(2, 1)])}, ["half"])
        >>> graph(x=trainctl.ones(3, 2)).shape
        trainctl.Size([3, 1])
    """

    def __init__(self, nodes: Mapping[str, Node], outputs: Sequence[str]) -> None:
        super().__init__()
        self.nodes = Named(nodes)
        self.outputs = tuple(outputs)

    def forward(self, *args: Tensor, **inputs: Tensor) -> Any:
        """Return the output, or the outputs by name; a single argument without a name is ``input``."""
        values = {**dict(zip(("input",), args, strict=False)), **inputs}
        for name, node in self.nodes.items():
            values[name] = node(*(values[each] for each in node.takes))
        if len(self.outputs) == 1:
            return values[self.outputs[0]]
        return {name: values[name] for name in self.outputs}
