"""From settings to a running engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fimls.config import Settings
from fimls.engines.base import Engine
from fimls.fim import Budget, FimFormat, Manifest, Order, PromptBuilder, Tokenizer, find_format
from fimls.store import ModelSpec, PreparedModel, Progress, Store, find_model
from fimls.types import ConfigError, UnknownModelError


async def load_engine(
    settings: Settings, store: Store, *, progress: Progress | None = None
) -> Engine:
    """Start the engine that the settings name. Converts the model at its first use.

    Nothing is downloaded, and nothing blocks the event loop.

    Raises:
        ModelMissingError: the model hasn't been fetched.
        AdapterMismatchError: the adapter's manifest doesn't fit the model, format or order.
        ConfigError: the engine lacks a setting. EngineError: it can't start.
    """
    return await _LOADERS[settings.engine](settings, store, progress)


async def _load_openvino(settings: Settings, store: Store, progress: Progress | None) -> Engine:
    from fimls.engines.openvino import OpenVinoEngine

    prepared = await asyncio.to_thread(_prepare, settings, store, progress)
    return await OpenVinoEngine.load(
        prepared.directory,
        model=prepared.name,
        describe=lambda tokenizer: _manifest(settings, prepared, tokenizer),
        device="CPU" if settings.device == "auto" else settings.device.upper(),
    )


async def _load_torch(settings: Settings, store: Store, progress: Progress | None) -> Engine:
    from fimls.engines.torch import TorchEngine

    return await asyncio.to_thread(TorchEngine.load, settings, store, progress)


async def _load_http(settings: Settings, store: Store, progress: Progress | None) -> Engine:
    from fimls.engines.http import HttpEngine

    if not settings.url:
        raise ConfigError("the http engine has no address", hint="set url, or --url")
    return await HttpEngine.connect(settings, store)


async def _load_scripted(settings: Settings, store: Store, progress: Progress | None) -> Engine:
    from fimls.engines.scripted import ScriptedEngine, read_script

    rules = read_script(Path(settings.scripted_file)) if settings.scripted_file else ()
    return ScriptedEngine(rules)


_LOADERS = {
    "openvino": _load_openvino,
    "torch": _load_torch,
    "http": _load_http,
    "scripted": _load_scripted,
}


def _prepare(settings: Settings, store: Store, progress: Progress | None) -> PreparedModel:
    adapter = Path(settings.adapter) if settings.adapter else None
    return store.prepare(
        model_source(settings.model),
        adapter=adapter,
        quantization=settings.quantization,
        progress=progress,
    )


def model_source(model: str) -> ModelSpec | Path:
    """A known model by name, or the path of a file.

    Raises:
        UnknownModelError: neither; the hint names the nearest known model.
    """
    path = Path(model).expanduser()
    try:
        return find_model(model)
    except UnknownModelError:
        if path.exists():
            return path
        raise


def prompt_format(prepared: PreparedModel) -> FimFormat:
    """The prompt format of a model: the store's, or by its name for a user's own file."""
    return find_format(prepared.format or prepared.name)


def prompt_builder(
    prompt_format: FimFormat, tokenizer: Tokenizer, settings: Settings, *, can_heal: bool = True
) -> PromptBuilder:
    """The builder that the settings ask for.

    Raises:
        PromptError: format, order and tokenizer don't fit each other.
    """
    return PromptBuilder(
        format=prompt_format,
        tokenizer=tokenizer,
        budget=Budget(settings.prefix_tokens, settings.suffix_tokens, settings.snippet_tokens),
        order=Order(settings.order),
        healing=settings.healing and can_heal,
    )


async def load_prompt_builder(
    settings: Settings, store: Store, *, progress: Progress | None = None
) -> PromptBuilder:
    """The builder of the model that the settings name, without its weights where they aren't
    needed for that.

    Raises:
        as :func:`load_engine`.
    """
    if settings.engine in ("openvino", "torch"):
        prepared = await asyncio.to_thread(_prepare, settings, store, progress)
        tokenizer = await asyncio.to_thread(Tokenizer.from_file, prepared.tokenizer)
        return prompt_builder(prompt_format(prepared), tokenizer, settings)
    engine = await load_engine(settings, store, progress=progress)
    try:
        return prompt_builder(
            find_format(engine.manifest.format),
            engine.tokenizer,
            settings,
            can_heal=engine.capabilities.healing,
        )
    finally:
        await engine.aclose()


def _manifest(settings: Settings, prepared: PreparedModel, tokenizer: Tokenizer) -> Manifest:
    """What is served; checked against the adapter's own manifest.

    Raises:
        AdapterMismatchError: they don't fit.
    """
    builder = prompt_builder(prompt_format(prepared), tokenizer, settings)
    served = builder.manifest(base=prepared.name, base_sha256=prepared.base_sha256)
    if settings.adapter:
        Manifest.read(Path(settings.adapter)).require_fit(served)
    return served
