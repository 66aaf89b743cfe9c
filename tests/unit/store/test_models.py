from __future__ import annotations

import re

import pytest

from fimls.fim import find_format
from fimls.store import ModelSpec, find_model, known_models
from fimls.types import UnknownModelError


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("qwen2.5-coder-0.5b-instruct-q4_k_m", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
        ("0.5b", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
        ("1.5B", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
        ("SmolLM2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ],
)
def test_find_by_name_or_alias(name: str, file: str) -> None:
    """A model is found by name or alias, whatever the case."""
    assert file == find_model(name).file


def test_unknown_name_hints_at_the_nearest() -> None:
    """A typo is answered with the name that was meant."""
    with pytest.raises(UnknownModelError, match="smolm2") as caught:
        find_model("smolm2")
    assert "did you mean 'smollm2'?" == caught.value.hint


def test_strange_name_lists_all() -> None:
    """A name like none of them is answered with all names."""
    with pytest.raises(UnknownModelError) as caught:
        find_model("zzzzzzzz")
    assert all(spec.name in caught.value.hint for spec in known_models())


def test_one_default() -> None:
    """Exactly one model is the default, the 0.5B."""
    assert [find_model("0.5b")] == [spec for spec in known_models() if spec.default]


def test_names_are_unique() -> None:
    """No name or alias means two models."""
    names = [name.lower() for spec in known_models() for name in (spec.name, *spec.aliases)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("spec", known_models(), ids=lambda spec: spec.name)
def test_rows_are_complete(spec: ModelSpec) -> None:
    """Every row has real hashes, a licence, a known format and a member for each wheel."""
    hashes = [spec.sha256, *(wheel.sha256 for wheel in spec.wheels)]
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in hashes)
    assert len(set(hashes)) == len(hashes)
    assert "Apache-2.0" == spec.licence
    assert spec.format == find_format(spec.format).name
    assert spec.wheels
    for wheel in spec.wheels:
        assert wheel.member.split("/")[0] == wheel.file.split("-")[0]
