"""Whether an item was trained on: its lines, or a function that is nearly its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from training.corpus.decontamination import LINES
from training.corpus.duplicates import Fingerprint, fingerprint
from training.evaluation.suites.base import Item
from training.evaluation.traces import Traces, functions_around, is_same_function
from training.types import CorpusFile

_WORD = re.compile(r"\w")  # lines without a word don't count in a window


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """Says why an item may not be used, "" if it may. traces: of what was trained on."""

    traces: Traces

    def __call__(self, item: Item) -> str:
        """Look at the six-line windows that touch the hole, and at the functions around it."""
        if self.traces.knows(_around(item)).any():
            return "six lines around the hole were trained on"
        text = item.prefix + item.reference + item.suffix
        start = len(item.prefix)
        found = functions_around(
            _fingerprint(text, item.language_id), start, start + len(item.reference)
        )
        similarity = max(map(self.traces.similar_function, found), default=0.0)
        if is_same_function(similarity):
            return f"a function {similarity:.0%} like the one around the hole was trained on"
        return ""


def _around(item: Item) -> str:
    """Return the hole's lines and the five before and after it: every window of them has a
    line of the hole.
    """
    before, hole = item.prefix.count("\n"), item.reference.rstrip("\n").count("\n") + 1
    lines = (item.prefix + item.reference + item.suffix).split("\n")
    above = [line for line in lines[:before] if _WORD.search(line)][-(LINES - 1) :]
    below = [line for line in lines[before + hole :] if _WORD.search(line)][: LINES - 1]
    return "\n".join([*above, *lines[before : before + hole], *below])


@lru_cache(maxsize=4)  # a file's items come one after the other
def _fingerprint(text: str, language_id: str) -> Fingerprint:
    return fingerprint(CorpusFile("", "", "", language_id, "", text))
