"""Do the engines say the same? Greedy outputs of one merged model, compared.

The prompts are code with the rest of a line missing, in the serving format.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import random
import sysconfig
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from fimls.child import Child, module_command
from fimls.engines.base import Engine
from fimls.fim import FORMATS, Budget, Manifest, Order, PromptBuilder, Tokenizer, build_prompt
from fimls.progress import Progress, silent
from fimls.store import Store
from fimls.syntax import get_language, language_of
from fimls.types import CancelToken, CompletionContext, Prompt, SamplingParams
from training.export.export import (
    EXPORT_QUANTIZATIONS,
    Exported,
    Target,
    export_adapter,
    scratch_folder,
)
from training.types import ExportError

_MAX_FILE_BYTES = 200_000


_START_TIMEOUT_S = 300.0
Starter = Callable[[Exported, Manifest, Tokenizer], AbstractAsyncContextManager[Engine]]
MAX_TOKENS = 32
# Small windows: what is compared is arithmetic, and a long prompt costs minutes on a CPU.
_BUDGET = Budget(prefix_tokens=192, suffix_tokens=64, snippet_tokens=0)


Output = tuple[tuple[int, ...], str]
"""What an engine made of one prompt: token ids and text."""


@dataclass(frozen=True, slots=True)
class EngineAgreement:
    """One engine against the reference."""

    engine: str
    quantization: str
    identical: float
    """The share of prompts with the same text."""
    common_prefix_tokens: float
    """The mean number of leading tokens that agree."""
    generated_tokens: float
    """The mean number of tokens that the reference generated."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """The comparison."""

    prompts: int
    max_tokens: int
    seed: int
    reference: str
    """The engine that the others are compared with."""
    engines: tuple[EngineAgreement, ...]
    skipped: tuple[str, ...]
    """The engines that aren't installed."""


async def check_agreement(
    exported: Exported,
    code: Path,
    *,
    count: int,
    seed: int = 0,
    store: Store | None = None,
    progress: Progress = silent,
) -> Agreement:
    """Run every installed engine on the same prompts, one engine after the other.

    code: the folder whose files the prompts are cut from.

    Raises:
        ExportError: fewer than two engines are installed, or the export can't be loaded.
        EngineError: an engine failed.
    """
    compared = [one for one in ENGINES if one.installed]
    if len(compared) < 2:
        raise ExportError(
            "fewer than two engines are installed, so there is nothing to compare",
            hint='pip install "fimls[torch]" xllamacpp',
        )
    source = exported.source
    with scratch_folder(exported.folder, 2 * source.base.path.stat().st_size) as folder:
        exports = complete_exports(exported, folder, store or Store(), progress=progress)
        tokenizer = Tokenizer.from_file(exports["openvino"].folder / "tokenizer.json")
        builder = PromptBuilder(
            FORMATS[source.manifest.format],
            tokenizer,
            _BUDGET,
            Order(source.manifest.orders[0]),
            healing=False,  # a server can't be told to heal, and all must get the same
        )
        manifest = builder.manifest(base=source.base.name, base_sha256=source.base.sha256)
        prompts = make_prompts(code, count, builder, seed=seed)
        outputs: dict[str, list[Output]] = {}
        engines = []
        for one in compared:
            export = exports[one.loads]
            async with one.start(export, manifest, tokenizer) as engine:
                began = time.monotonic()
                made = await _greedy(engine, prompts, one.name, progress)
                seconds = time.monotonic() - began
            outputs[one.name] = made
            reference = outputs[compared[0].name]
            engines.append(compare(one.name, export.quantization, reference, made, seconds=seconds))
    return Agreement(
        prompts=len(prompts),
        max_tokens=MAX_TOKENS,
        seed=seed,
        reference=compared[0].name,
        engines=tuple(engines),
        skipped=tuple(one.name for one in ENGINES if not one.installed),
    )


def compare(
    engine: str,
    quantization: str,
    reference: Sequence[Output],
    outputs: Sequence[Output],
    *,
    seconds: float,
) -> EngineAgreement:
    """The agreement of two engines' outputs on the same prompts, at least one."""
    pairs = list(zip(reference, outputs, strict=True))
    return EngineAgreement(
        engine=engine,
        quantization=quantization,
        identical=sum(text == other for (_, text), (_, other) in pairs) / len(pairs),
        common_prefix_tokens=sum(_common_prefix(ids, others) for (ids, _), (others, _) in pairs)
        / len(pairs),
        generated_tokens=sum(len(ids) for ids, _ in reference) / len(pairs),
        seconds=round(seconds, 1),
    )


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


