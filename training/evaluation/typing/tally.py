"""What came of typing one function: the row of a report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from training.evaluation.typing.looks import FEWEST_SAVED, Look, Outcome, Suggestion
from training.evaluation.typing.plan import Task
from training.evaluation.typing.typist import common_length

_EXAMPLE_CHARACTERS = 300


class Tally:
    """Counts while a function is typed. Characters are code points of the body.

    A suggestion counts once: what is left of it after the next right key is the same suggestion,
    and of one that grew only the growth is new. A shown character is right while it agrees with the
    body.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._counts: Counter[str] = Counter()
        self._outcomes: Counter[Outcome] = Counter()
        self._answered_by: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()
        self._latencies: dict[str, list[float]] = defaultdict(list)
        self._item_latencies: dict[str, list[float]] = defaultdict(list)  # of answers with items
        self._engine_ms = 0.0
        self._prompts: list[list[int]] = []  # tokens and computed tokens of each
        self._seen: list[str] = []
        self._accepted = bytearray(len(task.body))
        self._by_word = bytearray(len(task.body))
        self._typed = _typed_mask(task.body)
        self.finished = False
        self.worst: dict[str, Any] | None = None

    def pressed(self, *, wrong: bool = False) -> None:
        """Note a key. wrong: it belongs to a slip or deletes one."""
        self._counts["keys"] += 1
        self._counts["slip_keys"] += wrong

    def looked(self, look: Look) -> None:
        """Note a look whose outcome is known."""
        self._outcomes[look.outcome] += 1
        if look.outcome is Outcome.ANSWERED and look.suggestions:
            self._counts["answers_with_items"] += 1
            self._show(look, look.suggestions[0])

    def took(self, look: Look, length: int) -> None:
        """Note that the first ``length`` characters of a look's suggestion were accepted."""
        whole = length == len(look.suggestions[0].text)
        self._counts["accepted_whole" if whole else "accepted_line"] += 1
        self._mark(self._accepted, look.typed, length)

    def explained(self, look: Look, computed: tuple[int, int] | None) -> None:
        """Note the server's account of a look, or that it gave none.

        computed: what its prompt left to compute, as sent and prefix first, in tokens.
        """
        if look.outcome is Outcome.ANSWERED and look.latency_ms is not None:
            self._answered_by[look.answered_by] += 1
            self._latencies[look.answered_by].append(round(look.latency_ms, 2))
            if look.suggestions:
                self._item_latencies[look.answered_by].append(round(look.latency_ms, 2))
        explanation = look.explanation
        if look.outcome is Outcome.ANSWERED and explanation.get("suppressed"):
            self._suppressed[str(explanation["suppressed"])] += 1
        self._engine_ms += float(_mapping(explanation.get("stages_ms")).get("engine") or 0.0)
        self._counts["generated_tokens"] += int(explanation.get("generated_tokens") or 0)
        self._counts["with_snippets"] += bool(explanation.get("snippets"))
        if look.answered_by == "engine":
            self._prompt(_mapping(explanation.get("prompt")), computed)

    def row(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        task, counts = self._task, self._counts
        saved = _count(self._accepted, self._typed)
        either = bytearray(map(max, self._accepted, self._by_word))
        return {
            "name": task.name,
            "language": task.language_id,
            "kind": task.kind,
            "finished": self.finished,
            "characters": sum(self._typed),
            "keys": counts["keys"],
            "slip_keys": counts["slip_keys"],
            "looks": sum(self._outcomes.values()),
            **{one.value: self._outcomes[one] for one in Outcome if one is not Outcome.OPEN},
            "answered_by": dict(sorted(self._answered_by.items())),
            "latency_ms": dict(sorted(self._latencies.items())),
            "item_latency_ms": dict(sorted(self._item_latencies.items())),
            "suppressed": dict(sorted(self._suppressed.items())),
            **{
                name: counts[name]
                for name in (
                    *("answers_with_items", "suggestions", "shown_characters"),
                    *("right_characters", "wrong_characters", "accepted_whole", "accepted_line"),
                )
            },
            "saved_characters": saved,
            "saved_by_word_characters": _count(either, self._typed),
            "engine_ms": round(self._engine_ms, 1),
            "prompts": self._prompts,
            **{
                name: counts[name]
                for name in (
                    *("generated_tokens", "with_snippets", "modelled_prompts"),
                    *("modelled_as_sent", "modelled_prefix_first"),
                )
            },
        }

    def _show(self, look: Look, suggestion: Suggestion) -> None:
        text, rest = suggestion.text, self._task.body[look.typed :]
        right = common_length(text, rest) if look.on_track else 0
        self._mark(self._by_word, look.typed, _whole_words(text, rest, right))
        predicted = look.before + text
        known = [one for one in self._seen if one.startswith(predicted)]
        if known:
            return
        grown = [len(one) for one in self._seen if predicted.startswith(one)]
        first_new = max([len(look.before), *grown]) - len(look.before)
        self._seen.append(predicted)
        self._counts["suggestions"] += first_new == 0
        new_right = max(0, right - first_new)
        new_wrong = len(text) - first_new - new_right
        self._counts["shown_characters"] += len(text) - first_new
        self._counts["right_characters"] += new_right
        self._counts["wrong_characters"] += new_wrong
        if look.on_track and (self.worst is None or new_wrong > self.worst["wrong_characters"]):
            self.worst = {
                "function": self._task.name,
                "kind": self._task.kind,
                "wrong_characters": new_wrong,
                "before": look.before[-_EXAMPLE_CHARACTERS:],
                "shown": text[:_EXAMPLE_CHARACTERS],
                "wanted": rest[:_EXAMPLE_CHARACTERS],
            }

    def _mark(self, marks: bytearray, start: int, length: int) -> None:
        marks[start : start + length] = b"\1" * length

    def _prompt(self, prompt: Mapping[str, Any], computed: tuple[int, int] | None) -> None:
        if not prompt:
            return
        if prompt.get("computed") is not None:  # the engine doesn't say so of what it gave up
            self._prompts.append([int(prompt[name]) for name in ("tokens", "computed")])
        if computed is not None:
            self._counts["modelled_prompts"] += 1
            self._counts["modelled_as_sent"] += computed[0]
            self._counts["modelled_prefix_first"] += computed[1]


def _typed_mask(body: str) -> bytearray:
    """Return a 1 for each character that a person types; the editor adds the indentation."""
    mask = bytearray(b"\1" * len(body))
    start = 0
    for line in body.split("\n"):
        indent = len(line) - len(line.lstrip(" \t")) if start else 0
        mask[start : start + indent] = bytes(indent)
        start += len(line) + 1
    return mask


def _whole_words(text: str, rest: str, right: int) -> int:
    """Return how much of the right part a person gets by taking it word by word."""

    def splits_word(of: str, at: int) -> bool:
        return 0 < at < len(of) and _is_word(of[at - 1]) and _is_word(of[at])

    end = right
    while end and (splits_word(text, end) or splits_word(rest, end)):
        end -= 1
    return end if end >= FEWEST_SAVED else 0


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _count(marks: bytearray, mask: bytearray) -> int:
    return sum(one & other for one, other in zip(marks, mask, strict=True))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
