"""The server's own account of each request, fetched outside of what is timed.

Of each prompt it also says how much would have been computed had the prefix come first. Both orders
go through the same model of the engine's cache, so that nothing but the order differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from fimls.engines.prefix_blocks import PrefixBlocks
from training.evaluation.typing.client import WHY_COMMAND, Client, RequestFailedError
from training.evaluation.typing.looks import Look, Outcome
from training.evaluation.typing.plan import Task
from training.evaluation.typing.tally import Tally

_TRUTH_CHARACTERS = 400
# Requests don't end in the order in which they began: so many earlier ones are asked for again.
_OVERLAP = 4
_PREFIX, _SUFFIX, _CONTROL = "prefix", "suffix", "control"


class Explainer:
    """Joins looks and explanations for one server.

    record: gets a JSON line for each answered request, with the explanation (without the prompt's
    ids), the latency, what should have come and the kind of function.
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
        """Note a look; its explanation will go to the tally."""
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
        """Fetch the rest, then count the looks that the server doesn't explain."""
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
        if self._record is None or look.outcome is not Outcome.ANSWERED:
            return
        truth = task.body[look.typed : look.typed + _TRUTH_CHARACTERS]
        row = {
            "function": task.name,
            "kind": task.kind,
            "language": task.language_id,
            "latency_ms": look.latency_ms,
            "on_track": look.on_track,
            "offered": [one.text for one in look.suggestions],
            # After wrong characters nothing can be right.
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


class OrderComparison:
    """One engine's two caches: of the prompts as they were sent, and put prefix first."""

    def __init__(self) -> None:
        self._sent = PrefixBlocks()
        self._prefix_first = PrefixBlocks()

    def add(self, parts: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
        """Take the next prompt: ``{"kind": ..., "ids": [...]}`` in order.

        Returns the tokens that are left to compute as sent, and prefix first; None without ids.
        """
        runs = [(str(part.get("kind")), part.get("ids")) for part in parts]
        if not all(isinstance(ids, list) for _, ids in runs):
            return None
        ids = [token for _, run in runs for token in run or ()]
        turned = prefix_first([(kind, run or []) for kind, run in runs])
        return _compute(self._sent, ids), _compute(self._prefix_first, turned)


def prefix_first(parts: Sequence[tuple[str, Sequence[int]]]) -> list[int]:
    """Return a prompt's ids with the code before the cursor first, then the code after it.

    The snippets stay in front. The control tokens keep their order: only their number matters.
    """
    kinds = [kind for kind, _ in parts]
    code = [index for index, kind in enumerate(kinds) if kind in {_PREFIX, _SUFFIX}]
    if not code:
        return _flat(ids for _, ids in parts)
    first = code[0]
    while first and kinds[first - 1] == _CONTROL:
        first -= 1
    layout = parts[first:]
    controls = _flat(ids for kind, ids in layout if kind == _CONTROL)
    prefix = _flat(ids for kind, ids in layout if kind not in {_CONTROL, _SUFFIX})
    suffix = _flat(ids for kind, ids in layout if kind == _SUFFIX)
    head = _flat(ids for _, ids in parts[:first])
    return [*head, *controls[:1], *prefix, *controls[1:2], *suffix, *controls[2:]]


def _compute(cache: PrefixBlocks, ids: Sequence[int]) -> int:
    computed = len(ids) - cache.match(ids)
    cache.add(ids)
    return computed


def _flat(runs: Iterable[Sequence[int]]) -> list[int]:
    return [token for run in runs for token in run]
