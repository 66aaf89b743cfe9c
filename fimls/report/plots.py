"""Small plots as SVG text, for a page that has no scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 256
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 12, 48
_NAMES = 190  # the width for names beside bars
COLOURS = ("#3b6fb6", "#d9822b", "#4b9560", "#a34b78", "#7d7d7d")


def distribution(series: Mapping[str, Sequence[float]], unit: str) -> str:
    """Plot the share of values below each value, on a logarithmic axis from 1."""
    shown = {name: sorted(max(value, 1.0) for value in values) for name, values in series.items()}
    shown = {name: values for name, values in shown.items() if values}
    if not shown:
        return _nothing()
    decades = math.ceil(math.log10(max(values[-1] for values in shown.values()) + 1)) or 1
    body = [_axis_y([(share / 100, f"{share} %") for share in (0, 25, 50, 75, 95)])]
    ticks = [(power / decades, f"{10**power:g}") for power in range(decades + 1)]
    body.append(_axis_x(ticks, unit))
    for index, (name, values) in enumerate(shown.items()):
        step = max(1, len(values) // 300)
        points = [
            (math.log10(value) / decades, (rank + 1) / len(values))
            for rank, value in enumerate(values)
            if rank % step == 0 or rank == len(values) - 1
        ]
        body += [_line(points, COLOURS[index]), _legend(index, f"{name} ({len(values):,})")]
    return _frame(body)


def timeline(samples: Sequence[tuple[int, float, float]], unit: str, *, seconds: str) -> str:
    """Plot values over time; each (line, seconds, value), a line for each server."""
    if not samples:
        return _nothing()
    end_s = max(at for _, at, _ in samples) or 1.0
    top = max(value for _, _, value in samples) * 1.1 or 1.0
    body = [_axis_y([(share / 4, f"{top * share / 4:,.0f}") for share in range(5)])]
    body.append(_axis_x([(share / 4, f"{end_s * share / 4:,.0f}") for share in range(5)], seconds))
    for index in sorted({line for line, _, _ in samples}):
        points = [(at / end_s, value / top) for line, at, value in samples if line == index]
        body.append(_line(points, COLOURS[index % len(COLOURS)]))
    body.append(_text(_LEFT + 8, _TOP + 12, unit))
    return _frame(body)


def shares(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Plot a bar for each row, divided in proportion to its parts (numbers of any size)."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    if not names:
        return _nothing()
    body = []
    for place, (row, parts) in enumerate(rows.items()):
        y, at = _TOP + 24 + place * 40, float(_NAMES)
        total = sum(parts.values())
        body.append(_text(8, y + 16, f"{row} ({total:,.0f})"))
        for name, value in parts.items():
            width = (WIDTH - _NAMES - _RIGHT) * value / total if total else 0.0
            colour = COLOURS[names.index(name) % len(COLOURS)]
            body.append(_box(at, y, width, 24, colour, f"{name}: {value / (total or 1):.1%}"))
            at += width
    body += [_legend(index, name, y=_TOP) for index, name in enumerate(names)]
    return _frame(body, _TOP + 40 + 40 * len(rows))


def bars(rows: Mapping[str, Mapping[str, float | None]], *, in_turn: int = 1) -> str:
    """Plot a bar with its interval for each ``Figure.as_json()``, shares from 0 to 1.

    in_turn: how many colours alternate: 2 for pairs of before and after.
    """
    if not rows:
        return _nothing()
    top = max([one["high"] or one["value"] or 0.0 for one in rows.values()] + [0.01]) * 1.1
    scale = (WIDTH - _NAMES - 130) / top
    body = []
    for place, (name, one) in enumerate(rows.items()):
        value, low, high = one["value"] or 0.0, one["low"], one["high"]
        y = _TOP + place * 34
        body.append(_text(8, y + 16, name))
        colour = COLOURS[place % in_turn]
        body.append(_box(_NAMES, y, value * scale, 24, colour, f"{name}: {value:.1%}"))
        label = f"{value:.1%}"
        if low is not None and high is not None:
            ends = _NAMES + low * scale, _NAMES + high * scale
            body.append(f'<path d="M{ends[0]:.1f} {y + 12}H{ends[1]:.1f}" class="interval"/>')
            label += f" [{low:.1%}, {high:.1%}]"
        body.append(_text(_NAMES + 6 + max(value, high or 0.0) * scale, y + 16, label))
    return _frame(body, _TOP + 12 + 34 * len(rows))


def agreement(series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
    """Plot pairs of shares from 0 to 1 that should be equal, and the line on which they are.

    x, y: the names of the axes.
    """
    if not any(series.values()):
        return _nothing()
    ticks = [(share / 4, f"{share / 4:.0%}") for share in range(5)]
    body = [_axis_y(ticks), _axis_x(ticks, x), _text(_LEFT + 8, _TOP + 12, y)]
    body.append(_line([(0.0, 0.0), (1.0, 1.0)], COLOURS[4]))
    for index, (name, points) in enumerate(series.items()):
        body += [_line(points, COLOURS[index % 4]), _legend(index, name)]
    return _frame(body)


def _frame(body: Sequence[str], height: float = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(body)}</svg>'
    )


def _nothing() -> str:
    return "<p>Nothing to plot.</p>"


def _place(x: float, y: float) -> tuple[float, float]:
    """Turn shares of the plot's width and height into coordinates."""
    width, height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    return _LEFT + x * width, _TOP + (1 - y) * height


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join("{:.1f},{:.1f}".format(*_place(*point)) for point in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _axis_x(ticks: Sequence[tuple[float, str]], unit: str) -> str:
    marks = []
    for share, label in ticks:
        x, y = _place(share, 0)
        marks.append(f'<path d="M{x:.1f} {_TOP}V{y:.1f}" class="grid"/>')
        marks.append(_text(x, y + 16, label, "middle"))
    return "".join([*marks, _text(WIDTH - _RIGHT, HEIGHT - 4, unit, "end")])


def _axis_y(ticks: Sequence[tuple[float, str]]) -> str:
    marks = []
    for share, label in ticks:
        x, y = _place(0, share)
        marks.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - _RIGHT}" class="grid"/>')
        marks.append(_text(x - 6, y + 4, label, "end"))
    return "".join(marks)


def _legend(index: int, name: str, y: float = HEIGHT - 10.0) -> str:
    x = _LEFT + index * 130
    colour = COLOURS[index % len(COLOURS)]
    return _box(x, y - 8, 10, 10, colour, name) + _text(x + 14, y + 1, name)


def _box(x: float, y: float, width: float, height: float, colour: str, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.0f}" '
        f'fill="{colour}"><title>{escape(title)}</title></rect>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
