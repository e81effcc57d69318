"""Charts as they stand on paper and without scripts: small inline SVG in the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from ohlora.report.results import Chart, Points

WIDTH, HEIGHT = 560, 240  # of the picture, in its own units
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 40  # margins
MOST_DOTS = 500  # of a group
TICKS = 5


def svg(chart: Chart) -> str:
    """The chart with axes; the legend is the page's."""
    points = [point for line in chart.lines.values() for point in line]
    if not points:
        return ""
    x_low, x_high = span([x for x, _ in points if x > 0 or not chart.log_x])
    y_low, y_high = y_range(chart)

    def across(x: float) -> float:
        share = (
            math.log(max(x, x_low) / x_low) / math.log(x_high / x_low)
            if chart.log_x
            else (x - x_low) / (x_high - x_low)
        )
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return TOP + (1 - (y - y_low) / (y_high - y_low)) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">']
    for y in ticks(y_low, y_high):
        at = down(y)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{short(y)}</text>')
    for x in log_ticks(x_low, x_high) if chart.log_x else ticks(x_low, x_high):
        parts.append(
            f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(x)}</text>'
        )
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(chart.x)}</text>')
    for number, line in enumerate(chart.lines.values()):
        colour = f"c{number % 8}"
        placed = [(across(x), down(y)) for x, y in line]
        if chart.dots:
            some = placed[:: max(1, -(-len(placed) // MOST_DOTS))]
            dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in some)
            parts.append(f'<path class="dots {colour}" d="{dots}"/>')
        else:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
            parts.append(f'<path class="line {colour}" d="{path}"/>')
    return "".join([*parts, "</svg>"])


def y_range(chart: Chart) -> tuple[float, float]:
    """What the y-axis shows: of scores from 0 to 1 the upper part that there is."""
    values = [y for line in chart.lines.values() for _, y in line]
    if chart.unit_range and min(values) >= 0 and max(values) <= 1.001:
        return max(0.0, math.floor(min(values) * 10 - 0.5) / 10), 1.02
    low, high = span(values)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def span(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest, apart from each other."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5 * abs(low) - 1e-9, high + 0.5 * abs(high) + 1e-9)


def ticks(low: float, high: float) -> Iterator[float]:
    """Round numbers in a range."""
    raw = (high - low) / TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= raw * 0.999)
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        yield number * step


def log_ticks(low: float, high: float) -> Iterator[float]:
    """Powers of ten in a range; its ends where there are none."""
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    yield from (10.0**power for power in powers) if len(powers) else (low, high)


def short(value: float) -> str:
    return f"{value:.4g}"


def shared_x(lines: Sequence[Points]) -> list[list[float | None]]:
    """x, then a column of y a line, as uPlot takes them; None where a line has no point."""
    xs = sorted({x for line in lines for x, _ in line})
    columns: list[list[float | None]] = [list(xs)]
    for line in lines:
        known = dict(line)
        columns.append([known.get(x) for x in xs])
    return columns
