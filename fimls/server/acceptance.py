"""What became of the completions: counted in memory, never sent anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Acceptance:
    """Counts completions, each once however often an editor tells of it."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._accepted: set[str] = set()
        self._partially_accepted: set[str] = set()

    def accepted(self, completion_id: object) -> None:
        """Count a completion that was taken as a whole."""
        if isinstance(completion_id, str):
            self._accepted.add(completion_id)

    def shown(self, params: object) -> None:
        """Count one from ``didShowCompletion {item}``."""
        if completion_id := _item_id(params):
            self._shown.add(completion_id)

    def partially_accepted(self, params: object) -> None:
        """Count one from ``didPartiallyAcceptCompletion {item, acceptedLength}``."""
        if completion_id := _item_id(params):
            self._partially_accepted.add(completion_id)

    def counts(self) -> dict[str, int]:
        """Return how many there were of each."""
        return {
            "shown": len(self._shown),
            "accepted": len(self._accepted),
            "partiallyAccepted": len(self._partially_accepted),
        }


def _item_id(params: object) -> str | None:
    """Return the id that an item carries in its command; None for somebody else's item."""
    item = _member(params, "item")
    arguments = _member(_member(item, "command"), "arguments")
    first = arguments[0] if isinstance(arguments, list) and arguments else None
    return first if isinstance(first, str) else None


def _member(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
