"""Safetensors files whose headers lie, or ask for more than anyone has."""

from __future__ import annotations

import json
from typing import Any


def file_of(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(shape: Any = (2,), offsets: Any = (0, 8), dtype: Any = "F32", **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def of_trees(tree: Any, data: bytes = bytes(8)) -> bytes:
    """A file of ``trainctl.save`` with this tree in it."""
    return file_of({"__metadata__": {"trainctl.tree": json.dumps(tree)}, "w": tensor()}, data)


_EIGHT = bytes(8)
_MANY = {f"t{number}": tensor([0], [0, 0]) for number in range(100_000)}

FILES: dict[str, bytes] = {
    "of 2**63 bytes": (2**63).to_bytes(8, "little") + b"{}",
    "of 2**64 - 1 bytes": b"\xff" * 8 + b"{}",
    "longer than the file": (100).to_bytes(8, "little") + b"{}",
    "of no bytes": bytes(8),
    "cut in its length": b"\x02\0\0",
    "100,000 tensors": file_of(_MANY),
    "nested": file_of(b'{"a":' * 50_000),
    "many empty lists": file_of(b"[" + b"[]," * 1_500_000 + b"[]]"),
    "a long string": file_of(b'"' + b"a" * (20 << 20) + b'"'),
    "not UTF-8": file_of(b'{"\xff":1}'),
    "not JSON": file_of(b"__import__('os').system('touch pwned')"),
    "a list": file_of([1, 2]),
    "NaN": file_of(b'{"w":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', _EIGHT),
    "1e400": file_of(b'{"w":{"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}}', _EIGHT),
    "a number of 5,000 digits": file_of(b'{"w":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}'),
    "a name twice": file_of(b'{"w":' + json.dumps(tensor()).encode() + b',"w":{}}', _EIGHT),
    "overlapping": file_of({"a": tensor(), "b": tensor(offsets=[4, 12])}, bytes(12)),
    "the same bytes twice": file_of({"a": tensor(), "b": tensor()}, _EIGHT),
    "a hole": file_of({"a": tensor(), "b": tensor(offsets=[12, 20])}, bytes(20)),
    "bytes after the last": file_of({"a": tensor()}, bytes(9)),
    "too few bytes": file_of({"a": tensor()}, bytes(7)),
    "negative offsets": file_of({"a": tensor(offsets=[-8, 0])}, _EIGHT),
    "offsets the wrong way round": file_of({"a": tensor(offsets=[8, 0])}, _EIGHT),
    "offsets of 2**63": file_of({"a": tensor(offsets=[2**63, 2**63 + 8])}, _EIGHT),
    "one offset": file_of({"a": tensor(offsets=[8])}, _EIGHT),
    "offsets of text": file_of({"a": tensor(offsets="08")}, _EIGHT),
    "offsets with a fraction": file_of({"a": tensor(offsets=[0.0, 8.0])}, _EIGHT),
    "a huge shape": file_of({"a": tensor([2**40])}, _EIGHT),
    "a product past 2**64": file_of({"a": tensor([2**32, 2**32, 2])}, _EIGHT),
    "a product past 2**64 with a zero": file_of({"a": tensor([2**62, 2**62, 0], [0, 0])}),
    "a negative size": file_of({"a": tensor([-2])}, _EIGHT),
    "a size that is true": file_of({"a": tensor([True, 2])}, _EIGHT),
    "a thousand dimensions": file_of({"a": tensor([1] * 1000 + [2])}, _EIGHT),
    "a shape that is no list": file_of({"a": tensor({"0": 2})}, _EIGHT),
    "elements that are objects": file_of({"a": tensor(dtype="O")}, _EIGHT),
    "a type that is no text": file_of({"a": tensor(dtype=["F32"])}, _EIGHT),
    "a type nobody knows": file_of({"a": tensor(dtype="F8_E5M2")}, _EIGHT),
    "a key too many": file_of({"a": tensor(then="exec")}, _EIGHT),
    "no dtype": file_of({"a": {"shape": [2], "data_offsets": [0, 8]}}, _EIGHT),
    "a tensor that is text": file_of({"a": "F32"}, _EIGHT),
    "a path for a name": file_of({"../../etc/passwd": tensor()}, _EIGHT),
    "a root path for a name": file_of({"/etc/passwd": tensor()}, _EIGHT),
    "a name of zeros": file_of({"a\0b": tensor()}, _EIGHT),
    "half a surrogate pair": file_of(b'{"\\ud800":' + json.dumps(tensor()).encode() + b"}", _EIGHT),
    "metadata that is no text": file_of({"__metadata__": {"a": 1}, "w": tensor()}, _EIGHT),
    "metadata that is a list": file_of({"__metadata__": ["a"], "w": tensor()}, _EIGHT),
    "a tree that is no JSON": file_of({"__metadata__": {"trainctl.tree": "{"}, "w": tensor()}, _EIGHT),
    "a tree of an unknown kind": of_trees({"$eval": "1"}),
    "a tree that names no tensor": of_trees({"$tensor": "v"}),
    "a tree that names a list": of_trees({"$tensor": ["w"]}),
    "a tree with an array for a scalar": of_trees({"$scalar": "w"}),
    "a tree with a float of text": of_trees({"$float": "1e5"}),
    "a tree with half a pair": of_trees({"$pairs": [[1]]}),
    "a tree with a list for a key": of_trees({"$pairs": [[[1], 2]]}),
    "a tree with a tuple of nothing": of_trees({"$tuple": None}),
    "a tree with a tuple for a key of nothing": of_trees({"$pairs": [[{"$tuple": 3}, 2]]}),
    "a tree with two kinds": of_trees({"$tensor": "w", "$tuple": []}),
    "a nested tree": file_of(
        {"__metadata__": {"trainctl.tree": '{"a":' * 900 + "1" + "}" * 900}, "w": tensor()}, _EIGHT
    ),
}
