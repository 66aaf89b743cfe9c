"""``fimls doctor``: what is installed, what is missing, and how fast the model runs here."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import os
import platform
import shutil
import statistics
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.table import Table

from fimls import __version__
from fimls.cli.options import Invocation
from fimls.config import Settings
from fimls.engines.base import Engine
from fimls.engines.loading import adapter_label, load_engine, prompt_builder
from fimls.fim import PromptBuilder, build_prompt, find_format
from fimls.progress import progress_bar
from fimls.store import Store, known_models
from fimls.types import CancelToken, CompletionContext, FimlsError, SamplingParams, Usage

_PACKAGES = (
    *("openvino-genai", "tokenizers", "tree-sitter", "pygls", "gguf"),
    *("torch", "transformers", "peft", "bitsandbytes"),
)
_OPTIONAL = frozenset({"torch", "transformers", "peft", "bitsandbytes"})
_MEASURED_TOKENS = 32
_GIGABYTE = 1e9


def run(invocation: Invocation, *, quick: bool, as_json: bool) -> None:
    """Look, measure and print.

    Raises:
        FimlsError: the engine can't be started; the report is printed before, and says so too.
    """
    settings = invocation.settings(None)
    report, problem = asyncio.run(_report(settings, measure=not quick))
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)
    if problem is not None:
        raise problem


async def _report(
    settings: Settings, *, measure: bool
) -> tuple[dict[str, Mapping[str, object]], FimlsError | None]:
    """The report, and what kept the engine from starting."""
    store = Store()
    report: dict[str, Mapping[str, object]] = {
        "fimls": {
            "version": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpu cores": os.cpu_count(),
        },
        "packages": {name: _installed(name) for name in _PACKAGES},
        "store": _store(store),
        "settings": {
            "engine": settings.engine,
            "model": settings.model,
            "adapter": _adapter(settings, store),
            "quantization": settings.quantization,
            "order": settings.order,
        },
    }
    if not measure:
        return report, None
    try:
        with progress_bar() as progress:
            began = time.perf_counter()
            engine = await load_engine(settings, store, progress=progress)
            load_ms = (time.perf_counter() - began) * 1000
        try:
            report["engine"] = dataclasses.asdict(engine.capabilities)
            report["speed"] = {"load_ms": round(load_ms), **await _speed(engine, settings)}
        finally:
            await engine.aclose()
    except FimlsError as error:
        report["engine"] = {"problem": str(error), "what to do": error.hint}
        return report, error
    return report, None


async def _speed(engine: Engine, settings: Settings) -> dict[str, object]:
    """Measure a cold prompt, then the same with a character typed and some tokens decoded."""
    builder = prompt_builder(
        find_format(engine.manifest.format),
        engine.tokenizer,
        settings,
        can_heal=engine.capabilities.healing,
    )
    functions = (f"def area_{index}(a, b):\n    return a * b + {index}\n\n" for index in range(60))
    code = "".join(functions) + "def total(values):\n    "
    cold, _ = await _measure(engine, builder, code, max_tokens=1)
    typed, decode_ms = await _measure(engine, builder, code + "r", max_tokens=_MEASURED_TOKENS)
    return {
        "prompt tokens": typed.prompt_tokens,
        "cold ttft_ms": cold.ttft_ms,
        "ttft_ms after a typed character": typed.ttft_ms,
        "tokens reused then": typed.reused_tokens,
        "decode ms per token": decode_ms,
    }


async def _measure(
    engine: Engine, builder: PromptBuilder, prefix: str, *, max_tokens: int
) -> tuple[Usage, float | None]:
    """Run once; returns the cost and the median time between two tokens in milliseconds."""
    prompt = build_prompt(CompletionContext(prefix, "\n\nprint(total([1, 2]))\n"), builder)
    sampling = SamplingParams(max_tokens=max_tokens)
    times: list[float] = []
    usage = Usage()
    async for delta in engine.generate(prompt, sampling, CancelToken()):
        usage = delta.usage or usage
        if delta.token_ids:
            times.append(time.perf_counter())
    gaps_ms = [(after - before) * 1000 for before, after in itertools.pairwise(times)]
    return usage, statistics.median(gaps_ms) if gaps_ms else None


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        extra = ' (optional: pip install "fimls[torch]")' if package in _OPTIONAL else ""
        return f"missing{extra}"


def _adapter(settings: Settings, store: Store) -> str:
    try:
        return adapter_label(settings, store) or "none"
    except FimlsError as error:
        return f"{settings.adapter}: {error}"


def _store(store: Store) -> dict[str, object]:
    folder = store.root
    while not folder.exists():
        folder = folder.parent
    return {
        "folder": str(store.root),
        "free disk": f"{shutil.disk_usage(folder).free / _GIGABYTE:.1f} GB",
        **{
            spec.name: "here" if store.blob(spec) else f"not here: fimls pull {spec.aliases[0]}"
            for spec in known_models()
        },
    }


def _print(report: Mapping[str, Mapping[str, object]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for title, rows in report.items():
        console.print(f"[bold]{title}[/bold]")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        for name, value in rows.items():
            shown = f"{value:.0f}" if isinstance(value, float) else str(value)
            table.add_row(f"  {name}", shown)
        console.print(table)
