"""The comparison of engines: its prompts, its arithmetic, and what is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fimls.engines.base import Engine
from fimls.engines.scripted import Rule, ScriptedEngine
from fimls.fim import FORMATS, Budget, Manifest, PromptBuilder, Tokenizer
from fimls.progress import silent
from fimls.store import Store
from fimls.store.gguf_file import open_gguf
from fimls.store.gguf_tokenizer import write_tokenizer
from tests.fim_tokenizers import byte_tokenizer
from tests.training.export.test_export import make_source
from training.export import Exported, Target, agreement, export_adapter
from training.export.agreement import (
    ENGINES,
    ComparedEngine,
    EngineAgreement,
    check_agreement,
    compare,
    make_prompts,
)
from training.types import ExportError

CODE = "def area(radius):\n    return 3 * radius ** 2\n"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Two files of code, and what is none."""
    folder = tmp_path / "code"
    folder.mkdir()
    for name in ("a.py", "b.py"):
        (folder / name).write_text(CODE)
    (folder / "latin.py").write_bytes(b"# caf\xe9\n")
    (folder / "empty.py").write_text("")
    (folder / "notes.bin").write_bytes(b"\0")
    return folder


def builder() -> PromptBuilder:
    """Of prompts that hold all the code, by bytes."""
    return PromptBuilder(FORMATS["qwen2.5-coder"], byte_tokenizer(), Budget(), healing=False)


def test_prompts_are_the_same_for_one_seed(code: Path) -> None:
    """The same seed draws the same prompts, another draws others; files repeat where few."""
    first, again, other = (make_prompts(code, 5, builder(), seed=seed) for seed in (1, 1, 2))
    assert 5 == len(first)
    assert first == again
    assert first != other


def test_a_prompt_misses_the_rest_of_a_line(code: Path) -> None:
    """What stands behind the place, up to the line's end, is in no part of the prompt."""
    for prompt in make_prompts(code, 8, builder()):
        parts = {
            part.kind.value: byte_tokenizer().decode(prompt.token_ids[part.start : part.end])
            for part in prompt.parts
        }
        prefix, suffix = parts.get("prefix", ""), parts.get("suffix", "\n")
        assert CODE.startswith(prefix)
        assert CODE.endswith(suffix)
        assert suffix.startswith("\n")
        missing = CODE[len(prefix) : len(CODE) - len(suffix)]
        assert missing
        assert "\n" not in missing


def test_a_folder_without_code(tmp_path: Path) -> None:
    """There is nothing to compare on, which is said."""
    with pytest.raises(ExportError, match="holds no code"):
        make_prompts(tmp_path, 1, builder())


def test_arithmetic() -> None:
    """Shares are of prompts, prefixes are counted in tokens, the reference's length is told."""
    reference = [((1, 2, 3), "abc"), ((4,), "d"), ((), "")]
    outputs = [((1, 2, 9, 3), "abx"), ((4,), "d"), ((7,), "z")]
    assert EngineAgreement(
        engine="other",
        quantization="q8_0",
        identical=1 / 3,
        common_prefix_tokens=1.0,
        generated_tokens=4 / 3,
        seconds=2.0,
    ) == compare("other", "q8_0", reference, outputs, seconds=2.0)


def fake(name: str, to: Target, text: str, needs: str = "json") -> ComparedEngine:
    """An engine that always writes ``text``."""

    @asynccontextmanager
    async def start(
        _exported: Exported, _manifest: Manifest, _tokenizer: Tokenizer
    ) -> AsyncIterator[Engine]:
        yield ScriptedEngine((Rule(after="", insert=(text,)),))

    return ComparedEngine(name, to, needs, start)


async def test_engines_are_compared_with_the_first(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each installed engine runs all prompts; one that isn't is named."""
    exported = export_adapter(make_source(tmp_path), tmp_path / "out", to="gguf")
    write_tokenizer(open_gguf(exported.file), exported.folder / "tokenizer.json")

    def exports(*_: object, **__: object) -> Mapping[Target, Exported]:
        return {"hf": exported, "openvino": exported, "gguf": exported}

    monkeypatch.setattr(agreement, "complete_exports", exports)
    engines = (
        fake("a", "hf", "same"),
        fake("b", "openvino", "same"),
        fake("c", "gguf", "salt"),
        fake("d", "gguf", "", needs="no_such_module"),
    )
    monkeypatch.setattr(agreement, "ENGINES", engines)
    result = await check_agreement(exported, code, count=3, store=Store(tmp_path / "home"))
    assert ("a", ("d",), 3) == (result.reference, result.skipped, result.prompts)
    assert [("a", 1.0), ("b", 1.0), ("c", 0.0)] == [
        (engine.engine, engine.identical) for engine in result.engines
    ]
    assert [True, True, False] == [
        engine.common_prefix_tokens == engine.generated_tokens for engine in result.engines
    ]
    assert [] == list(tmp_path.glob(".out-*"))  # noqa: ASYNC240 - a test has the loop to itself


async def test_one_engine_cannot_be_compared(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error that says what to install."""
    exported = export_adapter(make_source(tmp_path), tmp_path / "out", to="gguf", progress=silent)
    monkeypatch.setattr(agreement, "ENGINES", (fake("a", "hf", "x"),))
    with pytest.raises(ExportError, match="fewer than two engines"):
        await check_agreement(exported, code, count=1)


def test_every_form_is_loaded_by_an_engine() -> None:
    """hf, openvino and gguf are each checked by what people load them with."""
    assert {"torch": "hf", "openvino": "openvino", "llama.cpp": "gguf"} == {
        one.name: one.loads for one in ENGINES
    }
