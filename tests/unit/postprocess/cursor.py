"""Code with a cursor, as the tests of every step write it."""

from __future__ import annotations

from fimls import postprocess
from fimls.postprocess import Draft, Processed
from fimls.types import CompletionContext, FinishReason, Generation, Mode

CURSOR = "¦"


def context(code: str, mode: Mode = Mode.MULTI, language_id: str = "python") -> CompletionContext:
    """Make a context from code with the cursor at the first ``¦``."""
    prefix, _, suffix = code.partition(CURSOR)
    return CompletionContext(prefix, suffix, language_id=language_id, mode=mode)


def draft(
    text: str,
    code: str,
    language_id: str = "python",
    *,
    mode: Mode = Mode.MULTI,
    reason: FinishReason = FinishReason.STOP,
    ended: bool = False,
    stopped: bool = False,
) -> Draft:
    """What a step gets for ``text`` generated at the cursor of ``code``."""
    return Draft(text, context(code, mode, language_id), reason, ended, stopped)


def process(
    text: str,
    code: str,
    language_id: str = "python",
    *,
    mode: Mode = Mode.MULTI,
    reason: FinishReason = FinishReason.STOP,
) -> Processed:
    """Run all steps on ``text`` generated at the cursor of ``code``."""
    generation = Generation(token_ids=(), text=text, logprobs=(), finish_reason=reason)
    return postprocess.process(generation, context(code, mode, language_id))
