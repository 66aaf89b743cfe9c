"""Why a completion was shown, or none was: kept in memory for ``fimls why``."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field

from fimls.completer.flight import Flight
from fimls.completer.gate import Verdict
from fimls.context import Selection
from fimls.types import Generation, Mode


class AnsweredBy(str, enum.Enum):
    """What a keystroke cost. engine: it started a generation. flight: it waited for one that an
    earlier keystroke had started. cache: the text was there. none: nothing had to be generated.
    """

    ENGINE = "engine"
    FLIGHT = "flight"
    CACHE = "cache"
    NONE = "none"


@dataclass(slots=True)
class Explanation:
    """One request, filled in as it goes through the pipeline. Times are milliseconds.

    completion_ids, shown: what was offered, best first. flight: the generation that it was answered
    from, or that it started for a later keystroke; its cost grows until it lands. typed: what was
    typed since that started. generation, token_texts: of the best candidate, behind ``typed``.
    steps: (name, text after it) of its post-processing.
    """

    id: int
    uri: str
    path: str
    language_id: str
    version: int
    offset: int
    invoked: bool
    mode: Mode = Mode.SINGLE
    answered_by: AnsweredBy = AnsweredBy.NONE
    completion_ids: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    suppressed: str | None = None
    selection: Selection | None = None
    flight: Flight | None = None
    generation: Generation | None = None
    token_texts: tuple[str, ...] = ()
    typed: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    verdict: Verdict | None = None
    stages_ms: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str, since: float) -> float:
        """Add the time from ``since`` (perf_counter) until now to a stage; return now."""
        now = time.perf_counter()
        self.stages_ms[stage] = self.stages_ms.get(stage, 0.0) + (now - since) * 1000
        return now

    def finish(self) -> None:
        """Note the whole time."""
        self.stages_ms["total"] = (time.perf_counter() - self.began) * 1000

    def as_json(self, *, ids: bool = False, code: bool = True) -> dict[str, object]:
        """As plain JSON. ids: with the prompt's token ids. code: with texts; without them there are
        lengths, so that it may be written to disk.
        """

        def text(value: str) -> object:
            return value if code else len(value)

        return {
            "id": self.id,
            "uri": self.uri,
            "path": self.path,
            "language_id": self.language_id,
            "version": self.version,
            "offset": self.offset,
            "invoked": self.invoked,
            "mode": self.mode.value,
            "answered_by": self.answered_by.value,
            "completion_ids": list(self.completion_ids),
            "shown": [text(one) for one in self.shown],
            "suppressed": self.suppressed,
            "typed": text(self.typed),
            "context_state": self.selection.state if self.selection else "",
            "context_note": self.selection.note if self.selection else "",
            "snippets": self._snippets(code=code),
            "considered": self._considered(),
            "prompt": self._prompt(ids=ids),
            "generated_tokens": len(self.generation.token_ids) if self.generation else 0,
            "generation": self._generation(code=code, ids=ids),
            "steps": [{"name": name, "text": text(left)} for name, left in self.steps],
            "gate": self._gate(),
            "stages_ms": {name: round(value, 2) for name, value in self._stages().items()},
        }

    def _stages(self) -> dict[str, float]:
        """The request's own stages; and what the engine did, if it was asked by this request."""
        if self.flight is None or self.answered_by is not AnsweredBy.ENGINE:
            return self.stages_ms
        usage = self.flight.usage
        first = {} if usage.ttft_ms is None else {"first_token": usage.ttft_ms}
        engine_ms = usage.total_ms if self.flight.landed else self.flight.age_ms
        return {**self.stages_ms, **first, "engine": engine_ms}

    def _snippets(self, *, code: bool) -> list[dict[str, object]]:
        snippets = self.selection.snippets if self.selection else ()
        return [
            {
                "path": one.path,
                "source": one.source,
                "score": round(one.score, 3),
                "text": one.text if code else len(one.text),
            }
            for one in snippets
        ]

    def _considered(self) -> list[dict[str, object]]:
        considered = self.selection.considered if self.selection else ()
        return [
            {
                "path": one.path,
                "source": one.source,
                "score": round(one.score, 3),
                "tokens": one.tokens,
                "reason": one.reason,
            }
            for one in considered
        ]

    def _prompt(self, *, ids: bool) -> dict[str, object] | None:
        if self.flight is None:
            return None
        prompt = self.flight.prompt
        tokens = len(prompt.token_ids)
        reused = self.flight.usage.reused_tokens
        parts: list[dict[str, object]] = []
        for part in prompt.parts:
            shown: dict[str, object] = {"kind": part.kind.value, "tokens": part.end - part.start}
            if ids:
                shown["ids"] = list(prompt.token_ids[part.start : part.end])
            parts.append(shown)
        return {
            "tokens": tokens,
            "reused": reused,
            "computed": None if reused is None else tokens - reused,
            "parts": parts,
        }

    def _generation(self, *, code: bool, ids: bool) -> dict[str, object] | None:
        if self.generation is None:
            return None
        return {
            "text": self.generation.text if code else len(self.generation.text),
            "finish_reason": self.generation.finish_reason.value,
            "tokens": list(zip(self.token_texts, self.generation.logprobs, strict=False))
            if ids and code
            else len(self.generation.token_ids),
        }

    def _gate(self) -> dict[str, object] | None:
        if self.verdict is None:
            return None
        return {
            "probability": round(self.verdict.probability, 4),
            "threshold": self.verdict.threshold,
            "passed": self.verdict.passed,
            "features": {name: round(value, 4) for name, value in self.verdict.features.items()},
        }
