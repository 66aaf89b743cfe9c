"""Token ids of the models in the store, written down once and checked against llama.cpp.

A golden file lists texts and the parts of whole prompts, each with its ids. They came from
llama.cpp's tokenizer, not from the one under test; the control ids are the published ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fimls.fim import FORMATS, Order, PromptBuilder, Tokenizer, build_prompt
from fimls.store import PreparedModel
from fimls.types import CompletionContext, Prompt, Snippet

pytestmark = pytest.mark.weights

GOLDEN = Path(__file__).parent / "golden"

# xllamacpp's server runs inside the process that makes it, until its input is closed.
_SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx, params.n_parallel, params.warmup = 256, 1, False
server = xllamacpp.Server(params)
print("ADDRESS", server.listening_address, flush=True)
sys.stdin.read()
"""

Golden = dict[str, Any]


@pytest.fixture(params=["qwen2.5-coder-0.5b", "smollm2-135m"])
def golden(request: pytest.FixtureRequest) -> Golden:
    """A golden file."""
    values: Golden = json.loads((GOLDEN / f"{request.param}.json").read_text(encoding="utf-8"))
    return values


@pytest.fixture
def tokenizer(golden: Golden, request: pytest.FixtureRequest) -> Tokenizer:
    """The model's own; SmolLM2's with the row's tokens added."""
    fixture = "default_model" if golden["format"] == "qwen2.5-coder" else "smollm2_model"
    model: PreparedModel = request.getfixturevalue(fixture)
    tokenizer = Tokenizer.from_file(model.tokenizer)
    row = FORMATS[golden["format"]]
    return tokenizer.with_added(row.layout_tokens) if row.adds_tokens else tokenizer


@pytest.fixture
def llama_tokenize(
    golden: Golden, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], list[int]]]:
    """llama.cpp's tokenizer on the model's GGUF file, told that text holds no control tokens."""
    pytest.importorskip("xllamacpp")
    fixture = "default_gguf" if golden["format"] == "qwen2.5-coder" else "smollm2_gguf"
    command = [sys.executable, "-c", _SERVE, str(request.getfixturevalue(fixture))]
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process,
    ):
        assert process.stdout is not None
        lines = (line for line in process.stdout if line.startswith("ADDRESS"))
        address = next(lines, "").removeprefix("ADDRESS").strip()
        assert address, log.read_text()[-1000:]
        with httpx.Client(base_url=address, timeout=30) as client:

            def tokenize(text: str) -> list[int]:
                body = {"content": text, "add_special": False, "parse_special": False}
                reply = client.post("/tokenize", json=body).raise_for_status()
                ids: list[int] = reply.json()["tokens"]
                return ids

            yield tokenize
        process.kill()


def prompt_of(case: Golden, golden: Golden, tokenizer: Tokenizer) -> Prompt:
    """The prompt of a golden case."""
    context = CompletionContext(
        prefix=case["prefix"],
        suffix=case["suffix"],
        path=case["path"],
        language_id="python",
        snippets=tuple(Snippet(path, text) for path, text in case["snippets"]),
    )
    builder = PromptBuilder(FORMATS[golden["format"]], tokenizer, order=Order(case["order"]))
    return build_prompt(context, builder)


def test_control_ids(golden: Golden, tokenizer: Tokenizer) -> None:
    """The published ones; added tokens follow the vocabulary's end."""
    builder = PromptBuilder(FORMATS[golden["format"]], tokenizer)
    assert golden["control_ids"] == builder.control_ids
    assert set(golden["control_ids"].values()) == builder.stop_token_ids


def test_ids_of_texts(golden: Golden, tokenizer: Tokenizer) -> None:
    """Code, white space, numbers, scripts, emoji, odd characters and literal control tokens."""
    assert golden["texts"] == [[text, tokenizer.encode(text)] for text, _ in golden["texts"]]
    assert [text for text, _ in golden["texts"]] == [
        tokenizer.decode(ids) for _, ids in golden["texts"]
    ]


def test_ids_of_prompts(golden: Golden, tokenizer: Tokenizer) -> None:
    """Both orders, with and without other files, part by part."""
    for case in golden["prompts"]:
        prompt = prompt_of(case, golden, tokenizer)
        parts = [list(prompt.token_ids[part.start : part.end]) for part in prompt.parts]
        assert case["parts"] == [[tokenizer.decode(ids), ids] for ids in parts]
        assert case["healing"] == prompt.healing


def test_no_literal_becomes_any_control_id(golden: Golden, tokenizer: Tokenizer) -> None:
    """Nor one of the tokens that the format doesn't use, such as `<tool_call>`."""
    text = "".join(tokenizer.control_tokens)
    ids = tokenizer.encode(text)
    assert text == tokenizer.decode(ids)
    assert set() == set(ids) & set(tokenizer.control_tokens.values())


@pytest.mark.slow
def test_llama_cpp_agrees(golden: Golden, llama_tokenize: Callable[[str], list[int]]) -> None:
    """An independent tokenizer makes the same ids of every text and of every part that is text."""
    parts = [part for case in golden["prompts"] for part in case["parts"]]
    expected = [
        [text, ids] for text, ids in golden["texts"] + parts if text not in golden["control_ids"]
    ]
    assert expected == [[text, llama_tokenize(text)] for text, _ in expected]
