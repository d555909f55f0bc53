"""Calls of compiled loops with their arguments laid out in memory, so that compiled code can make them.

Numba's loops are functions of machine code: ``status f(result*, error**, arguments)``, an array being passed as what
it consists of. :class:`Calls` writes those arguments down as a row of 64-bit words and, for each kind of function, makes
a small one that reads the words and calls it.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy

_FIRST = 1  # words before the arguments: where the function is


def entry_of(call: Callable[[], Any]) -> tuple[Any, tuple[Any, ...]] | None:
    """Return the compiled form of a loop that a call is bound to, and the arguments; None for any other call."""
    function = call.func if isinstance(call, partial) and not call.keywords else None
    overloads = getattr(function, "overloads", None)  # Numba's dispatchers have them
    if not isinstance(call, partial) or not overloads:
        return None
    for types, compiled in overloads.items():
        if len(types) == len(call.args) and all(map(_fits, types, call.args)):
            return compiled, call.args
    return None


def _fits(kind: Any, argument: Any) -> bool:
    """Return whether an argument can be passed as it is where a loop was compiled for this type."""
    if isinstance(argument, numpy.ndarray):
        return (
            getattr(kind, "ndim", None) == argument.ndim
            and str(kind.dtype) == argument.dtype.name
            and (kind.layout == "A" or bool(argument.flags.c_contiguous))
            and bool(argument.flags.behaved)
        )
    if isinstance(argument, tuple):
        kinds = getattr(kind, "types", None)
        return kinds is not None and len(kinds) == len(argument) and all(map(_fits, kinds, argument))
    return str(kind) in _NUMBERS.get(type(argument), ())


_FLOATS = ("float32", "float64")
_NUMBERS = {bool: ("bool", *_FLOATS), int: ("int64", *_FLOATS), float: _FLOATS, numpy.float32: _FLOATS}


def words_of(entry: tuple[Any, tuple[Any, ...]]) -> list[int]:
    """Return the words of a call: the address of the machine code, then what Numba passes for each argument."""
    compiled, arguments = entry
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    given = (_words(kind, each) for kind, each in zip(compiled.fndesc.argtypes, arguments, strict=True))
    return [address, *itertools.chain.from_iterable(given)]


def _words(kind: Any, argument: Any) -> Sequence[int]:
    if isinstance(argument, numpy.ndarray):  # no owner: the memory is the caller's to keep
        return (0, 0, argument.size, argument.itemsize, argument.ctypes.data, *argument.shape, *argument.strides)
    if isinstance(argument, tuple):
        return [*itertools.chain.from_iterable(map(_words, kind.types, argument))]
    if str(kind) == "float32":
        return struct.unpack("<q", struct.pack("<fxxxx", argument))
    if str(kind) == "float64":
        return struct.unpack("<q", struct.pack("<d", argument))
    return (int(argument),)


def caller_of(entry: tuple[Any, tuple[Any, ...]]) -> int:
    """Return the address of ``int64 f(int64 *words)``, which makes a call and returns below 0 if it failed.

    A loop that returns an integer fails by returning one below 0.
    """
    compiled = entry[0]
    context = _numba("core.registry").cpu_target.target_context
    kind = context.call_conv.get_function_type(compiled.fndesc.restype, compiled.fndesc.argtypes)
    return _caller(_Kind(str(kind), kind))


class _Kind:
    """A type of function, the same as another with the same text."""

    def __init__(self, text: str, type: Any) -> None:
        self.text, self.type = text, type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kind) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


@functools.cache
def _caller(kind: _Kind) -> int:
    ir: Any = importlib.import_module("llvmlite.ir")
    codegen = _numba("core.registry").cpu_target.target_context.codegen()
    name = f"trainctl_call_{_caller.cache_info().misses}"
    library = codegen.create_library(name)
    module = library.create_ir_module(name)
    whole = ir.IntType(64)
    function = ir.Function(module, ir.FunctionType(whole, [whole.as_pointer()]), name)
    builder = ir.IRBuilder(function.append_basic_block())

    def word(place: int) -> Any:
        return builder.load(builder.gep(function.args[0], [whole(place)]))

    result_type = kind.type.args[0].pointee
    result, error = builder.alloca(result_type), builder.alloca(kind.type.args[1].pointee)
    given = [_as(ir, builder, word(_FIRST + place), each) for place, each in enumerate(kind.type.args[2:])]
    status = builder.call(builder.inttoptr(word(0), kind.type.as_pointer()), [result, error, *given])
    value = builder.load(result) if isinstance(result_type, ir.IntType) else whole(0)
    is_well = builder.icmp_signed("<=", status, status.type(0))  # above 0: an error; -2: the result is none
    builder.ret(builder.select(is_well, value, whole(-1)))
    with _numba("core.compiler_lock").global_compiler_lock:
        library.add_ir_module(module)
        library.finalize()
    _LIBRARIES.append(library)
    return int(library.get_pointer_to_function(name))


_LIBRARIES: list[Any] = []  # machine code goes with its library


def _as(ir: Any, builder: Any, word: Any, kind: Any) -> Any:
    """Return a word as a value of the type that a function takes."""
    if isinstance(kind, ir.PointerType):
        return builder.inttoptr(word, kind)
    if isinstance(kind, ir.IntType):
        return word if kind.width == 64 else builder.trunc(word, kind)
    if isinstance(kind, ir.FloatType):
        return builder.bitcast(builder.trunc(word, ir.IntType(32)), kind)
    return builder.bitcast(word, kind)


def _numba(module: str) -> Any:
    return importlib.import_module(f"numba.{module}")
