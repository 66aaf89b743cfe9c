"""Guessed tokens: how many a step confirms, and what they save.

    python benchmarks/lookup.py

Holes are cut from this repository's own code, from a place in a line to its end. The same hole is
generated greedily with steps of 1, 4, 8 and 16 tokens in turn, in one process and on one model, so
that whatever else the machine does falls on all alike. Times are of decoding alone; "line" counts
the tokens up to the first line break, which is what a completion of a line needs.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from record import write_result

from fimls.config import Settings
from fimls.engines.loading import Identity
from fimls.engines.openvino import PREFILL_CHUNK_TOKENS, properties_of
from fimls.engines.openvino_worker.generation import Generation, Healing
from fimls.engines.openvino_worker.model import PagedModel
from fimls.engines.prefix_blocks import KV_BLOCK_TOKENS, PrefixBlocks
from fimls.fim import PromptBuilder, Tokenizer, build_prompt
from fimls.store import Store, find_model
from fimls.types import CompletionContext, Prompt

ROOT = Path(__file__).resolve().parent.parent
STEP_TOKENS = (1, 4, 8, 16)
TOKENS = 40


@dataclass
class Arm:
    """What one width of step came to over all holes."""

    tokens: int = 0
    steps: int = 0
    line_tokens: int = 0
    line_steps: int = 0
    step_ms: list[float] = field(default_factory=list)
    line_ms: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Figures for the record."""
        step_ms = statistics.median(self.step_ms)
        return {
            "tokens_a_step": round(self.tokens / self.steps, 2),
            "tokens_a_step_in_line": round(self.line_tokens / self.line_steps, 2),
            "step_ms": round(step_ms, 1),
            "ms_a_token": round(step_ms * self.steps / self.tokens, 1),
            "line_ms": round(statistics.median(self.line_ms), 1),
        }


def holes(builder: PromptBuilder, count: int, seed: int) -> list[Prompt]:
    """Prompts at places in lines of code; healing is left out, for it forces tokens."""
    chosen = random.Random(seed)  # noqa: S311 - a sample, not a secret
    files = [path for path in sorted((ROOT / "fimls").rglob("*.py")) if path.stat().st_size > 3000]
    prompts: list[Prompt] = []
    while len(prompts) < count:
        text = chosen.choice(files).read_text(encoding="utf-8")
        line_starts = [index + 1 for index, character in enumerate(text) if character == "\n"]
        index = chosen.randrange(20, len(line_starts) - 5)
        start, end = line_starts[index], line_starts[index + 1] - 1
        line = text[start:end]
        if line.strip():
            indent = len(line) - len(line.lstrip())
            offset = start + chosen.randrange(indent, len(line))
            prompts.append(build_prompt(CompletionContext(text[:offset], text[end:]), builder))
    return prompts


class Runner:
    """Generates with one model and one cache, as the worker does."""

    def __init__(self, directory: Path, quantization: str) -> None:
        self._blocks = PrefixBlocks()
        self._model = PagedModel(
            directory,
            blocks=self._blocks.capacity,
            block_tokens=KV_BLOCK_TOKENS,
            properties=properties_of(quantization),
        )

    def run(
        self, prompt: Prompt, step_tokens: int, newlines: frozenset[int], arm: Arm
    ) -> list[int]:
        """Generate after a prompt; returns the tokens."""
        allocation = self._blocks.allocate(prompt.token_ids, TOKENS + max(STEP_TOKENS))
        if allocation is None:
            raise SystemExit("a prompt is larger than the cache")
        if allocation.copy is not None:
            self._model.copy_block(*allocation.copy)
        message: dict[str, Any] = {
            "ids": prompt.token_ids,
            "max_tokens": TOKENS,
            "stop_ids": list(prompt.stop_token_ids),
            "temperature": 0.0,
            "top_p": 1.0,
            "seed": 0,
        }
        generation = Generation(message, allocation, Healing(np.empty(0, dtype=np.int64), []))
        tokens: list[int] = []
        times: list[float] = []
        finished, line_ends = False, 0
        while not finished:
            decoding = generation.unknown == 1
            began = time.perf_counter()
            [rows] = self._model.step([generation.part(PREFILL_CHUNK_TOKENS, (step_tokens,))])
            new, finish = generation.read(rows)
            ids = [token for token, _ in new]
            if decoding:
                times.append((time.perf_counter() - began) * 1000)
                arm.tokens += len(ids)
                if not line_ends:
                    arm.line_tokens += len(ids)
            tokens += ids
            if not line_ends and not newlines.isdisjoint(ids):
                line_ends = len(times)
            finished = finish is not None
        self._blocks.release(allocation)
        arm.steps += len(times)
        arm.line_steps += line_ends or len(times)
        arm.step_ms += times
        arm.line_ms.append(sum(times[: line_ends or len(times)]))
        return tokens


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--holes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="lookup")
    options = parser.parse_args()
    settings = Settings()
    prepared = Store().prepare(find_model(settings.model), quantization=settings.quantization)
    tokenizer = Tokenizer.from_file(prepared.tokenizer)
    builder = Identity.of(prepared).builder(settings, tokenizer)
    runner = Runner(prepared.directory, prepared.quantization)
    newlines = frozenset(
        index for index in range(tokenizer.vocab_size) if b"\n" in tokenizer.token_bytes(index)
    )
    arms = {step_tokens: Arm() for step_tokens in STEP_TOKENS}
    differing = 0
    prompts = holes(builder, options.holes, options.seed)
    runner.run(prompts[0], 1, newlines, Arm())  # compiles kernels
    for turn, prompt in enumerate(prompts):
        order = [
            STEP_TOKENS[(turn + shift) % len(STEP_TOKENS)] for shift in range(len(STEP_TOKENS))
        ]
        results = [
            runner.run(prompt, step_tokens, newlines, arms[step_tokens]) for step_tokens in order
        ]
        differing += any(result != results[0] for result in results)
    result = {
        "holes": len(prompts),
        "holes_with_differing_tokens": differing,
        "by_step_tokens": {step_tokens: arm.summary() for step_tokens, arm in arms.items()},
    }
    write_result(options.name, result, seed=options.seed)


if __name__ == "__main__":
    main()
