"""Calls of compiled loops with their arguments laid out in memory, so that compiled code can make them.

Numba's loops are functions of machine code: ``status f(result*, error**, arguments)``, an array being passed as what
it consists of. :class:`Calls` writes those arguments down as a row of 64-bit words and, for each kind of function, makes
a small one that reads the words and calls it.
"""

from __future__ import annotations

import importlib
import itertools
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy

from trainctl.backend.jit import Kernel

Entry = tuple[Any, tuple[Any, ...]]  # Numba's compile result, arguments

_FIRST = 1  # words before the arguments: where the function is


def entry_of(call: Callable[[], Any]) -> Entry | None:
    """Return the compiled form of a loop that a call is bound to, and the arguments; None for any other call."""
    function = call.func if isinstance(call, partial) and not call.keywords else None
    function = function.compiled if isinstance(function, Kernel) else function
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


def words_of(entry: Entry) -> list[int]:
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


def callers_of(entries: Sequence[Entry]) -> list[int]:
    """Return, for each call, the address of ``int64 f(int64 *words)``, which makes it and returns below 0 if it failed.

    A loop that returns an integer fails by returning one below 0.
    """
    convention = _numba("core.registry").cpu_target.target_context.call_conv
    described = {each[0].fndesc for each in entries}
    kinds = {each: convention.get_function_type(each.restype, each.argtypes) for each in described}
    missing = {str(kind): kind for kind in kinds.values() if str(kind) not in _CALLERS}
    if missing:
        _CALLERS.update(_compiled(missing))
    return [_CALLERS[str(kinds[each[0].fndesc])] for each in entries]


_CALLERS: dict[str, int] = {}


def _compiled(kinds: dict[str, Any]) -> dict[str, int]:
    """Return the addresses of callers of functions of these types; they are compiled together, which takes less time."""
    ir: Any = importlib.import_module("llvmlite.ir")
    name = f"trainctl_calls_{len(_LIBRARIES)}"
    library = _numba("core.registry").cpu_target.target_context.codegen().create_library(name)
    module = library.create_ir_module(name)
    names = {text: f"{name}_{number}" for number, text in enumerate(kinds)}
    for text, kind in kinds.items():
        _write_caller(ir, module, names[text], kind)
    with _numba("core.compiler_lock").global_compiler_lock:
        library.add_ir_module(module)
        library.finalize()
    _LIBRARIES.append(library)
    return {text: int(library.get_pointer_to_function(each)) for text, each in names.items()}


def _write_caller(ir: Any, module: Any, name: str, kind: Any) -> None:
    whole = ir.IntType(64)
    function = ir.Function(module, ir.FunctionType(whole, [whole.as_pointer()]), name)
    builder = ir.IRBuilder(function.append_basic_block())

    def word(place: int) -> Any:
        return builder.load(builder.gep(function.args[0], [whole(place)]))

    result_type = kind.args[0].pointee
    result, error = builder.alloca(result_type), builder.alloca(kind.args[1].pointee)
    given = [_as(ir, builder, word(_FIRST + place), each) for place, each in enumerate(kind.args[2:])]
    status = builder.call(builder.inttoptr(word(0), kind.as_pointer()), [result, error, *given])
    value = builder.load(result) if isinstance(result_type, ir.IntType) else whole(0)
    is_well = builder.icmp_signed("<=", status, status.type(0))  # above 0: an error; -2: the result is none
    builder.ret(builder.select(is_well, value, whole(-1)))


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
