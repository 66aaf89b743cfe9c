"""How long-running store work reports where it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called often, from the thread that does the work; must return fast and not raise."""

    def __call__(self, stage: str, done_bytes: int, total_bytes: int) -> None:
        """``stage``: what is being done, in words for a person.

        ``done_bytes`` of ``total_bytes`` are done; both are 0 where the extent is unknown.
        """
        ...


def silent(stage: str, done_bytes: int, total_bytes: int) -> None:
    """Report nothing."""
