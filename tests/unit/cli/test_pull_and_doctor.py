"""`fimls pull` and `fimls doctor`, as far as they need neither network nor weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fimls.progress import progress_bar
from fimls.store import PreparedModel, Store, known_models
from fimls.store.adapters import promote
from fimls.store.models import find_model
from tests.unit.cli.conftest import Fimls
from tests.unit.store.test_adapters import adapter


def test_pull_list(fimls: Fimls) -> None:
    """Every known model is listed whole, however narrow the terminal, and none is here."""
    outcome = fimls("pull", "--list")
    header, *rows = outcome.out.splitlines()
    assert (0, "") == (outcome.code, outcome.err)
    assert header.split()[0] == "model"
    assert [spec.name for spec in known_models()] == [row.split()[0] for row in rows]
    assert ["no"] * len(rows) == [row.split()[-1] for row in rows]
    assert ["(default)" in row for row in rows] == [spec.default for spec in known_models()]


def test_pull_unknown(fimls: Fimls) -> None:
    """An unknown model is answered with the nearest."""
    outcome = fimls("pull", "smolm2")
    assert (1, "") == (outcome.code, outcome.out)
    assert "did you mean 'smollm2'?" in outcome.err


def test_pull_from_a_wrong_file(fimls: Fimls, tmp_path: Path, empty_home: Path) -> None:
    """A file with other bytes is refused with both hashes, and nothing of it is kept."""
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGUF but not that one")
    outcome = fimls("pull", "smollm2", "--from", wrong)
    assert (1, "") == (outcome.code, outcome.out)
    assert "error: " in outcome.err
    left = [path for path in empty_home.rglob("*") if path.is_file() and "locks" not in path.parts]
    assert [] == [path for path in left if path.read_bytes() == wrong.read_bytes()]
    assert "no" == fimls("pull", "--list").out.splitlines()[-1].split()[-1]


@pytest.mark.parametrize(
    ("arguments", "merged"),
    [
        ((), "mine"),
        (("0.5b",), "mine"),
        (("smollm2",), None),
        (("--adapter", "none"), None),
        (("0.5b", "--adapter", "none"), None),
    ],
    ids=["settings' model", "named", "another model", "no adapter", "named, no adapter"],
)
def test_pull_prepares_what_will_be_served(
    fimls: Fimls,
    tmp_path: Path,
    empty_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    merged: str | None,
) -> None:
    """The adapter that serves a model is merged at once, not while somebody waits for a ghost."""
    base = find_model("0.5b").sha256
    promote(adapter(tmp_path / "mine", base_sha256=base), root=empty_home)
    prepared: list[Path | None] = []

    def prepare(_store: Store, source: object, *, adapter: Path | None, **_other: Any) -> Any:
        prepared.append(adapter)
        return PreparedModel("m", tmp_path, tmp_path, base, None, None, "int8")

    monkeypatch.setattr(Store, "pull", lambda *_ignored, **_also: tmp_path)
    monkeypatch.setattr(Store, "prepare", prepare)
    outcome = fimls("pull", *arguments)
    assert 0 == outcome.code, outcome.err
    assert [merged] == [folder and folder.name for folder in prepared]
    assert (f"ready, as int8 with {merged}:" if merged else "ready, as int8:") in outcome.err


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is shown on standard error, and only once there is some."""
    with progress_bar():
        pass
    assert ("", "") == tuple(capsys.readouterr())
    with progress_bar() as report:
        report("downloading", 50, 100)
        report("downloading", 100, 100)
    out, err = capsys.readouterr()
    assert "" == out
    assert "downloading" in err


def test_progress_counts_pieces_or_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    """What isn't bytes isn't called so."""
    with progress_bar("comparing") as report:
        report("comparing: torch", 7, 7)
        report("merging", 2000, 2000)
    pieces, size = capsys.readouterr().err.strip().splitlines()[-2:]
    assert "7/7" in pieces
    assert "byte" not in pieces
    assert "2.0/2.0 kB" in size


def test_doctor_quick_json(fimls: Fimls, empty_home: Path) -> None:
    """The quick report says what is installed and what is missing, without loading anything."""
    outcome = fimls("doctor", "--quick", "--json")
    report = outcome.report
    assert (0, "") == (outcome.code, outcome.err)
    assert {"fimls", "packages", "store", "settings"} == set(report)
    assert str(empty_home) == report["store"]["folder"]
    assert "openvino" == report["settings"]["engine"]
    for spec in known_models():
        assert f"not here: fimls pull {spec.aliases[0]}" == report["store"][spec.name]


def test_doctor_measures(scripted: Fimls) -> None:
    """The full report has the engine's capabilities and speeds."""
    report = scripted("doctor", "--json").report
    assert {"token_ids", "healing", "logprobs", "prefix_reuse", "candidates", "adapters"} == set(
        report["engine"]
    )
    speed = report["speed"]
    assert speed["tokens reused then"] >= 0.9 * speed["prompt tokens"]


def test_doctor_without_the_model(fimls: Fimls) -> None:
    """Without the model the report is printed all the same, and the exit code tells."""
    outcome = fimls("doctor", "--json")
    assert 1 == outcome.code
    assert "is not on this machine" in outcome.report["engine"]["problem"]
    assert "fimls pull" in outcome.report["engine"]["what to do"]
    assert "fimls pull" in outcome.err


def test_doctor_text(scripted: Fimls) -> None:
    """People get the same as a table."""
    outcome = scripted("doctor", "--quick")
    assert 0 == outcome.code
    assert "openvino-genai" in outcome.out
    assert "scripted" in outcome.out
