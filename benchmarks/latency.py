"""Time to the first token, reuse, decoding, cancelling, start-up and memory, on the default model.

    python benchmarks/latency.py

Prompts are cut from this repository's own source at about 1,000 tokens. Run it alone: two cores
have none to spare. Each figure is a median, with the smallest and largest beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from record import write_result

from fimls.cli.options import parse_assignments
from fimls.completer import context_at
from fimls.config import COMMAND_LINE, Settings, merge
from fimls.engines import openvino
from fimls.engines.base import Engine
from fimls.engines.loading import load_engine, prompt_builder
from fimls.fim import PromptBuilder, build_prompt, find_format
from fimls.report.machine import resident_bytes
from fimls.store import QUANTIZATIONS, Store
from fimls.types import CancelToken, Document, Mode, Prompt, SamplingParams, Usage
from training.evaluation.typing.client import Client, server_command

ROOT = Path(__file__).resolve().parent.parent
PREFIX_TOKENS, SUFFIX_TOKENS = 860, 330
DECODED_TOKENS = 24
_READY_TIMEOUT_S = 300.0


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {
        "median": round(statistics.median(values), 1),
        "min": round(min(values), 1),
        "max": round(max(values), 1),
        "n": len(values),
    }


def sources() -> str:
    """This repository's serving code as one text, for prompts of any size."""
    files = sorted((ROOT / "fimls").rglob("*.py"))
    return "\n\n".join(file.read_text(encoding="utf-8") for file in files)


def prompt_at(
    builder: PromptBuilder, settings: Settings, text: str, offset: int, typed: int = 0
) -> Prompt:
    """The prompt where the line at ``offset`` is being written, its first characters ``typed``."""
    end = text.index("\n", offset)
    offset += typed
    document = Document("file:///latency.py", "python", 0, text[:offset] + text[end:])
    return build_prompt(context_at(document, offset, settings, mode=Mode.SINGLE), builder)


async def run(engine: Engine, prompt: Prompt, max_tokens: int) -> tuple[Usage, list[float]]:
    """One request: its cost, and the milliseconds a token took behind the first, if there are any.

    A mean over the request: guessed tokens arrive several at a time.
    """
    usage, times = Usage(), list[float]()
    sampling = SamplingParams(max_tokens=max_tokens)
    async for delta in engine.generate(prompt, sampling, CancelToken()):
        usage = delta.usage or usage
        if delta.token_ids:
            times.append(time.perf_counter())
    return usage, [(times[-1] - times[0]) * 1000 / (len(times) - 1)] if len(times) > 1 else []


async def cancel_ms(engine: Engine, prompt: Prompt, *, after_s: float | None) -> float:
    """Milliseconds from a cancel (after the third token, or ``after_s``) to the last delta."""
    cancel, tokens, cancelled_at = CancelToken(), 0, 0.0

    def stop() -> None:
        nonlocal cancelled_at
        cancelled_at = time.perf_counter()
        cancel.cancel()

    if after_s is not None:
        asyncio.get_running_loop().call_later(after_s, stop)
    async for delta in engine.generate(prompt, SamplingParams(max_tokens=64), cancel):
        tokens += len(delta.token_ids)
        if after_s is None and tokens >= 3 and not cancel.cancelled:
            stop()
    return (time.perf_counter() - cancelled_at) * 1000


