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
    """What a keystroke cost."""

    ENGINE = "engine"  # it started a generation
    FLIGHT = "flight"  # it waited for one that an earlier keystroke had started
    CACHE = "cache"  # the text was there
    NONE = "none"  # nothing had to be generated


def _now() -> float:
    # The clock is looked up at each call: a test may have set another one.
    return time.perf_counter()


@dataclass(slots=True)
class Explanation:
    """One request, filled in on its way through the pipeline. Times are milliseconds.

    It keeps no document: that would hold the text of each keystroke in memory.
    """

    id: int
    uri: str
    path: str
    language_id: str
    version: int
    offset: int
    invoked: bool
    """Whether somebody asked for a completion, rather than typed."""

    mode: Mode = Mode.SINGLE
    answered_by: AnsweredBy = AnsweredBy.NONE
    completion_ids: tuple[str, ...] = ()
    """Of what was offered, best first; so is ``shown``."""

    shown: tuple[str, ...] = ()
    suppressed: str | None = None
    """Why nothing was shown."""

    selection: Selection | None = None
    """The snippets that were looked for; None where a flight already had its own."""

    flight: Flight | None = None
    """The generation that answered, or that a later keystroke will find; it may still grow."""

    flight_age_ms: float = 0.0
    """How long ago the flight had started when the request was answered."""

    flight_landed: bool = False
    """Whether the engine had finished the flight by then."""

    generation: Generation | None = None
    """The best candidate after what was typed."""

    token_texts: tuple[str, ...] = ()
    """The text of each of its tokens."""

    typed: str = ""
    """What was typed since the flight started."""

    steps: tuple[tuple[str, str], ...] = ()
    """The post-processing of the best candidate: each step's name, and the text after it."""

    verdict: Verdict | None = None
    stages_ms: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=_now)

    def lap(self, stage: str, since: float) -> float:
        """Add the time from ``since`` (perf_counter) until now to a stage; return now."""
        now = time.perf_counter()
        self.stages_ms[stage] = self.stages_ms.get(stage, 0.0) + (now - since) * 1000
        return now

    def finish(self) -> None:
        """Note the whole time, and how far the flight has come."""
        self.stages_ms["total"] = (time.perf_counter() - self.began) * 1000
        if self.flight is not None:
            self.flight_age_ms, self.flight_landed = self.flight.age_ms, self.flight.landed

    def __str__(self) -> str:
        """One line for the log, without code."""
        shown = f"not shown: {self.suppressed}" if self.suppressed else f"{len(self.shown)} shown"
        parts = [
            f"request {self.id}, version {self.version}, offset {self.offset}: {shown}",
            f"answered by {self.answered_by.value}",
        ]
        if flight := self.flight:
            state = "landed" if self.flight_landed else "under way"
            parts.append(
                f"flight {flight.id} from offset {flight.offset}, {self.flight_age_ms:.0f} ms old, "
                f"{state}"
            )
            parts += ["suffix kept"] * flight.kept_suffix
            parts += ["snippets frozen"] * flight.frozen_snippets
            if flight.usage.reused_tokens is not None:
                parts.append(
                    f"{flight.usage.reused_tokens} of {len(flight.prompt.token_ids)} prompt tokens "
                    "reused"
                )
        times = ", ".join(f"{name} {value:.0f} ms" for name, value in self.stages_ms.items())
        return "; ".join([*parts, times])

    def as_json(self, *, ids: bool = False, code: bool = True) -> dict[str, object]:
        """As plain JSON.

        ids: with the prompt's token ids. code: with texts; otherwise there are lengths in their
        place, so that it may be written to disk.
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
            "flight": self._flight(),
            "completion_ids": list(self.completion_ids),
            "shown": [text(one) for one in self.shown],
            "suppressed": self.suppressed,
            "typed": text(self.typed),
            "context_state": self.selection.summary if self.selection else "",
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
        """The request's own stages, and the engine's if this request asked it."""
        if self.flight is None or self.answered_by is not AnsweredBy.ENGINE:
            return self.stages_ms
        usage = self.flight.usage
        first = {} if usage.ttft_ms is None else {"first_token": usage.ttft_ms}
        engine_ms = usage.total_ms if self.flight.landed else self.flight.age_ms
        return {**self.stages_ms, **first, "engine": engine_ms}

    def _flight(self) -> dict[str, object] | None:
        if self.flight is None:
            return None
        return {
            "id": self.flight.id,
            "offset": self.flight.offset,
            "age_ms": round(self.flight_age_ms, 2),
            "landed": self.flight_landed,
            "kept_suffix": self.flight.kept_suffix,
            "frozen_snippets": self.flight.frozen_snippets,
        }

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
