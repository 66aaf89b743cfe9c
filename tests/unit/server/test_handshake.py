"""The first message, answered without anything slow."""

import subprocess
import sys

import pytest

from fimls.server.handshake import Client, capabilities

SLOW = ("lsprotocol", "pygls", "attrs", "numpy", "openvino", "torch", "transformers", "tokenizers")


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (None, "utf-16"),
        ([], "utf-16"),
        (["utf-7"], "utf-16"),
        (["utf-8", "utf-16"], "utf-8"),
        (["utf-32", "utf-8"], "utf-32"),
        ("utf-8", "utf-16"),
        ([["utf-8"], 1], "utf-16"),
    ],
)
def test_position_encoding(offered: object, expected: str) -> None:
    """The client's first choice that is known; whatever else it sends means UTF-16."""
    client = Client.of({"capabilities": {"general": {"positionEncodings": offered}}})
    assert client.encoding == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ()),
        ({"rootUri": "file:///a"}, ("file:///a",)),
        ({"rootUri": "file:///a", "workspaceFolders": None}, ("file:///a",)),
        (
            {"rootUri": "file:///a", "workspaceFolders": [{"uri": "file:///b"}, {}, 3]},
            ("file:///b",),
        ),
        ({"workspaceFolders": "file:///a"}, ()),
    ],
)
def test_folders(given: dict[str, object], expected: tuple[str, ...]) -> None:
    """The workspace folders, or else the root; what is malformed is left out."""
    assert Client.of({"capabilities": {}, **given}).folders == expected


@pytest.mark.parametrize("given", [None, "12", True, -1, 0, 1.5])
def test_no_process_id(given: object) -> None:
    """Only a positive whole number is a process to watch."""
    assert Client.of({"capabilities": {}, "processId": given}).process_id is None


def test_one_kind_of_completion() -> None:
    """Ghost text where the client has it, otherwise the popup: never both."""
    for inline in (True, False):
        offered = capabilities(Client(inline_completion=inline))
        expected = {"inlineCompletionProvider"} if inline else {"completionProvider"}
        providers = {"inlineCompletionProvider", "completionProvider"}
        assert expected == providers & set(offered)


def test_nothing_slow_is_imported_before_the_answer() -> None:
    """Importing lsprotocol alone would take longer than the whole answer may."""
    code = "import sys, fimls.server; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & set(SLOW) == set()
