"""One suggestion and what became of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Suggestion:
    """A line of ``fimls stats``' data.

    id: of its first completion. at: seconds since 1970. latency_ms: from request to answer.
    characters: of its text, when it was first shown. shown: the editor said that it was on the
    screen. accepted: characters taken, as a whole, by word or by line. how: the last way of taking
    it, "whole" or "part", "" if none. kept: the share of what was taken that was still there at
    each of ``CHECKS_S`` seconds, None before, or where its file was closed. text: "" unless keeping
    code was switched on.
    """

    id: str
    at: float
    language: str
    model: str
    adapter: str
    multi: bool
    characters: int
    latency_ms: float
    shown: bool = False
    accepted: int = 0
    how: str = ""
    kept: tuple[float | None, float | None, float | None] = (None, None, None)
    text: str = ""
