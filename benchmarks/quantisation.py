"""The ways of keeping weights, by speed and by how far they are from each other.

    python benchmarks/quantisation.py

Speed: a step of one token, of a decoding step's eight and of a prefill chunk, 640 tokens in, the
kinds taking turns in one process. Quality: the mean loss on 704 tokens of this repository's code
read from left to right, and how often the likeliest token is the first kind's. Pass rates are
``fimls --set quantization=... eval humaneval-single``'s.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from record import write_result

from fimls.config import Settings
from fimls.engines.openvino import PREFILL_CHUNK_TOKENS, properties_of
from fimls.engines.openvino_worker.model import PagedModel, Part
from fimls.engines.openvino_worker.service import DECODE_TOKENS
from fimls.engines.prefix_blocks import KV_BLOCK_TOKENS
from fimls.fim import Tokenizer
from fimls.store import QUANTIZATIONS, Store, find_model

ROOT = Path(__file__).resolve().parent.parent
TEXT_TOKENS = 704
READ_TOKENS = 32
PAST_TOKENS = 640
BLOCKS = 32


def load(directory: Path, quantization: str) -> PagedModel:
    """The model as the engine's process loads it."""
    return PagedModel(
        directory,
        blocks=BLOCKS,
        block_tokens=KV_BLOCK_TOKENS,
        properties=properties_of(quantization),
    )


def read(model: PagedModel, ids: list[int]) -> tuple[float, npt.NDArray[np.intp]]:
    """The mean loss on ``ids``, in nats a token, and the likeliest token after each."""
    losses, likeliest = [], []
    for past in range(0, len(ids), READ_TOKENS):
        part = Part(ids[past : past + READ_TOKENS], past, range(BLOCKS), READ_TOKENS)
        logits = model.step([part])[0].astype(np.float64)
        largest = logits.max(axis=-1, keepdims=True)
        logprobs = logits - largest - np.log(np.exp(logits - largest).sum(-1, keepdims=True))
        following = ids[past + 1 : past + 1 + READ_TOKENS]
        losses += [-logprobs[row, token] for row, token in enumerate(following)]
        likeliest.append(logits.argmax(axis=-1))
    return float(np.mean(losses)), np.concatenate(likeliest)


def step_ms(model: PagedModel, ids: list[int], count: int, rows: int) -> float:
    """Milliseconds of a step whose width is the last step's."""
    part = Part(ids[:count], PAST_TOKENS, range(BLOCKS), rows)
    model.step([part])
    began = time.perf_counter()
    model.step([part])
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="quantisation")
    options = parser.parse_args()
    spec, store = find_model(Settings().model), Store()
    folders = {kind: store.prepare(spec, quantization=kind) for kind in QUANTIZATIONS}
    tokenizer = Tokenizer.from_file(folders["int8"].tokenizer)
    text = (ROOT / "fimls" / "store" / "store.py").read_text(encoding="utf-8")
    ids = tokenizer.encode(text)[-TEXT_TOKENS:]
    models = {kind: load(folder.directory, kind) for kind, folder in folders.items()}
    readings = {kind: read(model, ids) for kind, model in models.items()}
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    turns = random.Random(options.seed)  # noqa: S311 - an order, not a secret
    for _ in range(options.repeats):
        for kind in turns.sample(QUANTIZATIONS, len(QUANTIZATIONS)):
            model, found = models[kind], times[kind]
            found["one_token_ms"].append(step_ms(model, ids, 1, 1))
            found["decode_step_ms"].append(step_ms(model, ids, DECODE_TOKENS, DECODE_TOKENS))
            found["prefill_step_ms"].append(step_ms(model, ids, PREFILL_CHUNK_TOKENS, 0))
    result: dict[str, Any] = {"prefill_step_tokens": PREFILL_CHUNK_TOKENS}
    for kind, (loss, likeliest) in readings.items():
        weights = folders[kind].directory / "openvino_model.bin"
        same = float(np.mean(likeliest == readings["int8"][1]))
        result[kind] = {
            **{name: round(statistics.median(found), 1) for name, found in times[kind].items()},
            "weights_mb": round(weights.stat().st_size / 1e6),
            "mean_loss": round(loss, 4),
            "likeliest_as_int8_percent": round(100 * same, 1),
        }
    write_result(options.name, result, seed=options.seed)


if __name__ == "__main__":
    main()
