"""What training and serving have to agree on."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from fimls import __version__
from fimls.fim import FORMATS, Budget, Manifest, Order, PromptBuilder
from fimls.fim.manifest import MANIFEST_FILE
from fimls.types import AdapterMismatchError
from tests.fim_tokenizers import row_tokenizer

MANIFEST = Manifest(
    format="qwen2.5-coder",
    orders=("spm", "psm"),
    control_ids={"<|fim_prefix|>": 151659, "<|fim_middle|>": 151660},
    tokenizer_sha256="a" * 64,
    base="qwen2.5-coder-0.5b",
    base_sha256="b" * 64,
    budget={"prefix_tokens": 512},
    context={"retrievers": ["bm25"], "count": 4},
    corpus_sha256="c" * 64,
    code_version="1.0",
)
COMPARED: dict[str, Any] = {
    "format": "starcoder2",
    "orders": ("spm",),
    "control_ids": {"<|fim_prefix|>": 151659, "<|fim_middle|>": 7},
    "tokenizer_sha256": "d" * 64,
    "base_sha256": "e" * 64,
}
RECORDED: dict[str, Any] = {
    "base": "the same under another name",
    "budget": {},
    "context": {},
    "corpus_sha256": "",
    "tie_word_embeddings": True,
    "code_version": "2.0",
}


def test_json_round_trip() -> None:
    """What is read equals what was written."""
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


def test_json_is_readable_and_stable() -> None:
    """Sorted keys, a line each, a newline at the end: it is kept under version control."""
    assert MANIFEST.to_json() == replace(MANIFEST, budget=dict(MANIFEST.budget)).to_json()
    assert sorted(json.loads(MANIFEST.to_json())) == list(json.loads(MANIFEST.to_json()))
    assert MANIFEST.to_json().endswith('"\n}\n')


def test_defaults() -> None:
    """Nothing was trained, by this version."""
    manifest = Manifest("f", ("spm",), {}, "t", "b", "s")
    assert ({}, {}, "", __version__) == (
        manifest.budget,
        manifest.context,
        manifest.corpus_sha256,
        manifest.code_version,
    )


def test_read(tmp_path: Path) -> None:
    """It lies in the adapter's folder."""
    (tmp_path / MANIFEST_FILE).write_text(MANIFEST.to_json(), encoding="utf-8")
    assert Manifest.read(tmp_path) == MANIFEST


def test_read_where_there_is_none(tmp_path: Path) -> None:
    """The error names the adapter and the file."""
    with pytest.raises(AdapterMismatchError, match=MANIFEST_FILE) as caught:
        Manifest.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "" != caught.value.hint


def test_read_what_is_no_text(tmp_path: Path) -> None:
    """Bytes that aren't UTF-8 are an error that fimls explains."""
    (tmp_path / MANIFEST_FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AdapterMismatchError, match=MANIFEST_FILE):
        Manifest.read(tmp_path)


def test_unknown_keys_are_named() -> None:
    """A newer version's manifest is not read as if its new key didn't matter."""
    text = json.dumps({**json.loads(MANIFEST.to_json()), "rank": 16})
    with pytest.raises(AdapterMismatchError, match=r"unknown keys \['rank'\]"):
        Manifest.from_json(text)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "1", '"spm"', "{}", '{"format": "x"}'],
)
def test_damaged_json(text: str) -> None:
    """The error names the file, not a Python exception."""
    with pytest.raises(AdapterMismatchError, match="some/place is not a manifest"):
        Manifest.from_json(text, name="some/place")


@pytest.mark.parametrize("missing", ["format", "orders", "control_ids", "base_sha256"])
def test_missing_keys_are_named(missing: str) -> None:
    """Nothing that is compared has a default."""
    values = json.loads(MANIFEST.to_json())
    del values[missing]
    with pytest.raises(AdapterMismatchError, match=missing):
        Manifest.from_json(json.dumps(values))


