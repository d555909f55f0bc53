"""One step of max pooling, and of its gradient, on a vector of channels, for compiled loops: written in LLVM's own terms."""

from __future__ import annotations

import importlib
from typing import Any

from trainctl.backend import jit
from trainctl.plan.kernels.tile import lanes


class _Writer:
    """Writes instructions on vectors of float32 numbers and of choices (bytes) that are elements of an intrinsic's arguments."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.ir: Any = importlib.import_module("llvmlite.ir")
        self.context, self.builder, self.signature, self.args = context, builder, signature, args
        self.numbers = self.ir.VectorType(self.ir.FloatType(), lanes())
        self.choices = self.ir.VectorType(self.ir.IntType(8), lanes())
        self.zero = self.numbers([0.0] * lanes())

    def place(self, array: int, offset: Any, kind: Any) -> Any:
        """Return a pointer to a vector in the argument of a number, ``offset`` elements from its first."""
        data = self.context.make_array(self.signature.args[array])(self.context, self.builder, self.args[array]).data
        return self.builder.bitcast(self.builder.gep(data, [offset]), kind.as_pointer())

    def load(self, array: int, offset: Any, kind: Any) -> Any:
        """Return a vector of an array."""
        loaded = self.builder.load(self.place(array, offset, kind))
        loaded.align = 4 if kind == self.numbers else 1
        return loaded

    def store(self, value: Any, array: int, offset: Any) -> None:
        """Leave a vector in an array."""
        stored = self.builder.store(value, self.place(array, offset, value.type))
        stored.align = 4 if value.type == self.numbers else 1

    def each_is(self, number: Any) -> Any:
        """Return choices that are all one number, a whole one."""
        one = self.builder.insert_element(
            self.choices(self.ir.Undefined), self.builder.trunc(number, self.ir.IntType(8)), self.ir.IntType(32)(0)
        )
        nowhere = self.ir.VectorType(self.ir.IntType(32), lanes())([0] * lanes())
        return self.builder.shuffle_vector(one, self.choices(self.ir.Undefined), nowhere)


def _meet(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    write = _Writer(context, builder, signature, args)
    _, at, _, to, _, chosen, number, fresh, rectifies = args
    seen = write.load(0, at, write.numbers)
    positive = builder.select(builder.fcmp_ordered("<=", seen, write.zero), write.zero, seen)
    seen = builder.select(rectifies, positive, seen)
    best, choice = write.load(2, to, write.numbers), write.load(4, chosen, write.choices)
    better = builder.or_(builder.fcmp_ordered(">", seen, best), builder.fcmp_unordered("uno", seen, seen))
    best, choice = builder.select(better, seen, best), builder.select(better, write.each_is(number), choice)
    write.store(builder.select(fresh, seen, best), 2, to)
    write.store(builder.select(fresh, write.each_is(number), choice), 4, chosen)
    return context.get_dummy_value()


def _give(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    write = _Writer(context, builder, signature, args)
    _, _, _, at, _, to, number, masks = args
    given, choice, y = (
        write.load(0, at, write.numbers),
        write.load(1, at, write.choices),
        write.load(2, at, write.numbers),
    )
    stays = builder.fcmp_unordered("!=", y, write.zero)
    masked = builder.select(stays, given, builder.fmul(given, write.zero))
    given = builder.select(masks, masked, given)
    is_chosen = builder.icmp_unsigned("==", choice, write.each_is(number))
    write.store(builder.select(is_chosen, given, write.zero), 4, to)
    return context.get_dummy_value()


def _meeting() -> Any:
    """Return Numba's intrinsic for :data:`meet`."""
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types
    whole, truth = types.int64, types.boolean

    def meet(
        _: Any, x: Any, at: Any, y: Any, to: Any, choice: Any, chosen: Any, number: Any, fresh: Any, rectifies: Any
    ) -> Any:
        return types.void(x, whole, y, whole, choice, whole, whole, truth, truth), _meet

    return extending.intrinsic(meet)


def _giving() -> Any:
    """Return Numba's intrinsic for :data:`give`."""
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types
    whole, truth = types.int64, types.boolean

    def give(_: Any, gy: Any, choice: Any, y: Any, at: Any, gx: Any, to: Any, number: Any, masks: Any) -> Any:
        return types.void(gy, choice, y, whole, gx, whole, whole, truth), _give

    return extending.intrinsic(give)


meet = jit.Part(
    _meeting
)  # look at a vector of x: where it is better than those before it, it is y and the choice is its number
give = jit.Part(_giving)  # leave in gx what gy is where the choice is a number, after a ReLU's gradient if it masks
