"""How the command line writes numbers, times and tables: plain text, the same on a terminal and in a pipe."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text with its control characters and stray bytes written out; tabs and newlines stay.

    What a user's file holds must not move the cursor or change the colour of a terminal it is shown on.

    Example:
        >>> print(printable("\x1b[31mred"))
        \x1b[31mred
    """
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", text)


def number(value: float) -> str:
    """A loss or a metric in a few characters: four decimals, or an exponent where they would not do.

    Example:
        >>> number(0.97634), number(2.5e-7), number(123456.0), number(0)
        ('0.9763', '2.500e-07', '1.235e+05', '0.0000')
    """
    small = value != 0 and abs(value) < 1e-3
    return f"{value:.3e}" if small or abs(value) >= 1e5 else f"{value:.4f}"


def duration(seconds: float) -> str:
    """A time in the two units that matter.

    Example:
        >>> duration(0.25), duration(75), duration(7384)
        ('0.2s', '1m 15s', '2h 03m')
    """
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, whole = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {whole:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def clock(seconds: float) -> str:
    """A time to wait, in whole seconds, as a clock shows it.

    Example:
        >>> clock(8.2), clock(754), clock(7384)
        ('0:08', '12:34', '2:03:04')
    """
    minutes, whole = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}" if minutes >= 60 else f"{minutes}:{whole:02d}"


def count(many: int, noun: str) -> str:
    """A number of things, with thousands set apart.

    Example:
        >>> count(1, "sample"), count(54000, "sample")
        ('1 sample', '54,000 samples')
    """
    return f"{many:,} {noun}" if many == 1 else f"{many:,} {noun}s"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str) -> str:
    """Columns under their names, two spaces apart.

    Args:
        header: the columns' names.
        rows: one text a column.
        right: one character a column: ``>`` sets it to the right, ``<`` to the left.

    Example:
        >>> print(table(["layer", "parameters"], [["Linear", "1,290"], ["ReLU", "0"]], "<>"))
        layer   parameters
        Linear       1,290
        ReLU             0
    """
    cells = [list(header), *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = (
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, right, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
