from __future__ import annotations

from pathlib import Path

from training.corpus import (
    Decontaminator,
    Dropped,
    Limits,
    Listed,
    Reason,
    fingerprint,
    scrub,
)
from training.preparation.reading import ReadChunk, chunks, read_chunk, read_texts
from training.types import Repository

CODE = "".join(f"def f{n}(first, second):\n    return first * {n} + second\n\n\n" for n in range(9))


def read(root: Path, text: str | None, suites: Decontaminator | None = None) -> ReadChunk:
    """Read one file of a repository that has no other; None: it went after it was listed."""
    root.mkdir()
    if text is not None:
        (root / "area.py").write_text(text)
    (chunk,) = chunks(0, Repository("shapes", "", "", root), [Listed("area.py", "MIT")])
    return read_chunk(
        chunk,
        root.parent / "work",
        public=False,
        limits=Limits(),
        suites=suites or Decontaminator(shipped=False),
    )


def test_a_file_is_scrubbed_and_fingerprinted(tmp_path: Path) -> None:
    """The fingerprint is of the text without secrets, which the work folder has."""
    text = CODE + "# jane@acme.org\n"
    chunk = read(tmp_path / "shapes", text)
    (file,) = read_texts(tmp_path / "work", 0, 0)
    assert (scrub(text)[0], {"e-mail": 1}) == (file.text, dict(chunk.scrubbed))
    assert [fingerprint(file)] == [one.fingerprint for one in chunk.files]
    assert () == chunk.dropped


def test_a_file_of_a_suite_is_dropped(tmp_path: Path) -> None:
    """What is evaluated on is never learnt."""
    suite = Decontaminator([CODE], shipped=False)
    chunk = read(tmp_path / "shapes", CODE, suite)
    expected = (Dropped("area.py", Reason.EVALUATION, len(CODE)),)
    assert ((), expected) == (chunk.files, chunk.dropped)


def test_a_file_that_vanished_is_told(tmp_path: Path) -> None:
    """Between listing and reading a file may go."""
    chunk = read(tmp_path / "shapes", None)
    assert ((), (Dropped("area.py", Reason.UNREADABLE),)) == (chunk.files, chunk.dropped)


def test_a_file_that_is_too_small_is_kept_for_retrieval_alone(tmp_path: Path) -> None:
    """It is in the report and in the work folder, and nothing is drawn from it."""
    chunk = read(tmp_path / "shapes", "NAME = 1\n")
    assert ((), (Dropped("area.py", Reason.TOO_SMALL, 9),)) == (chunk.files, chunk.dropped)
    assert ["NAME = 1\n"] == [file.text for file in read_texts(tmp_path / "work", 0, 0)]
