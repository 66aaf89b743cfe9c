"""An explanation as Markdown: what an editor opens for "why this suggestion?"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ANSWERS: Mapping[str, str] = {
    "engine": "generated for this keystroke",
    "flight": "generated for an earlier keystroke, which this one agrees with",
    "cache": "known already; the engine was not asked",
    "none": "nothing was generated",
}
"""What ``answered_by`` means."""


def render(why: Mapping[str, Any]) -> str:
    """Return the page for :meth:`fimls.completer.Explanation.as_json`."""
    verdict = f"Not shown: {why['suppressed']}" if why["suppressed"] else "Shown"
    lines = [f"# {verdict}", ""]
    place = why["path"] or why["uri"]
    lines += [f"{place}, {why['mode']}-line, {ANSWERS[why['answered_by']]}.", ""]
    for text in why["shown"]:
        lines += _code(text, why["language_id"])
    lines += _context(why)
    lines += _prompt(why["prompt"])
    lines += _steps(why)
    lines += _gate(why["gate"])
    times = ", ".join(f"{name} {value:.0f} ms" for name, value in why["stages_ms"].items())
    return "\n".join([*lines, "## Time", "", times, ""])


def tokens_by_part(prompt: Mapping[str, Any]) -> str:
    """How many tokens each kind of part has, as one line."""
    tokens: dict[str, int] = {}
    for part in prompt["parts"]:
        tokens[part["kind"]] = tokens.get(part["kind"], 0) + part["tokens"]
    return ", ".join(f"{kind} {count}" for kind, count in tokens.items())


def _context(why: Mapping[str, Any]) -> Iterable[str]:
    yield from ("## Other files", "", why["context_state"] or "not looked for", "")
    if not why["considered"]:
        return
    yield "| snippet of | source | score | tokens | |"
    yield "| --- | --- | --- | --- | --- |"
    for one in why["considered"]:
        score = f"{one['score']:.2f}"
        reason = one["reason"] or "used"
        yield f"| {one['path']} | {one['source']} | {score} | {one['tokens']} | {reason} |"
    yield ""


def _prompt(prompt: Mapping[str, Any] | None) -> Iterable[str]:
    if prompt is None:
        return
    parts = tokens_by_part(prompt)
    reused = "" if prompt["reused"] is None else f"; {prompt['reused']} of them reused"
    yield from ("## Prompt", "", f"{prompt['tokens']} tokens ({parts}){reused}", "")


def _steps(why: Mapping[str, Any]) -> Iterable[str]:
    if not why["steps"]:
        return
    yield from ("## From the model to the screen", "")
    if why["generation"] is not None:
        yield "The model wrote:"
        yield from _code(why["generation"]["text"], why["language_id"])
    for step in why["steps"]:
        yield f"`{step['name']}` left:"
        yield from _code(step["text"], why["language_id"])


def _gate(gate: Mapping[str, Any] | None) -> Iterable[str]:
    if gate is None:
        return
    passed = "shown" if gate["passed"] else "not shown"
    yield from ("## Likely to be right?", "")
    yield f"{gate['probability']:.2f}; shown from {gate['threshold']:.2f} on: {passed}."
    yield ""
    for name, value in gate["features"].items():
        yield f"- {name}: {value:g}"
    yield ""


def _code(text: str, language: str) -> list[str]:
    # A longer fence than any in the text.
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}{language}", text, fence, ""]