async def _greedy(
    engine: Engine, prompts: Sequence[Prompt], name: str, progress: Progress
) -> list[Output]:
    outputs = []
    for number, prompt in enumerate(prompts):
        progress(f"comparing: {name}", number, len(prompts))
        ids: list[int] = []
        text = ""
        sampling = SamplingParams(max_tokens=MAX_TOKENS)
        async for delta in engine.generate(prompt, sampling, CancelToken()):
            ids += delta.token_ids
            text += delta.text
        outputs.append((tuple(ids), text))
    progress(f"comparing: {name}", len(prompts), len(prompts))
    return outputs


@dataclass(frozen=True, slots=True)
class ComparedEngine:
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

    command = module_command("training.export.llama_server", str(exported.file.absolute()))
    child = await Child.start(command)
    try:
        address = await asyncio.wait_for(_address(child), _START_TIMEOUT_S)
        engine = await HttpEngine.connect(address, manifest=manifest, tokenizer=tokenizer)
        async with contextlib.aclosing(engine):
            yield engine
    except asyncio.TimeoutError as error:
        raise ExportError("llama.cpp did not load the export in time") from error
    finally:
        await child.aclose()


async def _address(child: Child) -> str:
    async for message in child.messages():
        return str(message["address"])
    raise ExportError(
        f"llama.cpp can't load the export: its process {await child.ended()}",
        hint="run it on the file by hand; report it if it persists",
    )


ENGINES = (
    ComparedEngine("torch", "hf", "torch", _torch),
    ComparedEngine("openvino", "openvino", "openvino_genai", _openvino),
    ComparedEngine("llama.cpp", "gguf", "xllamacpp", _llama_cpp),
)
"""The first that is installed is what the others are compared with."""


def complete_exports(
    exported: Exported, folder: Path, store: Store, *, progress: Progress = silent
) -> Mapping[Target, Exported]:
    """The export and, in ``folder``, those in the other forms that installed engines load."""
    exports: dict[Target, Exported] = {exported.to: exported}
    for one in ENGINES:
        to = one.loads
        if one.installed and to not in exports:
            exports[to] = export_adapter(
                exported.source,
                folder / to,
                to=to,
                quantization=EXPORT_QUANTIZATIONS[to][0],
                store=store,
                progress=progress,
            )
    return exports


def default_code() -> Path:
    """The standard library of the Python that runs this: code that is on every machine."""
    return Path(sysconfig.get_path("stdlib"))


def make_prompts(
    folder: Path, count: int, builder: PromptBuilder, *, seed: int = 0
) -> Sequence[Prompt]:
    """``count`` prompts, each from another file while there are enough; the same for one seed.

    Raises:
        ExportError: the folder holds no code.
    """
    files = sorted(_code(folder))
    if not files:
        raise ExportError(
            f"{folder} holds no code to make prompts of", hint="name a folder of source files"
        )
    draw = random.Random(seed)  # noqa: S311 - a choice of examples, no secret
    draw.shuffle(files)
    prompts: list[Prompt] = []
    for number in range(count):
        path = files[number % len(files)]
        context = _cut(path.read_text("utf-8"), path.relative_to(folder), draw)
        prompts.append(build_prompt(context, builder))
    return prompts


def _code(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        known = get_language(language_of(path)) is not None and "site-packages" not in path.parts
        if not known or not path.is_file() or path.stat().st_size > _MAX_FILE_BYTES:
            continue
        try:
            if path.read_text("utf-8").strip():
                yield path
        except UnicodeDecodeError:
            continue  # not code that could be completed


def _cut(text: str, path: Path, draw: random.Random) -> CompletionContext:
    """Take away the rest of a line that isn't blank, from a random place on."""
    lines = text.splitlines(keepends=True)
    number = draw.choice([at for at, line in enumerate(lines) if line.strip()])
    line = lines[number]
    column = draw.randrange(len(line) - len(line.lstrip()), len(line.rstrip()))
    return CompletionContext(
        prefix="".join(lines[:number]) + line[:column],
        suffix=line[len(line.rstrip("\r\n")) :] + "".join(lines[number + 1 :]),
        path=path.as_posix(),
        language_id=language_of(path),
    )
