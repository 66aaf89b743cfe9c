"""The engines whose greedy outputs are compared, each running the same merged model."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from fimls.engines.base import Engine
from fimls.fim import Manifest, Tokenizer
from fimls.progress import Progress, silent
from fimls.store import Store
from training.export.export import EXPORT_QUANTIZATIONS, Exported, Target, export_adapter
from training.types import ExportError

_CHILD = Path(__file__).with_name("llama_child.py")
_START_TIMEOUT_S = 300.0

Starter = Callable[[Exported, Manifest, Tokenizer], AbstractAsyncContextManager[Engine]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """An engine that loads one of the exports. needs: the module it can't run without."""

    name: str
    loads: Target
    needs: str
    start: Starter

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        return importlib.util.find_spec(self.needs) is not None


@contextlib.asynccontextmanager
async def _torch(
    exported: Exported, manifest: Manifest, tokenizer: Tokenizer
) -> AsyncIterator[Engine]:
    from fimls.engines.torch import TorchEngine

    engine = await asyncio.to_thread(
        TorchEngine.load, exported.folder, manifest=manifest, tokenizer=tokenizer, device="cpu"
    )
    async with contextlib.aclosing(engine):
        yield engine


@contextlib.asynccontextmanager
async def _openvino(
    exported: Exported, manifest: Manifest, _tokenizer: Tokenizer
) -> AsyncIterator[Engine]:
    from fimls.engines.openvino import OpenVinoEngine

    engine = await OpenVinoEngine.load(
        exported.folder,
        model=exported.source.base.name,
        describe=lambda _: manifest,
        quantization=exported.quantization,
    )
    async with contextlib.aclosing(engine):
        yield engine


@contextlib.asynccontextmanager
async def _llama_cpp(
    exported: Exported, manifest: Manifest, tokenizer: Tokenizer
) -> AsyncIterator[Engine]:
    from fimls.engines.http import HttpEngine

    # Isolated: neither the current folder, which may be anybody's, nor ours is imported from.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(_CHILD), str(exported.file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        address = await asyncio.wait_for(_address(process), _START_TIMEOUT_S)
        engine = await HttpEngine.connect(address, manifest=manifest, tokenizer=tokenizer)
        async with contextlib.aclosing(engine):
            yield engine
    except asyncio.TimeoutError as error:
        raise ExportError("llama.cpp did not load the export in time") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(b"ADDRESS"):
            return line.split()[1].decode()
    raise ExportError(
        "llama.cpp can't load the export",
        hint="run it on the file by hand to see why; report it if it persists",
    )


CONTESTANTS = (
    Contestant("torch", "hf", "torch", _torch),
    Contestant("openvino", "openvino", "openvino_genai", _openvino),
    Contestant("llama.cpp", "gguf", "xllamacpp", _llama_cpp),
)
"""The first that is installed is what the others are compared with."""


def complete_exports(
    exported: Exported, folder: Path, store: Store, *, progress: Progress = silent
) -> Mapping[Target, Exported]:
    """The export and, in ``folder``, those in the other forms that installed engines load."""
    exports: dict[Target, Exported] = {exported.to: exported}
    for contestant in CONTESTANTS:
        to = contestant.loads
        if contestant.installed and to not in exports:
            exports[to] = export_adapter(
                exported.source,
                folder / to,
                to=to,
                quantization=EXPORT_QUANTIZATIONS[to][0],
                store=store,
                progress=progress,
            )
    return exports
