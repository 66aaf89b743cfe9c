"""Do the engines say the same? Greedy outputs of one merged model, compared."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fimls.engines.base import Engine
from fimls.fim import FORMATS, Budget, Order, PromptBuilder, Tokenizer
from fimls.progress import Progress, silent
from fimls.store import Store
from fimls.types import CancelToken, Prompt, SamplingParams
from training.export.check_prompts import make_prompts
from training.export.contestants import CONTESTANTS, complete_exports
from training.export.export import Exported
from training.export.output import scratch_folder
from training.types import ExportError

MAX_TOKENS = 32
# Small windows: what is compared is arithmetic, and a long prompt costs minutes on a CPU.
_BUDGET = Budget(prefix_tokens=192, suffix_tokens=64, snippet_tokens=0)


@dataclass(frozen=True, slots=True)
class Output:
    """What an engine made of one prompt."""

    token_ids: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class EngineAgreement:
    """One engine against the reference.

    identical: the share of prompts with the same text. common_prefix_tokens: the mean number of
    leading tokens that agree, out of generated_tokens, the reference's mean.
    """

    engine: str
    quantization: str
    identical: float
    common_prefix_tokens: float
    generated_tokens: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """The comparison. reference: the engine that the others are compared with. skipped: the
    engines that aren't installed.
    """

    prompts: int
    max_tokens: int
    seed: int
    reference: str
    engines: tuple[EngineAgreement, ...]
    skipped: tuple[str, ...]


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
    contestants = [one for one in CONTESTANTS if one.installed]
    if len(contestants) < 2:
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
        for contestant in contestants:
            export = exports[contestant.loads]
            async with contestant.start(export, manifest, tokenizer) as engine:
                began = time.monotonic()
                made = await _greedy(engine, prompts, contestant.name, progress)
                seconds = time.monotonic() - began
            outputs[contestant.name] = made
            reference = outputs[contestants[0].name]
            engines.append(
                compare(contestant.name, export.quantization, reference, made, seconds=seconds)
            )
    return Agreement(
        prompts=len(prompts),
        max_tokens=MAX_TOKENS,
        seed=seed,
        reference=contestants[0].name,
        engines=tuple(engines),
        skipped=tuple(one.name for one in CONTESTANTS if not one.installed),
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
        identical=sum(one.text == other.text for one, other in pairs) / len(pairs),
        common_prefix_tokens=sum(
            _common_prefix(one.token_ids, other.token_ids) for one, other in pairs
        )
        / len(pairs),
        generated_tokens=sum(len(one.token_ids) for one in reference) / len(pairs),
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
        outputs.append(Output(tuple(ids), text))
    progress(f"comparing: {name}", len(prompts), len(prompts))
    return outputs
