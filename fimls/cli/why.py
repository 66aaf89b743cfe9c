"""``fimls why``: what made a completion, or kept it from being shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fimls.cli.options import Invocation
from fimls.cli.position import PATIENCE_MS, read_place, workspace_context
from fimls.completer import Completer, select_snippets
from fimls.engines.loading import load_engine
from fimls.progress import progress_bar
from fimls.server.why import ANSWERS, describe_flight, last_explanation_path, tokens_by_part
from fimls.store import Store
from fimls.types import DocumentError


def run(invocation: Invocation, position: str | None, *, as_json: bool) -> None:
    """Explain the running server's last request, or what would happen at a position."""
    explanation = _last() if position is None else asyncio.run(_at(invocation, position))
    if as_json:
        print(json.dumps(explanation, ensure_ascii=False))
    else:
        _print(explanation)


def _last() -> dict[str, Any]:
    path = last_explanation_path()
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DocumentError(
            "no server has left an explanation yet",
            hint="type in an editor first, or name a place: fimls why FILE:LINE:COL",
        ) from None
    except (OSError, ValueError) as error:
        raise DocumentError(
            f"{path} can't be read: {error}", hint="type in an editor to have it written again"
        ) from error


async def _at(invocation: Invocation, position: str) -> dict[str, Any]:
    place = read_place(position)
    settings = invocation.settings(place.workspace, answer_ms=0, deadline_ms=0)
    with progress_bar() as progress:
        engine = await load_engine(settings, Store(), progress=progress)
    async with workspace_context(place, settings) as context:
        completer = Completer(engine, settings, context=context)
        try:
            # Nobody types: the snippets are waited for, and then found at once.
            await select_snippets(
                context,
                place.document,
                place.offset,
                completer.builder,
                timeout_ms=PATIENCE_MS,
            )
            await completer.complete(place.document, place.offset, path=place.path)
            return completer.explanations[-1].as_json()
        finally:
            await completer.aclose()


def _print(why: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    verdict = f"not shown: {why['suppressed']}" if why["suppressed"] else "shown"
    console.print(f"[bold]{escape(str(why['path'] or why['uri']))}[/] {escape(verdict)}")
    console.print(f"{why['mode']}-line, {ANSWERS[why['answered_by']]}")
    if why.get("flight"):
        console.print(f"generation: {describe_flight(why['flight'])}")
    for text in why["shown"]:
        console.print(_quoted(text), style="green")
    _print_context(console, why)
    _print_prompt(console, why["prompt"])
    if why["steps"]:
        _print_steps(console, why)
    if gate := why["gate"]:
        passed = "shown" if gate["passed"] else "not shown"
        console.print(
            f"gate: {gate['probability']:.2f} likely to be right, shown from "
            f"{gate['threshold']:.2f}: {passed}"
        )
        console.print(
            "  " + ", ".join(f"{name} {value:g}" for name, value in gate["features"].items()),
            style="dim",
        )
    times = ", ".join(f"{name} {value:.0f} ms" for name, value in why["stages_ms"].items())
    console.print(f"times: {times}")


def _print_context(console: Console, why: Mapping[str, Any]) -> None:
    note = f"; {why['context_note']}" if why.get("context_note") else ""
    console.print(f"context: {why['context_state'] or 'not looked for'}{escape(note)}")
    considered: Sequence[Mapping[str, Any]] = why["considered"]
    if not considered:
        return
    table = Table("snippet of", "source", "score", "tokens", "", box=None, padding=(0, 2))
    for one in considered:
        reason = one["reason"] or "used"
        table.add_row(
            escape(one["path"]), one["source"], f"{one['score']:.2f}", str(one["tokens"]), reason
        )
    console.print(table)


def _print_prompt(console: Console, prompt: Mapping[str, Any] | None) -> None:
    if prompt is None:
        return
    parts = tokens_by_part(prompt)
    reused = "" if prompt["reused"] is None else f", {prompt['reused']} reused"
    console.print(f"prompt: {prompt['tokens']} tokens ({parts}){reused}")


def _print_steps(console: Console, why: Mapping[str, Any]) -> None:
    generation = why["generation"]
    if generation is not None:
        console.print(f"the model wrote {_quoted(generation['text'])}")
    for step in why["steps"]:
        console.print(f"  {step['name']}: {_quoted(step['text'])}")


def _quoted(text: object) -> str:
    """Text as it is; where only its length was kept (the file on disk), that."""
    return f"{text} characters" if isinstance(text, int) else escape(repr(text))
