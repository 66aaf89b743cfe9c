"""From settings to a running engine."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from fimls.config import NO_ADAPTER, Settings
from fimls.engines.base import Engine
from fimls.fim import Budget, FimFormat, Manifest, Order, PromptBuilder, Tokenizer, find_format
from fimls.progress import Progress, silent
from fimls.store import ModelSpec, PreparedModel, Store, find_model
from fimls.store.adapters import AdapterRegistry
from fimls.types import AdapterMismatchError, UnknownModelError

_FOLLOWS_PROMOTIONS = frozenset({"openvino", "torch"})
"""Engines that run what the store has. What a server runs, its own administrator decides."""


Load = Callable[[Settings, Store, "Progress | None"], Awaitable[Engine]]
"""What each engine's module has as ``load``."""


async def load_engine(
    settings: Settings, store: Store, *, progress: Progress | None = None
) -> Engine:
    """Start the engine that the settings name. Converts the model at its first use.

    An engine is a module of this package that has the setting's name and a function ``load``.
    Nothing is downloaded, and nothing blocks the event loop.

    Raises:
        ModelMissingError: the model hasn't been fetched.
        AdapterMismatchError: the adapter's manifest doesn't fit the model, format or order.
        ConfigError: the engine lacks a setting. EngineError: it can't start.
    """
    load: Load = importlib.import_module(f"fimls.engines.{settings.engine}").load
    return await load(settings, store, progress)


def adapter_folder(settings: Settings, store: Store) -> Path | None:
    """The folder of the adapter that the settings name; where they name none, that of the adapter
    that serves their model: the promoted one, else fimls' own. None: the model alone.

    Raises:
        UnknownModelError: no such adapter. ModelMissingError: the model's file is gone.
        StoreError: the promoted adapter is gone.
    """
    if settings.adapter == NO_ADAPTER:
        return None
    registry = AdapterRegistry(store.root)
    if settings.adapter:
        return registry.find(settings.adapter)
    if settings.engine not in _FOLLOWS_PROMOTIONS:
        return None
    source = model_source(settings.model)
    if isinstance(source, ModelSpec):
        return registry.serving(source.sha256)
    is_folder = source.is_dir()
    return registry.serving(store.folder_sha256(source) if is_folder else store.base(source).sha256)


def adapter_label(settings: Settings, store: Store) -> str:
    """What a person calls that adapter; "" for the model alone.

    Raises:
        as :func:`adapter_folder`.
    """
    folder = adapter_folder(settings, store)
    return "" if folder is None else AdapterRegistry(store.root).label(folder)


def prepare_model(
    settings: Settings, adapter: Path | None, store: Store, progress: Progress | None
) -> PreparedModel:
    """The settings' model with an adapter merged into it, as openvino loads it; see
    :meth:`Store.prepare`.
    """
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


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model is served."""

    name: str
    sha256: str
    format: str | None
    """The name of its FIM format; None: the model's name says."""

    @classmethod
    def of(cls, prepared: PreparedModel) -> Identity:
        """The identity of a converted model."""
        return cls(prepared.name, prepared.base_sha256, prepared.format)

    def builder(self, settings: Settings, tokenizer: Tokenizer) -> PromptBuilder:
        """Builds prompts in the format that is set, the store's, or by the model's name.

        Raises:
            UnknownModelError: none of these is known. PromptError: it doesn't fit the tokenizer.
        """
        row = find_format(settings.http_format or self.format or self.name)
        return prompt_builder(row, tokenizer, settings)

    def manifest(
        self, settings: Settings, tokenizer: Tokenizer, adapter: Path | None = None
    ) -> Manifest:
        """What is served, checked against the adapter's own manifest.

        Raises:
            AdapterMismatchError: they don't fit. PromptError: the format and the tokenizer don't.
        """
        builder = self.builder(settings, tokenizer)
        served = builder.manifest(base=self.name, base_sha256=self.sha256)
        if adapter is not None:
            Manifest.read(adapter).require_fit(served)
        return served


def describe(
    settings: Settings, adapter: Path | None, store: Store, progress: Progress | None
) -> tuple[Path, Tokenizer, Identity]:
    """The model's file or folder, its tokenizer and its identity, for engines that load it
    themselves.

    Raises:
        as :func:`load_engine`.
    """
    source = model_source(settings.model)
    if isinstance(source, Path) and source.is_dir():
        tokenizer = Tokenizer.from_file(source / "tokenizer.json")
        path, identity = source, Identity(source.name, store.folder_sha256(source), None)
    else:
        base = store.base(source, progress or silent)
        tokenizer = Tokenizer.from_file(store.tokenizer(source))
        path, identity = base.path, Identity(base.name, base.sha256, base.format)
    if adapter is None:
        return path, tokenizer, identity
    manifest = Manifest.read(adapter)
    identity = dataclasses.replace(identity, format=manifest.format)
    return path, tokenizer_with(manifest, tokenizer), identity


def tokenizer_with(manifest: Manifest, tokenizer: Tokenizer) -> Tokenizer:
    """The base's tokenizer with the control tokens that an adapter added to it.

    Raises:
        AdapterMismatchError: they would get other ids here.
    """
    control_ids = sorted(manifest.control_ids.items(), key=lambda item: item[1])
    extended = tokenizer.with_added(token for token, _ in control_ids)
    wrong = [token for token, index in control_ids if extended.control_id(token) != index]
    if wrong:
        raise AdapterMismatchError(
            f"the adapter's {wrong[0]!r} has id {manifest.control_ids[wrong[0]]}, "
            f"and would be {extended.control_id(wrong[0])} in {manifest.base}'s tokenizer",
            hint="use the base that its manifest names, or train it again on this one",
        )
    return extended


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
    if settings.engine == "openvino":
        adapter = await asyncio.to_thread(adapter_folder, settings, store)
        prepared = await asyncio.to_thread(prepare_model, settings, adapter, store, progress)
        tokenizer = await asyncio.to_thread(Tokenizer.from_file, prepared.tokenizer)
        return Identity.of(prepared).builder(settings, tokenizer)
    if settings.engine == "torch":
        adapter = await asyncio.to_thread(adapter_folder, settings, store)
        _, tokenizer, identity = await asyncio.to_thread(
            describe, settings, adapter, store, progress
        )
        return identity.builder(settings, tokenizer)
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