async def measure_engine(settings: Settings, repeats: int) -> dict[str, Any]:
    """Each figure of the engine, at ``repeats`` places."""
    began = time.perf_counter()
    engine = await load_engine(settings, Store())
    if not isinstance(engine, openvino.OpenVinoEngine):
        raise SystemExit("this benchmark measures the openvino engine")
    load_s = time.perf_counter() - began
    builder = prompt_builder(find_format(engine.manifest.format), engine.tokenizer, settings)
    text = sources()
    found: dict[str, list[float]] = defaultdict(list)
    try:
        for index in range(repeats):
            offset = text.index("\n    return ", (index + 1) * len(text) // (repeats + 2)) + 12
            usage, _ = await run(engine, prompt_at(builder, settings, text, offset), 1)
            found["cold_ttft_ms"].append(usage.ttft_ms or math.nan)
            found["prompt_tokens"].append(usage.prompt_tokens)
            for step in range(1, 5):
                prompt = prompt_at(builder, settings, text, offset, typed=step)
                usage, between = await run(engine, prompt, DECODED_TOKENS if step == 4 else 1)
                reused_percent = 100 * (usage.reused_tokens or 0) / usage.prompt_tokens
                found["typed_ttft_ms"].append(usage.ttft_ms or math.nan)
                found["typed_reused_percent"].append(reused_percent)
                found["decode_ms_per_token"] += between
            decoding = await cancel_ms(engine, prompt, after_s=None)
            found["cancel_while_decoding_ms"].append(decoding)
            fresh = prompt_at(builder, settings, text[::-1], offset)  # nothing of it is kept
            found["cancel_in_prefill_ms"].append(await cancel_ms(engine, fresh, after_s=0.4))
        worker_mb = (resident_bytes(engine.worker_pid or 0) or 0) / 1e6
    finally:
        await engine.aclose()
    return {
        "load_s": round(load_s, 2),
        **{name: spread(values) for name, values in found.items()},
        "worker_resident_mb": round(worker_mb),
    }


def measure_cli(repeats: int) -> dict[str, float]:
    """Wall seconds of ``fimls complete``, process start and model load included."""
    command = [sys.executable, "-m", "fimls", "complete", "examples/shapes.py:23:15"]
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return spread(seconds)


async def measure_server(repeats: int) -> dict[str, object]:
    """Start to the answer to ``initialize``, and memory after a completion of a large prompt."""
    milliseconds = []
    with tempfile.TemporaryFile() as log:
        for index in range(repeats + 1):
            began = time.perf_counter()
            client = await Client.start(server_command([]), None, environment={}, log=log)
            milliseconds.append((time.perf_counter() - began) * 1000)
            if index < repeats:
                await client.aclose()
        try:
            await client.ready(_READY_TIMEOUT_S)
            text = sources()
            line = text[: len(text) // 2].count("\n")
            document = {"uri": "file:///latency.py", "languageId": "python"}
            client.notify(
                "textDocument/didOpen", {"textDocument": {**document, "version": 1, "text": text}}
            )
            params = {
                "textDocument": {"uri": document["uri"]},
                "position": {"line": line, "character": 0},
                "context": {"triggerKind": 1},
            }
            await client.request("textDocument/inlineCompletion", params)
            resident = resident_bytes(client.pid) or 0
        finally:
            await client.aclose()
    return {"initialize_ms": spread(milliseconds), "server_resident_mb": round(resident / 1e6)}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--chunk", type=int, help="prefill chunk in tokens, to compare")
    parser.add_argument("--properties", type=json.loads, help="OpenVINO's, as JSON, to compare")
    parser.add_argument("--engine-only", action="store_true")
    parser.add_argument("--name", default="latency")
    options = parser.parse_args()
    openvino.PREFILL_CHUNK_TOKENS = options.chunk or openvino.PREFILL_CHUNK_TOKENS
    if options.properties is not None:
        openvino.PROPERTIES = dict.fromkeys(QUANTIZATIONS, options.properties)
    budget = {"prefix_tokens": PREFIX_TOKENS, "suffix_tokens": SUFFIX_TOKENS, "deadline_ms": 0}
    settings = merge(Settings(), {**budget, **parse_assignments(options.set)}, COMMAND_LINE)
    result = asyncio.run(measure_engine(settings, options.repeats))
    if not options.engine_only:
        result["complete_s"] = measure_cli(options.repeats)
        result |= asyncio.run(measure_server(options.repeats))
    result["chunk"] = openvino.PREFILL_CHUNK_TOKENS
    write_result(options.name, {**result, "settings": asdict(settings)}, seed=0)


if __name__ == "__main__":
    main()
