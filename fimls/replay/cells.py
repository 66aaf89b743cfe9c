"""Figures as the cells of a table: short, and with their intervals in brackets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Interval = Mapping[str, Any]
"""``Figure.as_json()``: value, low and high; None where there is nothing to tell."""


def number(value: float | None) -> str:
    """Return it without decimals."""
    return "-" if value is None else f"{value:,.0f}"


def short(value: float | None) -> str:
    """Return it with three digits, or without decimals."""
    return "-" if value is None else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Return a share as a percentage."""
    return "-" if value is None else f"{value:.1%}"


def share(figure: Interval) -> str:
    """Return a share and its interval as percentages."""
    return bracketed(figure, percent)


def interval(figure: Interval) -> str:
    """Return a number and its interval."""
    return bracketed(figure, short)


def bracketed(figure: Interval, show: Callable[[float | None], str]) -> str:
    """Return ``value [low, high]``, or the value alone."""
    if figure["low"] is None:
        return show(figure["value"])
    return f"{show(figure['value'])} [{show(figure['low'])}, {show(figure['high'])}]"
