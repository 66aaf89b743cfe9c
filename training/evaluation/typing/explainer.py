"""Fetches the server's own account of each request, outside of what is timed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from training.evaluation.typing.client import WHY_COMMAND, Client, RequestFailedError
from training.evaluation.typing.looks import Look
from training.evaluation.typing.plan import Task
from training.evaluation.typing.reuse import OrderComparison
from training.evaluation.typing.tally import Tally

_TRUTH_CHARACTERS = 400
# Requests end in another order than they began: as many earlier ones are asked for again.
_OVERLAP = 4


class Explainer:
    """Joins looks and explanations for one server.

    record: gets a JSON line for each answered request: the explanation without the prompt's ids,
    the latency, what should have come and what kind of function it is.
    """

    def __init__(self, client: Client, record: IO[str] | None) -> None:
        self._client = client
        self._record = record
        self._last_id = 0
        self._known: set[int] = set()
        self._waiting: dict[tuple[str, int, int], tuple[Look, Task, Tally]] = {}
        self._orders = OrderComparison()
        self.available = True

    def expect(self, look: Look, task: Task, tally: Tally) -> None:
        """Take a look that was asked; its explanation goes to the tally."""
        self._waiting[look.key] = look, task, tally

    async def fetch(self) -> None:
        """Fetch what is new.

        Raises:
            ServerGoneError: the server ended.
        """
        if not self.available:
            return
        since = max(0, self._last_id - _OVERLAP)
        try:
            found = await self._client.command(WHY_COMMAND, {"since": since, "ids": True})
        except RequestFailedError:  # another server, or an older one
            self.available = False
            return
        for explanation in found if isinstance(found, list) else []:
            if isinstance(explanation, dict) and explanation.get("id") not in self._known:
                self._take(explanation)

    async def finish(self) -> None:
        """Fetch the rest, and settle the looks that the server doesn't explain."""
        await self.fetch()
        self.settle()

    def settle(self) -> None:
        """Count the looks that have no explanation."""
        waiting, self._waiting = self._waiting, {}
        for look, task, tally in waiting.values():
            tally.explained(look, None)
            self._write(look, task)

    def _take(self, explanation: Mapping[str, Any]) -> None:
        number = int(explanation.get("id") or 0)
        self._known.add(number)
        self._last_id = max(self._last_id, number)
        computed = None
        prompt = explanation.get("prompt")
        if explanation.get("answered_by") == "engine" and isinstance(prompt, dict):
            computed = self._orders.add(prompt.get("parts") or [])
        place = (explanation.get("uri"), explanation.get("version"), explanation.get("offset"))
        entry = self._waiting.pop(place, None)  # type: ignore[arg-type]  # JSON, of any type
        if entry is not None:
            look, task, tally = entry
            look.explanation = explanation
            tally.explained(look, computed)
            self._write(look, task)

    def _write(self, look: Look, task: Task) -> None:
        if self._record is None or look.outcome != "answered":
            return
        truth = task.body[look.typed : look.typed + _TRUTH_CHARACTERS]
        row = {
            "function": task.name,
            "kind": task.kind,
            "language": task.language_id,
            "latency_ms": look.latency_ms,
            "on_track": look.on_track,
            "offered": [one.text for one in look.suggestions],
            # Behind wrong characters nothing can be right.
            "truth": truth if look.on_track else "",
            "explanation": _without_ids(look.explanation),
        }
        self._record.write(json.dumps(row, ensure_ascii=False) + "\n")


def _without_ids(explanation: Mapping[str, Any]) -> dict[str, Any]:
    prompt = explanation.get("prompt")
    if not isinstance(prompt, dict):
        return dict(explanation)
    parts = [
        {name: value for name, value in part.items() if name != "ids"}
        for part in prompt.get("parts") or []
    ]
    return {**explanation, "prompt": {**prompt, "parts": parts}}
