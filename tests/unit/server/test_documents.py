"""The table of open documents, and where they lie."""

from pathlib import Path

import pytest

from fimls.server.documents import Documents, local_folders, workspace_path
from fimls.text import MAX_DOCUMENT_BYTES, Position, TextChange
from fimls.types import Document, DocumentError

URI = "file:///p/a.py"


def test_snapshots_stay() -> None:
    """An edit makes another snapshot; one taken before it doesn't change."""
    documents = Documents("utf-16")
    documents.open(URI, "python", 1, "a\r\n\U0001f600b")
    before = documents.get(URI)
    documents.change(URI, 2, [TextChange("c", (Position(1, 2), Position(1, 3)))])
    assert before == Document(URI, "python", 1, "a\r\n\U0001f600b")
    assert documents.get(URI) == Document(URI, "python", 2, "a\r\n\U0001f600c")


def test_the_one_edited_last_is_at_the_end() -> None:
    """Whoever looks through the latest documents first goes from the end."""
    documents = Documents("utf-16")
    for name in "abc":
        documents.open(name, "python", 1, name)
    documents.change("a", 2, [TextChange("x")])
    documents.close("b")
    assert ["c", "a"] == list(documents)


def test_lone_surrogates_are_replaced() -> None:
    """JSON can carry them, a tokenizer refuses them."""
    documents = Documents("utf-16")
    documents.open(URI, "python", 1, "a\ud800b")
    assert documents.get(URI) == Document(URI, "python", 1, "a\N{REPLACEMENT CHARACTER}b")


def test_unknown_document() -> None:
    """Edits and closing of what isn't open do nothing."""
    documents = Documents("utf-16")
    documents.change(URI, 2, [TextChange("x")])
    documents.close(URI)
    assert documents.get(URI) is None


def test_size_counts_in_bytes() -> None:
    """The largest document is kept; one byte more drops it, with a reason that names it."""
    documents = Documents("utf-16")
    largest = "\u00e9" * (MAX_DOCUMENT_BYTES // 2)
    documents.open(URI, "python", 1, largest)
    assert documents.get(URI) is not None
    with pytest.raises(DocumentError, match=r"a\.py is ignored: 2,000,001 bytes"):
        documents.change(URI, 2, [TextChange(largest + "x")])
    assert documents.get(URI) is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///p/src/a%20b.py", "src/a b.py"),
        ("file:///p/nested/deep/a.py", "deep/a.py"),
        ("file:///other/a.py", "a.py"),
        ("file:///project/a.py", "a.py"),
        ("vscode-remote://host/p/a.py", "a.py"),
        ("untitled:Untitled-1", "Untitled-1"),
        ("file://[broken/a.py", "a.py"),
        ("", ""),
    ],
)
def test_workspace_path(uri: str, expected: str) -> None:
    """Relative to the innermost folder of the same origin; outside, the bare name."""
    assert workspace_path(uri, ["file:///p", "file:///p/nested"]) == expected


def test_local_folders() -> None:
    """The folders on this machine's disk, in the editor's order."""
    remote = "vscode-remote://host/p"
    assert [Path("/p q"), Path("/r")] == local_folders([remote, "file:///p%20q", "file:///r"])
    assert [] == local_folders([remote])
