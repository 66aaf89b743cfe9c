"""The settings of a session."""

from pathlib import Path

import pytest

from fimls.server.configuration import Configuration, editor_section
from fimls.types import ConfigError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ({}, {}),
        ({"fimls": None}, {}),
        ({"fimls": {"order": "psm", "model": None}}, {"order": "psm"}),
        ({"order": "psm"}, {"order": "psm"}),
    ],
)
def test_editor_section(given: object, expected: dict[str, object]) -> None:
    """Settings stand under "fimls" or alone; null means that nobody set it."""
    assert editor_section(given) == expected


@pytest.mark.parametrize("given", [[], "x", 1, {"fimls": "x"}])
def test_no_object(given: object) -> None:
    """What is no object is an error, not no settings."""
    with pytest.raises(ConfigError, match="expected an object"):
        editor_section(given)


def test_later_settings_replace_earlier_ones_of_the_editor() -> None:
    """A setting that the editor no longer sends falls back to the options' value."""
    configuration = Configuration(None, {"candidates": 2}, {"order": "psm"})
    assert configuration.merged({"candidates": 4, "order": "spm"}).candidates == 4
    assert configuration.merged({}).candidates == 2
    assert configuration.merged({"order": "spm"}).order == "psm"


def test_broken_sources_are_left_out(tmp_path: Path) -> None:
    """Each is reported once, and the others count."""
    (tmp_path / ".fimls.toml").write_text("candidates = 0\n", encoding="utf-8")
    configuration = Configuration(tmp_path, {"modle": "x"}, {"candidates": 5})
    first, second = configuration.drop_broken_sources()
    assert "candidates" in str(first)
    assert "modle" in str(second)
    assert configuration.merged().candidates == 5
    assert configuration.drop_broken_sources() == []
