from __future__ import annotations

import pickle
from pathlib import Path

from training.corpus import (
    Decontaminator,
    Dropped,
    FileTaker,
    Listed,
    Reason,
    TakenFile,
    fingerprint,
    scrub,
)
from training.types import Repository

CODE = "".join(f"def f{n}(first, second):\n    return first * {n} + second\n\n\n" for n in range(9))


def take(
    root: Path, text: str, decontaminator: Decontaminator | None = None
) -> TakenFile | Dropped:
    """Take one file of a repository that has no other."""
    (root / "area.py").write_text(text)
    taker = FileTaker(
        Repository("shapes", "", "", root), public=False, decontaminator=decontaminator
    )
    return taker.take(Listed("area.py", "MIT"))


def test_a_taken_file_is_scrubbed_and_fingerprinted(tmp_path: Path) -> None:
    """The fingerprint is of the text without secrets, and all of it travels between processes."""
    text = CODE + "# jane@acme.org\n"
    taken = take(tmp_path, text)
    assert isinstance(taken, TakenFile)
    assert (scrub(text)[0], {"e-mail": 1}) == (taken.file.text, dict(taken.scrubbed))
    assert fingerprint(taken.file) == taken.fingerprint
    assert taken == pickle.loads(pickle.dumps(taken))  # noqa: S301  our own


def test_a_file_of_a_suite_is_dropped(tmp_path: Path) -> None:
    """What is evaluated on is never learnt."""
    suite = Decontaminator([CODE], shipped=False)
    assert Dropped("area.py", Reason.EVALUATION, len(CODE)) == take(tmp_path, CODE, suite)


def test_a_file_that_vanished_is_told(tmp_path: Path) -> None:
    """Between listing and reading a file may go."""
    taker = FileTaker(Repository("shapes", "", "", tmp_path), public=False)
    assert Dropped("gone.py", Reason.UNREADABLE) == taker.take(Listed("gone.py", ""))
