"""Types of codes, and the schemes that give them a meaning, under PyTorch's names."""

from __future__ import annotations

from typing import NoReturn

from trainctl.backend.dtypes import dtype


class quantized_dtype(dtype):
    """A type of codes: whole numbers that a scale and a zero point make real ones.

    No promotion leads to it or from it, and no tensor has it that is not made by quantizing.

    Args:
        name: PyTorch's name.
        codes: the array library's dtype that keeps them.

    Example:
        >>> quint8, quint8.itemsize, quint8.array_dtype
        (trainctl.quint8, 1, dtype('uint8'))
    """

    __slots__ = ()
    is_quantized = True

    def __init__(self, name: str, codes: str) -> None:
        super().__init__(codes)
        self.name = name

    def __reduce__(self) -> str:
        return self.name

    def to_complex(self) -> NoReturn:
        """Raise RuntimeError: codes have no complex counterpart."""
        raise RuntimeError(f"Unknown Complex ScalarType for {self.name}")


quint8 = quantized_dtype("quint8", "uint8")
qint8 = quantized_dtype("qint8", "int8")
qint32 = quantized_dtype("qint32", "int32")
quint4x2 = quantized_dtype("quint4x2", "uint8")

ALL = (quint8, qint8, qint32, quint4x2)


class qscheme:
    """How codes stand for numbers. There is one object for each scheme: compare with ``is`` or ``==``.

    Attributes:
        name: PyTorch's name.
        is_per_channel: every channel has a scale and a zero point of its own.
        is_symmetric: the range is as far below 0 as above.

    Example:
        >>> per_channel_symmetric, per_channel_symmetric.is_per_channel
        (trainctl.per_channel_symmetric, True)
    """

    __slots__ = ("is_per_channel", "is_symmetric", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_per_channel = name.startswith("per_channel")
        self.is_symmetric = name.endswith("symmetric")

    def __repr__(self) -> str:
        return f"trainctl.{self.name}"

    def __reduce__(self) -> str:
        return self.name


per_tensor_affine = qscheme("per_tensor_affine")
per_tensor_symmetric = qscheme("per_tensor_symmetric")
per_channel_affine = qscheme("per_channel_affine")
per_channel_symmetric = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams = qscheme("per_channel_affine_float_qparams")
