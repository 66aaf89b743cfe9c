"""An engine without weights: answers from a script. For tests and for editor plugins.

A script is JSON: a list of rules. The first rule whose ``after`` ends the prompt's prefix answers.

    [{"after": "return ", "insert": "a + b", "delay_ms": 5}]

A rule's keys are the fields of :class:`Rule`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fimls.config import Settings
from fimls.engines.base import Capabilities
from fimls.fim import FORMATS, Manifest, PromptBuilder, Tokenizer
from fimls.progress import Progress
from fimls.store import Store
from fimls.types import (
    CancelToken,
    ConfigError,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    PartKind,
    Prompt,
    SamplingParams,
    Usage,
)

_FORMAT = FORMATS["pre-post-mid"]
_FAILURES = ("", "raise", "die", "hang")
_LOOK_EVERY_S = 0.01  # at a file that holds an answer
_CONTROL = (*_FORMAT.layout_tokens, _FORMAT.end, *_FORMAT.stops, "<file_sep>")


@dataclass(frozen=True, slots=True)
class Rule:
    """One answer."""

    after: str
    """The end of the prefixes that the rule answers."""
    insert: tuple[str, ...] = ()
    """A text for each candidate, or one text for the first; the others are empty."""
    delay_ms: float = 0.0
    """The wait before each character."""
    hold: str = ""
    """A file that the engine makes when it begins; nothing comes until somebody removes it."""
    logprob: float = -0.001
    """Of each token."""
    fail: str = ""
    """How it fails instead: ``"raise"`` (an error at this request), ``"die"`` (the engine is dead
    from then on) or ``"hang"`` (nothing comes, until cancelled)."""


def read_script(path: Path) -> tuple[Rule, ...]:
    """Read a script's rules.

    Raises:
        ConfigError: the file is missing or isn't a list of rules.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_rule(entry) for entry in entries)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"can't read the engine script {path}: {error}",
            hint='a script is a JSON list such as [{"after": "return ", "insert": "x"}]',
        ) from error


def _rule(entry: Mapping[str, Any]) -> Rule:
    unknown = set(entry) - {item.name for item in fields(Rule)}
    if unknown or "after" not in entry:
        known = ", ".join(repr(item.name) for item in fields(Rule))
        raise ValueError(f"a rule has {known}, not {sorted(unknown)}")
    insert = entry.get("insert", ())
    texts = (insert,) if isinstance(insert, str) else tuple(insert)
    rule = Rule(**{**entry, "insert": texts})
    if not all(isinstance(text, str) for text in (rule.after, rule.hold, *texts)):
        raise TypeError("'after', 'insert' and 'hold' are texts")
    if rule.fail not in _FAILURES:
        raise ValueError(f"'fail' is one of {', '.join(_FAILURES[1:])}, not {rule.fail!r}")
    for name in ("delay_ms", "logprob"):
        value = getattr(rule, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name!r} is a number, not {value!r}")
    return rule


class ScriptedEngine:
    """Answers by rule, a character at a time, deterministically."""

    name = "scripted"
    model = "scripted"
    capabilities = Capabilities(
        token_ids=True,
        healing=True,
        logprobs=True,
        prefix_reuse=True,
        candidates=8,
        adapters=False,
    )

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._dead = False
        self._last_ids: tuple[int, ...] = ()
        self.tokenizer = Tokenizer.of_bytes(dict.fromkeys(_CONTROL))
        builder = PromptBuilder(_FORMAT, self.tokenizer)
        self.manifest: Manifest = builder.manifest(base=self.model, base_sha256="")

    async def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """See :class:`fimls.engines.base.Engine`."""
        began = time.perf_counter()
        rule = self._rule_for(self._prefix(prompt))
        self._fail(rule)
        reused = _common_prefix(self._last_ids, prompt.token_ids)
        self._last_ids = prompt.token_ids
        for _ in _held(rule):
            if _end(sampling, cancel, _since_ms(began), 0) is not None:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
        ttft_ms: float | None = None
        blank = ("",) * sampling.candidates
        texts = (*rule.insert, *blank)[: sampling.candidates]
        for index, text in enumerate(texts):
            spent = 0
            if rule.fail == "hang":
                await _cancelled(cancel)
            reason = FinishReason.CANCEL if cancel.cancelled else None
            for character in text:
                await asyncio.sleep(rule.delay_ms / 1000)
                elapsed_ms = _since_ms(began)
                reason = _end(sampling, cancel, elapsed_ms, spent)
                if reason is not None:
                    break
                usage = None
                if ttft_ms is None:
                    ttft_ms = elapsed_ms
                    usage = Usage(len(prompt.token_ids), reused, ttft_ms, elapsed_ms)
                ids = tuple(self.tokenizer.encode(character))
                spent += len(ids)
                yield Delta(index, ids, character, (rule.logprob,) * len(ids), usage=usage)
            usage = None
            if index == len(texts) - 1:
                usage = Usage(len(prompt.token_ids), reused, ttft_ms, _since_ms(began))
            yield Delta(index, finish_reason=reason or FinishReason.STOP, usage=usage)

    async def aclose(self) -> None:
        """See :class:`fimls.engines.base.Engine`."""
        self._dead = True

    def _fail(self, rule: Rule) -> None:
        if self._dead:
            raise EngineDeadError("the scripted engine is dead", hint="restart it")
        if rule.fail == "raise":
            raise EngineError("the script says: fail")
        if rule.fail == "die":
            self._dead = True
            raise EngineDeadError("the script says: die", hint="restart the engine")

    def _prefix(self, prompt: Prompt) -> str:
        ids = [
            token
            for part in prompt.parts
            if part.kind is PartKind.PREFIX
            for token in prompt.token_ids[part.start : part.end]
        ]
        return self.tokenizer.decode(ids) + prompt.healing

    def _rule_for(self, prefix: str) -> Rule:
        return next((rule for rule in self._rules if prefix.endswith(rule.after)), Rule(""))


async def load(settings: Settings, _store: Store, _progress: Progress | None) -> ScriptedEngine:
    """See :func:`fimls.engines.loading.load_engine`."""
    return ScriptedEngine(
        read_script(Path(settings.scripted_file)) if settings.scripted_file else ()
    )


def _held(rule: Rule) -> Iterator[None]:
    """Make the rule's file, then go on for as long as it is there."""
    if not rule.hold:
        return
    path = Path(rule.hold)
    path.touch()
    while path.exists():
        yield


def _since_ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000


async def _cancelled(cancel: CancelToken) -> None:
    loop, cancelled = asyncio.get_running_loop(), asyncio.Event()
    cancel.on_cancel(lambda: loop.call_soon_threadsafe(cancelled.set))
    await cancelled.wait()


def _end(
    sampling: SamplingParams, cancel: CancelToken, elapsed_ms: float, spent_tokens: int
) -> FinishReason | None:
    if cancel.cancelled:
        return FinishReason.CANCEL
    if sampling.deadline_ms is not None and elapsed_ms > sampling.deadline_ms:
        return FinishReason.DEADLINE
    return FinishReason.LENGTH if spent_tokens >= sampling.max_tokens else None


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (one, other) in enumerate(zip(left, right)):  # noqa: B905 - the shorter ends it
        if one != other:
            return index
    return min(len(left), len(right))
