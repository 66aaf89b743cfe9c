"""``fimls prompt``: what the model would see."""

from __future__ import annotations

import asyncio
import json

from rich.console import Console
from rich.text import Text

from fimls.cli.options import Invocation
from fimls.cli.position import PATIENCE_MS, Place, read_place, workspace_context
from fimls.completer import context_at, select_snippets
from fimls.config import Settings
from fimls.engines.loading import load_prompt_builder
from fimls.fim import PromptBuilder, Tokenizer, build_prompt
from fimls.progress import progress_bar
from fimls.store import Store
from fimls.types import Mode, PartKind, Prompt, PromptPart

_STYLES = {
    PartKind.CONTROL: "bold magenta",
    PartKind.SNIPPET: "blue",
    PartKind.PATH: "cyan",
    PartKind.PREFIX: "green",
    PartKind.SUFFIX: "yellow",
}
_HEALING_STYLE = "bold red"


def run(invocation: Invocation, position: str, *, as_json: bool) -> None:
    """Build the prompt and print it."""
    place = read_place(position)
    settings = invocation.settings(place.workspace)
    prompt, builder, mode = asyncio.run(_build(place, settings))
    if as_json:
        print(json.dumps(_report(prompt, builder.tokenizer), ensure_ascii=False))
        return
    console = Console(highlight=False)
    text = Text()
    for part in prompt.parts:
        text.append(_text(prompt, part, builder.tokenizer), _STYLES[part.kind])
    text.append(prompt.healing, _HEALING_STYLE)
    console.print(text, soft_wrap=True)
    _print_counts(prompt, builder.format.name, builder.order.value, mode.value)


async def _build(place: Place, settings: Settings) -> tuple[Prompt, PromptBuilder, Mode]:
    with progress_bar() as progress:
        builder = await load_prompt_builder(settings, Store(), progress=progress)
    async with workspace_context(place, settings) as source:
        selection = await select_snippets(
            source, place.document, place.offset, builder, timeout_ms=PATIENCE_MS
        )
    context = context_at(
        place.document,
        place.offset,
        settings,
        path=place.path,
        snippets=selection.snippets,
    )
    return build_prompt(context, builder), builder, context.mode


def _print_counts(prompt: Prompt, name: str, order: str, mode: str) -> None:
    console = Console(stderr=True, highlight=False)
    summary = Text(f"{name}, {order}, {mode}-line; {len(prompt.token_ids)} tokens: ")
    counts: dict[PartKind, int] = {}
    for part in prompt.parts:
        counts[part.kind] = counts.get(part.kind, 0) + part.end - part.start
    for kind, count in counts.items():
        summary.append(f"{kind.value} {count}", _STYLES[kind]).append("  ")
    if prompt.healing:
        summary.append(f"healing {prompt.healing!r}", _HEALING_STYLE)
        summary.append(" (cut, to be generated again)")
    console.print(summary, soft_wrap=True)


def _report(prompt: Prompt, tokenizer: Tokenizer) -> dict[str, object]:
    return {
        "token_ids": list(prompt.token_ids),
        "healing": prompt.healing,
        "parts": [
            {
                "kind": part.kind.value,
                "tokens": part.end - part.start,
                "text": _text(prompt, part, tokenizer),
            }
            for part in prompt.parts
        ],
    }


def _text(prompt: Prompt, part: PromptPart, tokenizer: Tokenizer) -> str:
    return tokenizer.decode(prompt.token_ids[part.start : part.end])
