"""``fimls complete``: one completion of a file."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from rich.console import Console
from rich.text import Text

from fimls.cli.options import Invocation
from fimls.cli.position import Place, read_place, workspace_context
from fimls.completer import Completer
from fimls.config import Settings
from fimls.engines.loading import adapter_label, load_engine
from fimls.progress import progress_bar
from fimls.store import Store
from fimls.text import LineIndex
from fimls.types import CompletionResult, Mode

_LINES_SHOWN = 4


def run(
    invocation: Invocation, position: str, *, mode: Mode | None, candidates: int, as_json: bool
) -> None:
    """Complete and print."""
    place = read_place(position)
    # A person who runs a command waits for its end; deadlines are for typing.
    settings = invocation.settings(place.workspace, deadline_ms=0)
    began = time.perf_counter()
    result, loaded_ms, model = asyncio.run(_complete(place, settings, mode, candidates))
    if as_json:
        adapter = adapter_label(settings, Store())
        print(json.dumps(_report(result, place, model, adapter), ensure_ascii=False))
        return
    _print_text(result, place)
    usage = result.usage
    reused = f", {usage.reused_tokens} reused" if usage.reused_tokens else ""
    ttft = "no token" if usage.ttft_ms is None else f"first token {usage.ttft_ms:.0f} ms"
    print(
        f"{model}: {result.mode.value}-line, {usage.prompt_tokens} prompt tokens{reused}, "
        f"{_generated(result)} generated; loading {loaded_ms:.0f} ms, {ttft}, "
        f"completion {usage.total_ms:.0f} ms, all {(time.perf_counter() - began) * 1000:.0f} ms",
        file=sys.stderr,
    )


async def _complete(
    place: Place, settings: Settings, mode: Mode | None, candidates: int
) -> tuple[CompletionResult, float, str]:
    began = time.perf_counter()
    with progress_bar() as progress:
        engine = await load_engine(settings, Store(), progress=progress)
    loaded_ms = (time.perf_counter() - began) * 1000
    try:
        async with workspace_context(place, settings) as context:
            result = await Completer(engine, settings, context=context).complete(
                place.document,
                place.offset,
                path=place.path,
                invoked=True,
                candidates=candidates,
                mode=mode,
            )
        return result, loaded_ms, engine.model
    finally:
        await engine.aclose()


def _generated(result: CompletionResult) -> int:
    return sum(len(generation.token_ids) for generation in result.generations)


def _report(result: CompletionResult, place: Place, model: str, adapter: str) -> dict[str, object]:
    """The contract of ``--json``. Positions count from 1, in characters, like the argument."""
    best = result.completions[0] if result.completions else None
    lines = LineIndex(place.document.text)
    start, end = (best.start, best.end) if best else (place.offset, place.offset)
    return {
        "text": best.text if best else "",
        "range": {"start": _line_column(lines, start), "end": _line_column(lines, end)},
        "candidates": [completion.text for completion in result.completions],
        "mode": result.mode.value,
        "model": model,
        "adapter": adapter or None,
        "prompt_tokens": result.usage.prompt_tokens,
        "reused_tokens": result.usage.reused_tokens,
        "generated_tokens": _generated(result),
        "ttft_ms": result.usage.ttft_ms,
        "total_ms": result.usage.total_ms,
        "finish_reason": result.finish_reason.value if result.finish_reason else None,
        "confidence": best.confidence if best else None,
        "suppressed": result.suppressed,
    }


def _line_column(lines: LineIndex, offset: int) -> dict[str, int]:
    position = lines.position(offset, "utf-32")
    return {"line": position.line + 1, "column": position.character + 1}


def _print_text(result: CompletionResult, place: Place) -> None:
    if not result.completions:
        print(f"no completion: {result.suppressed}", file=sys.stderr)
        return
    if not sys.stdout.isatty():
        for completion in result.completions:
            print(completion.text)
        return
    text, offset = place.document.text, place.offset
    before = text[:offset].split("\n")[-_LINES_SHOWN:]
    after = text[offset:].split("\n")[:2]
    console = Console(highlight=False)
    for completion in result.completions:
        console.print(
            Text("\n".join(before), "dim"),
            Text(completion.text, "bold green"),
            Text("\n".join(after), "dim"),
            sep="",
            soft_wrap=True,
        )
