"""Line charts as SVG text, drawn with nothing but arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 36
COLORS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#0a7ea4", "#57606a")


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: for the legend.
        points: of (x, y), finite.
        color: as CSS writes it.
        dashed: whether it is dashed.
    """

    name: str
    points: Sequence[tuple[float, float]]
    color: str
    dashed: bool = False


def chart(title: str, lines: Sequence[Line]) -> str:
    """Return a chart of some curves, with axes, a grid and a legend.

    Example:
        >>> text = chart("loss", [Line("train", [(1, 0.5), (2, 0.25)], COLORS[0])])
        >>> text.startswith("<svg"), "polyline" in text
        (True, True)
    """
    points = [point for line in lines for point in line.points]
    xs, ys = _ticks([x for x, _ in points], whole=True), _ticks([y for _, y in points])
    place = _Place((xs[0], xs[-1]), (ys[0], ys[-1]))
    height = HEIGHT + 18 * len(lines)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
            f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
            *[_level(place, y) for y in ys],
            *[_column(place, x) for x in xs],
            *[_curve(place, line) for line in lines],
            *[_legend(number, line) for number, line in enumerate(lines)],
            "</svg>",
        ]
    )


@dataclass(frozen=True)
class _Place:
    """From values to the picture's units."""

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, x: float) -> float:
        return _LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - _LEFT - _RIGHT)

    def down(self, y: float) -> float:
        return HEIGHT - _BOTTOM - (y - self.y[0]) / (self.y[1] - self.y[0]) * (HEIGHT - _TOP - _BOTTOM)


def _ticks(values: Sequence[float], *, whole: bool = False) -> list[float]:
    """Round numbers, at equal distances, that hold all values between them."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    span = high - low
    if span <= max(abs(high) * 1e-9, 1e-300):  # one value alone
        span = abs(high) if abs(high) > 1e-300 else 1.0
        low, high = low - span / 2, high + span / 2
        span = high - low
    size = 10.0 ** math.floor(math.log10(span / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor * 5 >= span)
    if whole:
        step = max(1.0, float(round(step)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _level(place: _Place, y: float) -> str:
    at = place.down(y)
    return (
        f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{WIDTH - _RIGHT}" y2="{at:.1f}" stroke="#8884"/>'
        f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" fill="currentColor">{y:.4g}</text>'
    )


def _column(place: _Place, x: float) -> str:
    at = place.across(x)
    return f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle" fill="currentColor">{x:g}</text>'


def _curve(place: _Place, line: Line) -> str:
    at = [(place.across(x), place.down(y)) for x, y in line.points]
    if len(at) == 1:
        return f'<circle cx="{at[0][0]:.1f}" cy="{at[0][1]:.1f}" r="3" fill="{line.color}"/>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    return f'<polyline points="{points}" fill="none" stroke="{line.color}" stroke-width="1.8"{_dashes(line)}/>'


def _legend(number: int, line: Line) -> str:
    y = HEIGHT + 18 * number
    return (
        f'<line x1="{_LEFT}" y1="{y}" x2="{_LEFT + 24}" y2="{y}" stroke="{line.color}" stroke-width="2"{_dashes(line)}/>'
        f'<text x="{_LEFT + 32}" y="{y + 4}" fill="currentColor">{escape(line.name)}</text>'
    )


def _dashes(line: Line) -> str:
    return ' stroke-dasharray="5 4"' if line.dashed else ""


def sparkline(values: Sequence[float]) -> str:
    """Return values as a row of blocks, for text; at most 40 of them.

    Example:
        >>> sparkline([0.0, 0.5, 1.0])
        '▁▅█'
    """
    if not values:
        return ""
    chosen = [values[round(number * (len(values) - 1) / 39)] for number in range(40)] if len(values) > 40 else values
    low, span = min(chosen), max(chosen) - min(chosen)
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) / span * 7) if span else 0] for value in chosen)
