"""Compressed files that grow a thousandfold, and data files that lie about their size."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

from tests.data.idx_files import idx_header


def zip_bomb() -> bytes:
    """Ten KB that are ten MB of zeros, in NumPy's form of a zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(10 << 20))
    return target.getvalue()


def npy_of_objects(pickle: bytes) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pickle


def _bomb(header: bytes, size: int) -> bytes:
    """A gzip file of zeros after a header; compressed twice, as such bombs come."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(header)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


_LABELS = idx_header(0x08, 3) + bytes([7, 2, 1])
_MEMBER = gzip.compress(b"", mtime=0)

IDX_FILES: dict[str, bytes] = {
    "gzip bomb after three labels": _bomb(_LABELS, 64 << 20),
    "gzip bomb that says less": _bomb(idx_header(0x08, 1 << 31), 8 << 20),
    "gzip in gzip": gzip.compress(gzip.compress(_LABELS)),
    "gzip of many empty members": _MEMBER * 50_000 + gzip.compress(b"\0\0"),
    "gzip with an endless name": b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * (4 << 20),
    "gzip with garbage": b"\x1f\x8b" + b"\xa5" * 1000,
    "a size of 2**31": idx_header(0x08, 1 << 31),
    "sizes whose product is past 2**64": idx_header(0x0E, *[0xFFFFFFFF] * 3),
    "sizes past 2**64 with a zero": idx_header(0x08, 0, *[0xFFFFFFFF] * 3),
    "255 dimensions": idx_header(0x08, *[1] * 255) + b"\0",
    "255 dimensions of the greatest": idx_header(0x08, *[0xFFFFFFFF] * 255),
    "elements that are objects": b"\0\0O\1\0\0\0\1" + bytes(8),
    "cut in the header": idx_header(0x08, 3)[:6],
    "a zip bomb": zip_bomb(),
}
