"""How much of each prompt would have been computed, in the order it has and prefix first.

Both orders go through the same model of the engine's cache, so that nothing but the order differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fimls.engines.prefix_blocks import PrefixBlocks

_PREFIX, _SUFFIX, _CONTROL = "prefix", "suffix", "control"


@dataclass(frozen=True, slots=True)
class Computed:
    """Tokens of one prompt that a prefix cache leaves to compute."""

    as_sent: int
    prefix_first: int


@dataclass(slots=True)
class OrderComparison:
    """One engine's two caches: of the prompts as they were sent, and put prefix first."""

    _sent: PrefixBlocks = field(default_factory=PrefixBlocks)
    _prefix_first: PrefixBlocks = field(default_factory=PrefixBlocks)

    def add(self, parts: Sequence[Mapping[str, Any]]) -> Computed | None:
        """Take the next prompt: ``{"kind": ..., "ids": [...]}`` in order. None without ids."""
        runs = [(str(part.get("kind")), part.get("ids")) for part in parts]
        if not all(isinstance(ids, list) for _, ids in runs):
            return None
        ids = [token for _, run in runs for token in run or ()]
        return Computed(
            as_sent=_compute(self._sent, ids),
            prefix_first=_compute(
                self._prefix_first, prefix_first([(kind, run or []) for kind, run in runs])
            ),
        )


def prefix_first(parts: Sequence[tuple[str, Sequence[int]]]) -> list[int]:
    """Return a prompt's ids with the code before the cursor in front of the code behind it.

    The snippets stay first; each control token keeps its rank, since what matters is their number.
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
