"""What place a URI names."""

from pathlib import Path

import pytest

from fimls.uris import bare_name, local_path, path_inside


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///p/a%20b.py", Path("/p/a b.py")),
        ("file://localhost/p/a.py", Path("/p/a.py")),
        ("file://elsewhere/p/a.py", None),
        ("vscode-remote://host/p/a.py", None),
        ("untitled:Untitled-1", None),
        ("file://[broken/a.py", None),
        ("", None),
    ],
)
def test_local_path(uri: str, expected: Path | None) -> None:
    """A file of this machine has one, whatever else a client sends has none."""
    assert expected == local_path(uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///p/a%20b.py", "a b.py"),
        ("file://elsewhere/p/a.py", "a.py"),
        ("untitled:Untitled-1", "Untitled-1"),
        ("file://[broken/a.py", "a.py"),
        ("", ""),
    ],
)
def test_bare_name(uri: str, expected: str) -> None:
    """Any URI's last part, decoded."""
    assert expected == bare_name(uri)


@pytest.mark.parametrize(
    ("uri", "folder", "expected"),
    [
        ("file:///p/src/a.py", "file:///p", "src/a.py"),
        ("file:///p%20q/a.py", "file:///p q", "a.py"),
        ("file:///project/a.py", "file:///p", None),
        ("vscode-remote://one/p/a.py", "vscode-remote://one/p", "a.py"),
        ("vscode-remote://one/p/a.py", "vscode-remote://other/p", None),
    ],
)
def test_path_inside(uri: str, folder: str, expected: str | None) -> None:
    """Relative to a folder of the same origin, whole names compared."""
    assert expected == path_inside(uri, folder)
