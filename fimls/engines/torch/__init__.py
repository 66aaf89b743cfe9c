"""The torch engine: any transformers model with any peft adapter, on CUDA or on the CPU.

The reference of the engines: plain forward passes over a cache that it crops itself, so what is
reused, constrained and reported is exact: ``decoder`` has them, ``network`` loads the model. No
other part of fimls imports torch, transformers, peft and bitsandbytes, and this one only once an
engine is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fimls.config import Settings
from fimls.engines.base import Capabilities
from fimls.engines.loading import adapter_folder, describe
from fimls.engines.torch.decoder import Decoder, Item, Request
from fimls.engines.torch.network import QUANTIZATIONS, load_network
from fimls.fim import Manifest, Tokenizer
from fimls.progress import Progress
from fimls.store import Store
from fimls.types import (
    CancelToken,
    CapabilityError,
    Delta,
    EngineDeadError,
    EngineError,
    Prompt,
    SamplingParams,
)

__all__ = ["QUANTIZATIONS", "TorchEngine", "load"]

_MAX_CANDIDATES = 8


class TorchEngine:
    """Runs a causal language model in a worker thread, one request after the other.

    network: the transformers model, on its device. model: its name, for reports.
    prefill_chunk_tokens: by default as many as took about 100 ms lately.
    """

    name = "torch"

    def __init__(
        self,
        network: Any,
        *,
        model: str,
        manifest: Manifest,
        tokenizer: Tokenizer,
        prefill_chunk_tokens: int | None = None,
    ) -> None:
        self.model = model
        self.manifest = manifest
        self.tokenizer = tokenizer
        self._decoder = Decoder(network, tokenizer, prefill_chunk_tokens)
        plain = self._decoder.plain_cache
        self.capabilities = Capabilities(
            token_ids=True,
            healing=True,
            logprobs=True,
            prefix_reuse=plain,
            candidates=_MAX_CANDIDATES if plain else 1,
            adapters=True,
        )
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fimls-torch")
        self._active: set[CancelToken] = set()
        self._closed = False

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        manifest: Manifest,
        tokenizer: Tokenizer,
        adapter: Path | None = None,
        device: str = "auto",
        quantization: str | None = None,
    ) -> TorchEngine:
        """Load a model; blocks for seconds, so call it in a thread. Nothing is downloaded.

        path: a Hugging Face model folder or a GGUF file. adapter: a peft adapter's folder; its
        weights are merged into an unquantized model. device: "auto", "cpu" or "cuda".
        quantization: one of ``QUANTIZATIONS``, or None.

        Raises:
            CapabilityError: the extra isn't installed, or the device can't do what was asked.
            ModelError: the model or the adapter can't be loaded.
        """
        network = load_network(
            path, manifest=manifest, adapter=adapter, device=device, quantization=quantization
        )
        return cls(network, model=manifest.base, manifest=manifest, tokenizer=tokenizer)

    async def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """See :class:`fimls.engines.base.Engine`. Candidates are decoded as one batch."""
        started = time.monotonic()
        self._require_capable(sampling)
        # Its own, because the caller's says what the caller did.
        stop = CancelToken()
        cancel.on_cancel(stop.cancel)
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Item] = asyncio.Queue()

        def put(item: Item) -> None:
            try:
                loop.call_soon_threadsafe(queue.put_nowait, item)
            except RuntimeError:  # the loop was closed: nobody will read the rest
                stop.cancel()

        request = Request(prompt, sampling, stop, started, put)
        self._active.add(stop)
        running = True
        try:
            self._worker.submit(self._decoder.serve, request)
            while (item := await queue.get()) is not None:
                if isinstance(item, Exception):
                    running = False
                    raise _as_engine_error(item) from item
                yield item
            running = False
        finally:
            self._active.discard(stop)
            if running:
                stop.cancel()

    async def aclose(self) -> None:
        """See :class:`fimls.engines.base.Engine`."""
        self._closed = True
        for cancel in self._active:
            cancel.cancel()
        await asyncio.to_thread(self._worker.shutdown)
        self._decoder.free()

    def _require_capable(self, sampling: SamplingParams) -> None:
        if self._closed:
            raise EngineDeadError("the engine was closed", hint="start it again")
        if not 1 <= sampling.candidates <= self.capabilities.candidates:
            raise CapabilityError(
                f"{sampling.candidates} candidates were asked for; this model gives 1 to "
                f"{self.capabilities.candidates}",
                hint="ask for fewer candidates",
            )


async def load(settings: Settings, store: Store, progress: Progress | None) -> TorchEngine:
    """See :func:`fimls.engines.loading.load_engine`."""

    def load_here() -> TorchEngine:
        adapter = adapter_folder(settings, store)
        path, tokenizer, identity = describe(settings, adapter, store, progress)
        return TorchEngine.load(
            path,
            manifest=identity.manifest(settings, tokenizer, adapter),
            tokenizer=tokenizer,
            adapter=adapter,
            device=settings.device,
            # The other names are the openvino engine's.
            quantization=settings.quantization if settings.quantization in QUANTIZATIONS else None,
        )

    return await asyncio.to_thread(load_here)


def _as_engine_error(error: Exception) -> EngineError:
    """The worker's exception; its text is left out, for it may quote the prompt."""
    if isinstance(error, EngineError):
        return error
    kind = type(error).__name__
    hint = "see the cause in the log; the next request starts afresh"
    if kind == "OutOfMemoryError":
        hint = "use a smaller model, a quantization, or smaller prompt budgets"
    return EngineError(f"the torch engine failed: {kind}", hint=hint)
