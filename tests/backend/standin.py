"""A strict stand-in for CuPy: device arrays over NumPy that refuse what CuPy refuses.

There is no GPU where the tests run, so the discipline is held by this: an array class of its own (not a subclass
of NumPy's) that will not turn into a host array by itself and will not mix with one, and a library that offers
only the functions CuPy has, with CuPy's own argument names (read from the installed CuPy, or from the list made
from it: ``python -m tests.backend.make_cupy_names``). It counts transfers and synchronisations.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.backend import arrays
from trainctl.backend.arrays import Backend
from trainctl.backend.devices import device

NAMES = json.loads((Path(__file__).parent / "cupy_names.json").read_text())

# What CuPy's ufuncs take by name; NumPy's also take where, axes, signature, ...
_UFUNC_KEYWORDS = {"out", "dtype", "casting"}
# CuPy has ufunc.reduce for these alone (and `at` for few types: ops use the backend's scatter_add).
_UFUNC_METHODS = {"add": {"reduce"}, "multiply": {"reduce"}}


class Counts:
    """How often data crossed between host and device."""

    to_device = 0
    to_host = 0
    synchronised = 0


class DeviceArray:
    """An array "on the device": NumPy's elements behind a wall."""

    __array_ufunc__ = None
    __array_priority__ = 100

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct one.")

    def get(self) -> np.ndarray:
        Counts.to_host += 1
        return self._host.copy()

    def item(self, *args: int) -> Any:
        Counts.to_host += 1
        Counts.synchronised += 1
        return self._host.item(*args)

    def tolist(self) -> Any:
        Counts.to_host += 1
        return self._host.tolist()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        return self.item().__index__()

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        return f"DeviceArray({self._host!r})"

    def __getitem__(self, index: Any) -> Any:
        return wrap(self._host[_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._host[_index(index)] = unwrap(value)

    @property
    def base(self) -> Any:
        return None if self._host.base is None else DeviceArray(self._host.base)

    @property
    def data(self) -> Any:
        return self  # cupy's has .ptr; nobody may read device memory from the host

    @property
    def ptr(self) -> int:
        return self._host.__array_interface__["data"][0]

    @property
    def T(self) -> DeviceArray:
        return DeviceArray(self._host.T)

    @property
    def real(self) -> DeviceArray:
        return DeviceArray(self._host.real)

    @property
    def imag(self) -> DeviceArray:
        return DeviceArray(self._host.imag)


def _index(index: Any) -> Any:
    """Return an index for the host's array; CuPy takes ints, slices, None, ..., device arrays and lists of bools."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if isinstance(part, np.ndarray) and part.ndim:
            raise IndexError(f"Unsupported type {type(part)}: a host array cannot index a device array")
    plain = tuple(part._host if isinstance(part, DeviceArray) else part for part in parts)
    return plain if isinstance(index, tuple) else plain[0]


def wrap(value: Any) -> Any:
    """Return results as device arrays; also what NumPy gives as a scalar."""
    if isinstance(value, (np.ndarray, np.generic)):
        return DeviceArray(np.asarray(value))
    if type(value) in (tuple, list):
        return type(value)(wrap(each) for each in value)
    if isinstance(value, tuple):  # named results, as of linalg.eigh
        return type(value)(*(wrap(each) for each in value))
    return value


def unwrap(value: Any) -> Any:
    """Return arguments as host values, refusing host arrays as CuPy does."""
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a host array among device arrays")
    if type(value) in (tuple, list):
        return type(value)(unwrap(each) for each in value)
    return value


def _method(name: str) -> Any:
    def call(self: DeviceArray, *args: Any, **kwargs: Any) -> Any:
        _check_keywords(NAMES["methods"][name], f"ndarray.{name}", args, kwargs)
        return wrap(getattr(self._host, name)(*unwrap(args), **{key: unwrap(each) for key, each in kwargs.items()}))

    return call


def _attribute(name: str) -> Any:
    return property(lambda self: getattr(self._host, name))


def _operator(name: str) -> Any:
    def call(self: DeviceArray, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            raise TypeError(f"Unsupported type {type(other)}")
        return wrap(getattr(self._host, name)(unwrap(other)))

    return call


def _in_place(name: str) -> Any:
    def call(self: DeviceArray, other: Any) -> DeviceArray:
        getattr(self._host, name)(unwrap(other))
        return self

    return call


for _name in NAMES["methods"]:
    if not hasattr(DeviceArray, _name) and hasattr(np.ndarray, _name):
        setattr(DeviceArray, _name, _method(_name))
for _name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides", "flags"):
    setattr(DeviceArray, _name, _attribute(_name))
for _name in [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "matmul",
    "lshift",
    "rshift",
]:
    setattr(DeviceArray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(DeviceArray, f"__r{_name}__", _operator(f"__r{_name}__"))
    setattr(DeviceArray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in ["lt", "le", "gt", "ge", "eq", "ne"]:
    setattr(DeviceArray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in ["neg", "abs", "invert", "pos"]:
    setattr(DeviceArray, f"__{_name}__", (lambda n: lambda self: wrap(getattr(self._host, n)()))(f"__{_name}__"))
DeviceArray.__hash__ = None  # type: ignore[assignment]  # as CuPy's


def _check_keywords(signature: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise TypeError unless CuPy's function takes these arguments."""
    if signature is None:  # a C function, whose signature cannot be read
        return
    if signature == "ufunc":
        unknown = set(kwargs) - _UFUNC_KEYWORDS
        if unknown:
            raise TypeError(f"CuPy's ufunc {name} takes no {', '.join(sorted(unknown))}")
        return
    parameters = [
        inspect.Parameter(each["name"], each["kind"], default=None if each["optional"] else inspect.Parameter.empty)
        for each in signature
    ]
    try:
        inspect.Signature(parameters).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"CuPy's {name}: {error}") from None


class _Function:
    """One of CuPy's functions, run by NumPy."""

    def __init__(self, name: str, host: Any, signature: Any) -> None:
        self._name, self._host_function, self._signature = name, host, signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _check_keywords(self._signature, self._name, args, kwargs)
        out = kwargs.get("out")
        result = self._host_function(*unwrap(args), **{key: unwrap(each) for key, each in kwargs.items()})
        return out if isinstance(out, DeviceArray) else wrap(result)

    def __getattr__(self, name: str) -> Any:
        if self._signature == "ufunc" and name in _UFUNC_METHODS.get(self._name, set()):
            return _Function(f"{self._name}.{name}", getattr(self._host_function, name), None)
        raise AttributeError(f"CuPy's {self._name} has no {name}")


class _Namespace:
    """A module of CuPy's."""

    def __init__(self, path: str, host: Any) -> None:
        self._path, self._host = path, host

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}{name}"
        if path in NAMES["modules"]:
            return _Namespace(path + ".", getattr(self._host, name))
        if path not in NAMES["functions"]:
            raise AttributeError(f"CuPy has no {path}")
        found = getattr(self._host, name)
        if isinstance(found, type) or not callable(found):
            return found  # dtypes and constants
        return _Function(path, found, NAMES["functions"][path])