def test_orders_must_be_a_list() -> None:
    """A string would be taken for its letters."""
    text = json.dumps({**json.loads(MANIFEST.to_json()), "orders": "spm"})
    with pytest.raises(AdapterMismatchError, match="orders is not a list: 'spm'"):
        Manifest.from_json(text)


def test_every_field_is_compared_or_recorded() -> None:
    """A new field has to be put into one of the two tables above."""
    assert {item.name for item in fields(Manifest)} == {*COMPARED, *RECORDED}


@pytest.mark.parametrize("name", COMPARED)
def test_a_compared_field_must_fit(name: str) -> None:
    """An adapter that differs in one of them is refused."""
    with pytest.raises(AdapterMismatchError):
        replace(MANIFEST, **{name: COMPARED[name]}).require_fit(MANIFEST)


def test_what_fits() -> None:
    """Equal manifests; other recorded fields; fewer orders and tokens than were trained."""
    MANIFEST.require_fit(MANIFEST)
    MANIFEST.require_fit(replace(MANIFEST, **RECORDED))
    MANIFEST.require_fit(replace(MANIFEST, orders=("psm",)))
    # A dialogue's tokens, which no prompt of code has.
    replace(MANIFEST, control_ids={**MANIFEST.control_ids, "[bot]": 9}).require_fit(MANIFEST)


@pytest.mark.parametrize(
    ("changes", "adapter", "model"),
    [
        ({"format": "starcoder2"}, "qwen2.5-coder", "starcoder2"),
        ({"tokenizer_sha256": "d" * 64}, "aaaaaaaaaaaa...aaaaaaaaaaaa", "dddddddddddd..."),
        ({"base_sha256": "e" * 64}, "bbbbbbbbbbbb...bbbbbbbbbbbb", "eeeeeeeeeeee..."),
        (
            {"control_ids": COMPARED["control_ids"]},
            "the adapter has {'<|fim_middle|>': 151660}",
            "the model {'<|fim_middle|>': 7}",
        ),
        (
            {"control_ids": {**MANIFEST.control_ids, "[new]": 7}},
            "the adapter has {'[new]': None}",
            "the model {'[new]': 7}",
        ),
    ],
)
def test_a_mismatch_names_both_sides(changes: dict[str, Any], adapter: str, model: str) -> None:
    """What the adapter has, what the model has, and the names of both bases."""
    served = replace(MANIFEST, base="starcoder2-3b", **changes)
    with pytest.raises(AdapterMismatchError) as caught:
        MANIFEST.require_fit(served)
    message = str(caught.value)
    assert "the adapter of qwen2.5-coder-0.5b does not fit starcoder2-3b" in message
    assert all(text in message for text in (*changes, adapter, model))
    assert "--model qwen2.5-coder-0.5b" in caught.value.hint


def test_an_order_that_was_not_trained() -> None:
    """A model trained in one order collapses in the other."""
    trained = replace(MANIFEST, orders=("psm",))
    with pytest.raises(AdapterMismatchError, match="trained for psm, the prompt is built in spm"):
        trained.require_fit(replace(MANIFEST, orders=("spm",)))


def test_all_differences_are_named() -> None:
    """One look has to be enough."""
    with pytest.raises(AdapterMismatchError) as caught:
        replace(MANIFEST, orders=("psm",)).require_fit(replace(MANIFEST, **COMPARED))
    assert all(f"{name}: " in str(caught.value) for name in COMPARED)


def test_manifest_of_a_builder() -> None:
    """Its format, order, control ids, tokenizer and budget."""
    row = FORMATS["codestral"]
    builder = PromptBuilder(row, row_tokenizer(row), Budget(3, 2, 1), Order.SPM)
    assert Manifest(
        format="codestral",
        orders=("spm",),
        control_ids={"</s>": 258, "<s>": 259, "[PREFIX]": 257, "[SUFFIX]": 256},
        tokenizer_sha256=builder.tokenizer.sha256,
        base="codestral-22b",
        base_sha256="f" * 64,
        budget={"prefix_tokens": 3, "suffix_tokens": 2, "snippet_tokens": 1},
    ) == builder.manifest(base="codestral-22b", base_sha256="f" * 64)
