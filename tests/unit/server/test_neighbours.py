from __future__ import annotations

from pathlib import Path

from fimls.config import Settings
from fimls.server.neighbours import Neighbours
from fimls.types import Document


def opened(path: Path, text: str = "x = 1\n") -> Document:
    """A document of a file."""
    return Document(path.as_uri(), "python", 1, text)


async def test_secrets_are_excluded_and_ignored_files_are_not(tmp_path: Path) -> None:
    """A secrets file is never completed; a file that git ignores is, since somebody opened it."""
    (tmp_path / ".gitignore").write_text("scratch.py\n", encoding="utf-8")
    for name in (".env", "scratch.py", "plain.py"):
        (tmp_path / name).write_text("x = 1\n", encoding="utf-8")
    neighbours = Neighbours()
    neighbours.configure([tmp_path], Settings(context=False))
    reasons = {
        name: neighbours.exclusion((tmp_path / name).as_uri())
        for name in (".env", "scratch.py", "plain.py")
    }
    await neighbours.aclose()
    assert reasons.pop(".env")
    assert {"scratch.py": None, "plain.py": None} == reasons


async def test_excluded_by_settings(tmp_path: Path) -> None:
    """Other settings are taken at once, and documents that are open stay known."""
    path = tmp_path / "generated.py"
    path.write_text("x = 1\n", encoding="utf-8")
    neighbours = Neighbours()
    neighbours.configure([tmp_path], Settings(context=False))
    neighbours.opened(opened(path))
    before = neighbours.exclusion(path.as_uri())
    neighbours.configure([tmp_path], Settings(context=False, exclude=("gen*",)))
    after = neighbours.exclusion(path.as_uri())
    await neighbours.aclose()
    assert None is before
    assert after


async def test_without_folders_there_is_no_context() -> None:
    """An editor without a workspace gets no snippets, and no error."""
    neighbours = Neighbours()
    neighbours.configure([], Settings())
    selection = await neighbours.select(
        Document("file:///a.py", "python", 1, "x = "),
        4,
        shown=(0, 0),
        budget_tokens=100,
        count_tokens=len,
        timeout_ms=100,
    )
    assert ((), "none: switched off") == (selection.snippets, selection.state)
    assert frozenset() == neighbours.known({"x"})
    await neighbours.aclose()
