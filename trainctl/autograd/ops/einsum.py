"""Einstein summation."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.contraction import arranged, contract, summed
from trainctl.autograd.ops.diagonal import diagonal
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "einsum"

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Subscripts = list[Any]  # letters, and Ellipsis
Labels = list[Hashable]  # letters, and for the dims of an ellipsis negative numbers: -1 is the last


def einsum(*args: Any) -> Tensor:
    """Return the sum of products of the operands that an equation describes.

    Operands are contracted from left to right, each time by one matrix product.

    Args:
        *args: an equation and the operands, ``"bij,bjk->bik", x, y``; or each operand followed by its subscripts as
            numbers from 0 to 51, and perhaps those of the output, ``x, [0, 1], y, [1, 2], [0, 2]``. ``...`` stands
            for all other dims, which broadcast; so do dims of size 1. A subscript that an operand has twice names
            its diagonal. Without ``->`` the output has each letter that occurs once, in alphabetical order.

    Raises:
        RuntimeError: subscripts and operands do not fit.
        ValueError: no operands, or a number that is no subscript.

    Example:
        >>> import trainctl
        >>> einsum("ij,kj->ik", trainctl.ones(2, 3), trainctl.ones(4, 3)).shape
        trainctl.Size([2, 4])
    """
    inputs, output, operands = _parse(args)
    if len(inputs) != len(operands):
        more = "more" if len(operands) > len(inputs) else "fewer"
        raise RuntimeError(
            f"einsum(): {more} operands were provided than specified in the equation: "
            f"{len(operands)} operands, {len(inputs)} groups of subscripts"
        )
    named = [_name_dims(x, each, number) for number, (x, each) in enumerate(zip(operands, inputs, strict=True))]
    _check_sizes(named)
    wanted = _output_labels(inputs, output, named)
    result, labels = named[0]
    for number, (other, others) in enumerate(named[1:], 2):
        later = {label for _, each in named[number:] for label in each}
        result, labels = contract(result, labels, other, others, kept={*wanted, *later})
    return arranged(*summed(result, labels, wanted), wanted)


def _parse(args: tuple[Any, ...]) -> tuple[list[Subscripts], Subscripts | None, list[Tensor]]:
    """Return the subscripts of each operand, those of the output (None: implied), and the operands.

    Raises:
        ValueError: fewer than two arguments.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    output: Subscripts | None = None
    if isinstance(args[0], str):
        terms, arrow, _ = args[0].partition("->")
        inputs = [_read(terms, *span) for span in _spans(terms)]
        output = _read(args[0], len(terms) + 2, len(args[0])) if arrow else None
        operands = args[1] if isinstance(args[1], (list, tuple)) else args[1:]
    else:
        operands, inputs = args[: len(args) // 2 * 2 : 2], [_from_numbers(each) for each in args[1::2]]
        output = _from_numbers(args[-1]) if len(args) % 2 else None
    for each in operands:
        check_tensor("einsum", each, "operands")
    return inputs, output, list(operands)


def _spans(terms: str) -> list[tuple[int, int]]:
    """Return where the parts between commas begin and end."""
    ends = [place for place, letter in enumerate(terms) if letter == ","] + [len(terms)]
    return list(zip([0, *(each + 1 for each in ends)], ends, strict=False))


def _read(equation: str, start: int, end: int) -> Subscripts:
    """Return the subscripts in a part of an equation.

    Raises:
        RuntimeError: something else than letters and one ``...``.
    """
    found: Subscripts = []
    place = start
    while place < end:
        letter = equation[place]
        if letter == ".":
            if equation[place : min(place + 3, end)] != "..." or ... in found:
                raise RuntimeError(
                    f"einsum(): found '.' at index {place} that is not part of any ellipsis: {equation!r}"
                )
            found.append(...)
            place += 2
        elif letter in _LETTERS:
            found.append(letter)
        elif letter != " ":
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {place} in the equation string {equation!r}, "
                "subscripts must be in [a-zA-Z]"
            )
        place += 1
    return found


def _from_numbers(subscripts: Any) -> Subscripts:
    """Return the subscripts of the sublist form as letters.

    Raises:
        ValueError: a number outside 0 .. 51.
    """
    for each in subscripts:
        if each is not ... and not 0 <= each < len(_LETTERS):
            raise ValueError(
                f"einsum(): subscript {each} in subscript list is not within the valid range [0, {len(_LETTERS)})"
            )
    return [each if each is ... else _LETTERS[each] for each in subscripts]


def _name_dims(x: Tensor, subscripts: Subscripts, number: int) -> tuple[Tensor, Labels]:
    """Return an operand with each label once, and the labels of its dims.

    Raises:
        RuntimeError: the subscripts are not as many as the dims, or a repeated one has two sizes.
    """
    letters = len(subscripts) - (... in subscripts)
    extra = x._array.ndim - letters
    if extra < 0 or (extra > 0 and ... not in subscripts):
        how = "is more than" if ... in subscripts else "does not match"
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({letters}) {how} the number of dimensions "
            f"({x.ndim}) for operand {number}{'' if ... in subscripts else ' and no ellipsis was given'}"
        )
    labels = _spread(subscripts, extra)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            sizes = x._array.shape[first], x._array.shape[second]
            if sizes[0] != sizes[1]:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for operand {number} but the sizes don't match, "
                    f"{sizes[1]} != {sizes[0]}"
                )
            x = diagonal(x, 0, first, second)
            labels = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], label]
    return x, labels


def _spread(subscripts: Subscripts, count: int) -> Labels:
    """Return labels for subscripts whose ellipsis stands for ``count`` dims."""
    labels: Labels = []
    for each in subscripts:
        labels += range(-count, 0) if each is ... else [each]
    return labels


def _check_sizes(named: list[tuple[Tensor, Labels]]) -> None:
    """Raise RuntimeError if a label has sizes that do not broadcast."""
    sizes: dict[Hashable, int] = {}
    for number, (x, labels) in enumerate(named):
        for label, size in zip(labels, x._array.shape, strict=True):
            seen = sizes.get(label, 1)
            if size != seen and 1 not in (size, seen):
                what = f"subscript {label}" if isinstance(label, str) else f"dim {label} of the ellipsis"
                raise RuntimeError(
                    f"einsum(): {what} has size {size} for operand {number} which does not broadcast with previously "
                    f"seen size {seen}"
                )
            sizes[label] = seen if size == 1 else size


def _output_labels(inputs: list[Subscripts], output: Subscripts | None, named: list[tuple[Tensor, Labels]]) -> Labels:
    """Return the labels of the output's dims.

    Raises:
        RuntimeError: an output subscript appears twice, or in no operand.
    """
    every = [each for subscripts in inputs for each in subscripts if each is not ...]
    if output is None:
        output = [..., *sorted(each for each in every if every.count(each) == 1)]
    for each in output:
        if output.count(each) > 1:
            raise RuntimeError(f"einsum(): output subscript {each} appears more than once in the output")
        if each is not ... and each not in every:
            raise RuntimeError(
                f"einsum(): output subscript {each} does not appear in the equation for any input operand"
            )
    dims = {label for _, labels in named for label in labels if not isinstance(label, str)}
    return _spread(output, len(dims))