class StandIn(Backend):
    """The backend of device arrays, for the device type "cuda"."""

    def __init__(self) -> None:
        super().__init__(_Namespace("", np), DeviceArray, "cuda")

    def from_host(self, array: Any) -> DeviceArray:
        assert isinstance(array, (np.ndarray, np.generic)), f"from_host of {type(array)}"
        Counts.to_device += 1
        return DeviceArray(np.array(array))

    def to_host(self, array: DeviceArray) -> np.ndarray:
        return array.get()

    def device_of(self, array: DeviceArray) -> device:
        return device("cuda", 0)

    def scatter_add(self, target: DeviceArray, index: Any, source: DeviceArray) -> None:
        np.add.at(target._host, _index(index), unwrap(source))

    def device_count(self) -> int:
        return 2

    def pointer(self, array: DeviceArray) -> int:
        return array.ptr

    def synchronize(self) -> None:
        Counts.synchronised += 1


@contextlib.contextmanager
def installed() -> Iterator[type[Counts]]:
    """Make the stand-in the backend of "cuda" for a while; yields its counters, set to 0."""
    before = dict(arrays._BY_DEVICE), dict(arrays._BY_ARRAY)
    arrays.register(StandIn())
    Counts.to_device = Counts.to_host = Counts.synchronised = 0
    try:
        yield Counts
    finally:
        for table, old in zip((arrays._BY_DEVICE, arrays._BY_ARRAY), before, strict=True):
            table.clear()
            table.update(old)
